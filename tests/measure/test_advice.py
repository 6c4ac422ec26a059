"""Warnings: each one says what to do, and quiet data gives none."""

from __future__ import annotations

from typing import Any

import pytest

from edgebench.ground.records import Scenario
from edgebench.measure import advice
from edgebench.measure.latency import summarize

QUIET = [[1.0, 1.01, 0.99] * 20] * 5


def test_quiet_samples_give_no_warning() -> None:
    assert advice.of_samples(summarize(QUIET)) == []


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([[1.0] * 9, [1.1] * 9, [1.0] * 9], "noisy: the medians of the processes vary by 5.6%"),
        ([[1.0] * 9, [1.4] * 9, [1.0] * 9], "unstable: the medians of the processes vary by"),
        ([[1.0, 1.15] * 30] * 3, "noisy: the runs inside a process vary by"),
        ([[1.0, 1.4] * 30] * 3, "unstable: the runs inside a process vary by"),
        ([[1.0] * 5000 + [1.6]] * 3, "the slowest run took 1.6 times the median"),
        ([[1.0] * 30 + [1.03] * 30 + [1.06] * 30] * 3, "drifted to 1.06 times"),
    ],
)
def test_noise_is_named_and_advised_on(samples: list[list[float]], says: str) -> None:
    found = advice.of_samples(summarize(samples))
    assert len(found) == 1
    assert says in found[0]
    assert any(verb in found[0] for verb in ("close", "look at", "warm up"))


def test_a_network_too_slow_for_the_scenario_is_said() -> None:
    scenario = Scenario(min_runs=100, max_s=150)
    assert advice.of_length([[1.0] * 100] * 2, scenario) == []
    assert advice.of_length([], scenario) == []
    (sentence,) = advice.of_length([[1.0] * 100, [2.0] * 75], scenario)
    assert sentence.startswith("only 75 of 100 runs fitted into 150 s")


def clocks(*gigahertz: float | None) -> list[dict[str, Any]]:
    return [{"frequency_hz": value and value * 1e9} for value in gigahertz]


@pytest.mark.parametrize("readings", [[], clocks(None, None), clocks(1.5, 1.43), clocks(1.0, 1.5), clocks(1.5, None)])
def test_a_clock_that_holds_is_valid(readings: list[dict[str, Any]]) -> None:
    assert advice.invalid({}, {}, readings) is None


def test_a_clock_that_falls_is_invalid() -> None:
    sentence = advice.invalid({}, {}, clocks(1.5, 1.5, 1.0, 1.5))
    assert sentence is not None
    assert "fell by 33%, from 1.50 to 1.00 GHz" in sentence and "cool down" in sentence


@pytest.mark.parametrize(
    ("before", "after", "valid"),
    [
        (None, None, True),
        (0x0, 0x0, True),
        (0x50000, 0x50000, True),  # throttled since boot, and not again
        (0x0, 0x50005, False),
        (0x50005, 0x50005, False),
        (0x10000, 0x50000, False),  # once while measuring, and over by now
    ],
)
def test_a_board_that_throttles_is_invalid(before: int | None, after: int | None, valid: bool) -> None:
    sentence = advice.invalid({"throttled": before}, {"throttled": after}, [])
    assert (sentence is None) == valid
    assert valid or "power supply" in (sentence or "")
