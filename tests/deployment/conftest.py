import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # what is beside this file: there are no packages under tests/
sys.path.append(str(Path(__file__).parents[1] / "report"))  # the browser is driven as for the report

import projects

import edgebench
from edgebench.deployment.app import App


@pytest.fixture(scope="session", autouse=True)
def _own_session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made once for all tests stays out of the user's cache, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> projects.Deploy:
    """Writes a project of a trained network of ten shapes, and returns its folder and what is in it."""

    def deploy(to: str, **how: object) -> tuple[Path, App]:
        folder = tmp_path_factory.mktemp(to) / "app"
        return folder, edgebench.deploy("mobilenetv2", to, weights=str(projects.TRAINED), output=folder, **how)

    return deploy
