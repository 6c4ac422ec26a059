"""The bundle that emulates devices: built once into the user's own cache, or the tests that need it are skipped."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebench import profiles
from edgebench.errors import EdgebenchError
from edgebench.records import Artifact, ExportSpec, ModelSpec
from edgebench.targets import assemble
from edgebench.targets.bundle import Bundle

# Read before a test gets a cache of its own: the bundle is worth keeping from run to run.
USERS_CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


@pytest.fixture(scope="session")
def built_bundle() -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", USERS_CACHE)
        try:
            return assemble.setup(profiles.load("rpi4"))
        except EdgebenchError as error:
            pytest.skip(f"needs a bundle: {error}")


@pytest.fixture
def bundle(built_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    """The bundle, which edgebench then finds as well."""
    monkeypatch.setenv("XDG_CACHE_HOME", USERS_CACHE)
    yield built_bundle


class ShellLink:
    """This machine as a device behind no link at all; `program` is what carries a command line."""

    name, home = "the board", ""

    def __init__(self) -> None:
        self.program = ["sh", "-c"]

    def command(self, line: str) -> list[str]:
        return [*self.program, line]

    def complaint(self, stderr: str) -> None:
        return None

    def reset(self) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.fixture
def shell_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShellLink:
    for variable, folder in {"XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}.items():
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    return ShellLink()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Exports a network of the zoo once a session: exported("mobilenetv2", "onnx", resolution=96) -> Artifact."""
    from edgebench import models
    from edgebench.export.pipeline import export_model

    folder = tmp_path_factory.mktemp("exported")

    def export(name: str, form: str, **size: int) -> Artifact:
        spec: ModelSpec = models.resolve(name, **size)
        return export_model(spec, ExportSpec(format=form), folder)  # type: ignore[arg-type]

    return export
