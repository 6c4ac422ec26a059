"""Times from counted instructions."""

import math

import numpy as np
import pytest
from benchmarks.fit_counts import fitted, solve, toml
from hypothesis import given
from hypothesis import strategies as st

from edgebench.estimate.counts import (
    CORES,
    EVERY,
    GROUPS,
    OTHER,
    calibrations,
    counted_networks,
    interval,
    nearest,
    quantities,
)
from edgebench.estimate.published import text, unseen
from edgebench.estimate.reference import networks
from edgebench.machines.profiles import load
from edgebench.places.emulator.counting import CLASSES, TOTAL
from edgebench.places.emulator.fakecpu import core_of

RPI4 = load("rpi4")


def test_counts_are_whole() -> None:
    for core in ("cortex-a72", "cortex-a53"):
        found = counted_networks(core)
        assert len(found) == 17 and set(found) <= set(networks())
        for counts in found.values():
            assert set(counts) == {TOTAL, *CLASSES}
            assert sum(counts[name] for name in CLASSES) == counts[TOTAL]


def test_cores_are_what_the_emulator_takes_for_the_devices() -> None:
    assert {name: core_of(load(name)).qemu for name in CORES} == CORES


def test_multiply_adds_do_not_depend_on_the_core_and_loads_do() -> None:
    a72, a53 = (counted_networks(core)["ncnn/mobilenet_v2"] for core in ("cortex-a72", "cortex-a53"))
    assert a72["float_fma"] == pytest.approx(a53["float_fma"], rel=0.01)
    assert a53["load"] > 2 * a72["load"]


def test_the_shipped_constants_are_those_that_the_rows_give() -> None:
    assert toml(fitted()) == text("counts.toml")


@pytest.mark.parametrize("key", calibrations())
def test_a_calibration_errs_on_left_out_networks_by_what_it_says(key: tuple[str, str, str]) -> None:
    found = calibrations()[key]
    assert found.networks >= 4 * len(found.cycles) or found.networks >= 12
    assert 0 < found.median <= 0.2
    assert found.median < found.worst < 0.6
    assert math.expm1(found.spread) > found.median


def test_on_the_raspberry_pi_4_four_groups_of_instructions_err_by_a_twentieth() -> None:
    found = calibrations()["rpi4", "ncnn", "fp32"]
    assert tuple(found.cycles) == (*GROUPS, OTHER)
    assert found.networks == 14
    assert found.median < 0.06


def test_networks_that_no_fit_has_used_lie_inside_the_interval() -> None:
    rows = {row.network: row for row in unseen() if row.cell == ("rpi4", "ncnn", "fp32", 1)}
    counted = counted_networks("cortex-a72")
    for name, row in rows.items():
        estimate = interval(counted[name], calibrations()["rpi4", "ncnn", "fp32"], RPI4.cpu.clock_hz)
        assert estimate.low <= row.latency_s <= estimate.high
        assert estimate.value == pytest.approx(row.latency_s, rel=0.15)


def test_a_half_precision_file_takes_the_time_of_a_single_one_where_it_is_unpacked() -> None:
    assert nearest(RPI4, "ncnn", "fp16") == nearest(RPI4, "ncnn", "fp32") == calibrations()["rpi4", "ncnn", "fp32"]


def test_another_runtime_or_core_has_the_nearest_constants_or_none() -> None:
    assert nearest(RPI4, "litert", "fp32") == calibrations()["rpi4", "ncnn", "fp32"]
    assert nearest(load("jetson_nano"), "ncnn", "fp32") is None


def test_groups_hold_every_instruction_once() -> None:
    counts = dict.fromkeys(CLASSES, 1) | {TOTAL: len(CLASSES), "float_fma": 7}
    counts[TOTAL] = sum(counts[name] for name in CLASSES)
    assert quantities(counts, (*GROUPS, OTHER)).tolist() == [7, 2, 2, 7]
    assert quantities(counts, (EVERY,)).tolist() == [18]


@given(st.lists(st.floats(0.1, 20), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_cycles_that_explain_the_times_are_found(cycles: list[float], seed: int) -> None:
    instructions = np.random.default_rng(seed).uniform(1, 100, (12, 4))
    np.testing.assert_allclose(solve(instructions, instructions @ np.array(cycles)), cycles, rtol=1e-6)
