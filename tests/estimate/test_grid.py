"""Calibrations from counts alone, and how near they come where something is published."""

from statistics import median

import pytest

from edgebench import models
from edgebench.estimate import grid
from edgebench.estimate.counts import CORES
from edgebench.estimate.estimator import estimate
from edgebench.estimate.user_calibration import toml
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load
from edgebench.models.sketch import sketch
from edgebench.places.emulator.counting import CLASSES, TOTAL

FITTED = grid.calibrations()


def test_every_runtime_was_counted_on_the_whole_grid() -> None:
    for runtime in ("ncnn", "litert", "onnxruntime"):
        found = grid.counted("cortex-a72", runtime, "fp32")
        assert {spec.key for spec, _ in found} == {spec.key for spec in grid.specs()}
        for _, counts in found:
            assert sum(counts[name] for name in CLASSES) == counts[TOTAL]


def test_the_shipped_ones_are_what_the_counts_give() -> None:
    assert FITTED["rpi4"]
    for device, made in FITTED.items():
        profile = load(device)
        for each in made:
            shipped = profile.calibration(*each.cell)
            assert shipped is not None
            assert toml([shipped]) == toml([each])
            assert each.note.startswith("not measured: counted instructions, with ncnn fp32's constants of ")


def test_nothing_published_is_replaced() -> None:
    assert {each.runtime for each in FITTED["rpi4"]} == {"mnn", "onnxruntime", "openvino"}
    assert set(FITTED) <= set(CORES)


def test_on_litert_such_times_are_near_the_estimates_of_published_rows() -> None:
    """The only cell of the Raspberry Pi 4 with both: a median of 7%, 4% of it to one side."""
    errors = grid.check("rpi4", "litert")
    assert len(errors) == len(grid.GRID)
    assert abs(median(errors)) < 0.06
    assert median(map(abs, errors)) < 0.09


def test_on_an_in_order_core_they_are_not() -> None:
    errors = grid.check("rpi3bplus", "litert")
    assert len(errors) == len(grid.GRID)
    assert median(map(abs, errors)) > 0.12
    assert not set(FITTED) & {"rpi3bplus", "rpizero2w"}


def test_an_estimate_from_counts_alone_says_so_and_is_wide() -> None:
    spec = models.resolve("mobilenetv2")
    found = estimate(sketch(spec), load("rpi4"), spec=spec, export=ExportSpec(format="onnx"))
    assert found.latency_s is not None
    assert 0.05 < found.latency_s.low < found.latency_s.value < found.latency_s.high < 0.7
    assert found.latency_s.high / found.latency_s.value > 1.5
    assert any(warning.startswith("not measured: counted instructions") for warning in found.warnings)


@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
def test_the_networks_of_the_grid_are_known(name: str) -> None:
    assert any(spec.name == name for spec, _ in grid.counted("cortex-a72", "onnxruntime", "fp32"))
