"""What is installed, what each command can do here, and what disturbs timings (`edgebench doctor`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgebench.formats.format import NETWORKS, every, installed_version
from edgebench.ground.records import Record
from edgebench.machines import environment
from edgebench.runtimes import libraries, runtime, runtime_of


class Package(Record, frozen=True, kw_only=True):
    """One package: `version` is None where it is not installed, and `install` is the command that installs it."""

    name: str
    version: str | None
    purpose: str
    install: str


class Ability(Record, frozen=True, kw_only=True):
    """What a command can do here: "yes", or what it needs."""

    command: str
    available: bool
    here: str


class Diagnosis(Record, frozen=True, kw_only=True):
    """All findings of the doctor."""

    packages: tuple[Package, ...]
    abilities: tuple[Ability, ...]
    environment: dict[str, Any]
    disturbances: tuple[str, ...]


def examine() -> Diagnosis:
    """Looks at this machine; imports none of the packages it reports on."""
    packages = {
        name: Package(
            name=name,
            version=installed_version(name),
            purpose=purpose,
            install=f"pip install 'edgebench[{extra}]'" if extra else f"pip install {name}",
        )
        for name, (extra, purpose) in _purposes().items()
    }
    return Diagnosis(
        packages=tuple(packages.values()),
        abilities=tuple(_ability(command, [packages[name] for name in needs]) for command, needs in _commands()),
        environment=environment.capture(1, libraries()),
        disturbances=tuple(environment.disturbances(threads=1)),
    )


def _purposes() -> dict[str, tuple[str | None, str]]:
    """Package -> (the extra that installs it, None for a dependency of edgebench itself; what it is for)."""
    found: dict[str, tuple[str | None, str]] = {
        NETWORKS: (None, "building networks, capturing graphs, the reference of every parity check")
    }
    for form in every():
        runs, writes = runtime(runtime_of(form.name)).distribution, (*form.packages, *form.int8_packages)
        for name in dict.fromkeys((*writes, runs)):
            purposes = [f"export to {form.name}"] * (name in writes) + [f"running {form.name} files"] * (name == runs)
            found.setdefault(name, (form.extra, ", ".join(purposes)))
        for name, extra in form.converters.items():
            found[name] = (extra, f"--converter {name}")
    return found


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Commands, and the packages that each needs beyond edgebench's own dependencies."""
    for form in every():
        if form.packages:
            yield f"export --fmt {form.name}", list(form.packages)
        for name in form.converters:
            yield f"export --fmt {form.name} --converter {name}", [*form.packages, name]
    for form in every():
        runs = runtime(runtime_of(form.name))
        if form.extra and not runs.system:
            yield f"profile --device host ({form.name})", [runs.distribution]


def _ability(command: str, needs: list[Package]) -> Ability:
    missing = [package for package in needs if package.version is None]
    here = "yes" if not missing else "no: " + "; ".join(dict.fromkeys(package.install for package in missing))
    return Ability(command=command, available=not missing, here=here)
