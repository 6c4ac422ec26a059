"""Every interval in a JSON document says which confidence it has."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import example_records as made
import msgspec
import pytest

from edgebench.api import scale
from edgebench.compare import Settings, compare
from edgebench.compare.ab import Limits, run_ab
from edgebench.compare.budgets import Band, Budget
from edgebench.compare.gating import gate
from edgebench.estimate.validation import validation
from edgebench.ground.records import Accuracy, Result, Scenario
from edgebench.report import rows
from edgebench.report.page.payload import PageRequest, payload
from edgebench.report.stored import load

TEN = Scenario(processes=10, min_runs=20, min_s=0.01)
JUDGED = Accuracy(dataset="d", dataset_identity="i", images=200, correct=150, correct5=190, agreed=180)


def _results() -> list[Result]:
    """A measured, a lone, an estimated and an emulated result; the measured one with an accuracy."""
    emulated = made.measurement(
        provenance="emulated", device="rpi4", latency_s=(), estimated_latency_s=made.estimate().latency_s
    )
    lone = made.measurement(latency_s=made.measurement().latency_s[:1], device="lone")
    return [made.measurement(accuracy=JUDGED, scenario=TEN), lone, made.estimate(), emulated]


def _profile() -> Any:
    return [rows.profile(result) for result in _results()]


def _compare() -> Any:
    return compare(_results(), [made.measurement(factor=1.2, scenario=TEN), *_results()[1:]], Settings())


def _gate() -> Any:
    bands = {name: Band(0.0, 1.0) for name in ("latency", "first", "memory")}
    models = {result.model.name for result in _results()}
    budgets = [Budget(device, model, bands=bands)
               for device in ("host", "lone", "rpi4") for model in models]  # fmt: skip
    return gate(_results(), budgets, [])


def _ab() -> Any:
    chance = random.Random(0)
    return run_ab(lambda side: [chance.lognormvariate(-5, 0.01) for _ in range(5)], Limits(time_s=0.0))


def _validation() -> Any:
    return validation("rpi4")


def _scale() -> Any:
    return scale("rpi4", "mobilenetv2", max_latency="50ms", confirmed=False)


def _page() -> Any:
    with TemporaryDirectory() as folder:
        stored = load(str(made.write(Path(folder), _results())), on_warning=pytest.fail)
        return payload(stored, PageRequest(source="results", comparison=_compare()))


@pytest.mark.parametrize("document", [_profile, _compare, _gate, _ab, _validation, _scale, _page])
def test_an_interval_names_its_confidence(document: Callable[[], Any]) -> None:
    intervals = list(_intervals(msgspec.to_builtins(document())))
    assert intervals
    for interval in intervals:
        assert "confidence" in interval, interval
        known = interval.get("low", interval.get("low_s")) is not None
        assert interval["confidence"] or not known or interval["low"] == interval["high"], interval
    assert any(interval["confidence"] for interval in intervals)


def _intervals(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if {"low", "high"} <= value.keys() or {"low_s", "high_s"} <= value.keys():
            yield value
        for each in value.values():
            yield from _intervals(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _intervals(each)


def test_the_page_tells_the_confidence_of_each_row() -> None:
    cells = {
        row[3]: cell["confidence"] for page in [_page()] for row, cell in zip(page["rows"], page["cells"], strict=True)
    }
    assert cells["host"] == 0.95 and cells["lone"] is None and cells["rpi4"] == 0.9
