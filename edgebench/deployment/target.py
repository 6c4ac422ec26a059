"""What the rest asks of a target: its entry, `TARGET` in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.formats import format as formats
from edgebench.formats.format import Format
from edgebench.ground.errors import UsageError
from edgebench.ground.registry import Registry

if TYPE_CHECKING:
    from edgebench.deployment.app import App

Texts = Mapping[str, str | bytes | Path]
"""The files of a project by their paths in it: what they hold, or the file or folder that is copied there."""

TARGETS: Final = Registry(
    "target", {name: f"edgebench.deployment.{name}:TARGET" for name in ("python", "web", "android", "ios", "cpp")}
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kind of project. `engine` names the file of a format's folder `deploy` that runs its files there.

    `assets` is the folder of the project for the network, its description and the test; `sources` that for `engine`,
    None where `made` takes it in. `made` gives the files that are not the same for every network. `run` is the command
    that a user types next, in the project's folder.
    """

    name: str
    engine: str
    run: str
    assets: str = "."
    sources: str | None = "."
    made: Callable[[App], Texts] = field(default=lambda app: {})

    @property
    def project(self) -> Path:
        """The folder of files that every project gets."""
        return Path(__file__).parent / self.name / "project"

    def snippet(self, form: Format) -> Path:
        """Where the format says how its files are run."""
        return Path(formats.__file__).parent / form.name / "deploy" / self.engine

    def formats(self) -> list[str]:
        """The formats that can be deployed to it, in the registry's order."""
        return [form.name for form in formats.every() if self.snippet(form).is_file()]

    def check(self, form: str) -> None:
        """Raises UsageError for a format that does not run there."""
        known = self.formats()
        if form not in known:
            raise UsageError(f"a project for {self.name} runs {' or '.join(known)}, not {form}: export one of these")


def target(name: str) -> Target:
    """The entry of a target. Raises UsageError for an unknown one."""
    found: Target = TARGETS.load(name)
    return found
