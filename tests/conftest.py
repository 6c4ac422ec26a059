"""In CI a skip for a missing package is a failure: there `.ci/run` has to install everything that the tests need."""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import click
import pytest
import torch
from hypothesis import settings

sys.path.append(str(Path(__file__).parent))  # there are no packages under tests/
pytest_plugins = ["boards"]

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# A shell starts a background job with interrupts ignored, and its children inherit that; the tests of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A shared machine pauses for longer than any one example should take, which says nothing of the code.
settings.register_profile("edgebench", deadline=None)
settings.load_profile("edgebench")


UNTYPED = ("query", "schema")
"""Commands whose columns are the user's, or that print a schema itself."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_where_nothing_may_be_missing((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_where_nothing_may_be_missing((yield))


def _failed_where_nothing_may_be_missing(report: Report) -> Report:
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "needs" in reason or "could not import" in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"
    return report


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Networks among a file's parameters are made as it is read: with the same weights, whatever was read before."""
    if isinstance(collector, pytest.Module):
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are cached for the whole test run, but never in the user's own cache."""
    root = tmp_path_factory.getbasetemp() / "cache"
    root.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))


@pytest.fixture(autouse=True)
def _documents_fit_their_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every JSON document that a command prints in any test has to fit the schema that `edgebench schema` prints."""
    from edgebench.report import output

    plain = output.document

    def checked(value: object) -> str:
        text = plain(value)
        context = click.get_current_context(silent=True)
        if context is not None and context.command.name not in UNTYPED:
            from schemas import check

            group = context.parent.command.name if context.parent else None
            check(text, f"device {context.command.name}" if group == "device" else context.command.name or "")
        return text

    monkeypatch.setattr(output, "document", checked)
