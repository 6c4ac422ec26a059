"""Example results, and a headless Chromium for the tests that look at the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # the helpers beside this file: there are no packages under tests/

import browser as chromium
import example_records


@pytest.fixture(scope="session", autouse=True)
def _own_session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made once for all tests stays out of the user's cache, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def example_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with four networks, three formats, a past, a failure and estimates."""
    return example_records.write(tmp_path_factory.mktemp("results"), example_records.example())


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    executable = chromium.program()
    if executable is None:
        pytest.skip("needs the package chromium: apt-get install chromium")
    running = chromium.Browser(executable, tmp_path_factory.mktemp("profile"))
    yield running
    running.close()
