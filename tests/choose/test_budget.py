"""Budgets: units, refusals, and what is said when nothing fits."""

import re

import numpy as np
import pytest

from edgebench.choose import budget
from edgebench.choose.budget import Budget, feasible, infeasible, parse
from edgebench.ground.errors import UsageError

QUANTITIES = {
    "latency": np.array([0.010, 0.020, 0.040]),
    "memory": np.array([30e6, 20e6, 50e6]),
    "size": np.array([5e6, 4e6, 9e6]),
    "accuracy": np.array([60.0, 55.0, 72.0]),
}


def test_text_carries_its_unit_and_numbers_are_base_units() -> None:
    wanted = Budget(max_latency_s=0.05, max_memory_bytes=64_000_000, max_size_bytes=10_000_000, min_accuracy=70.0)
    assert parse("50ms", "64MB", "10MB", "70") == wanted
    assert parse(0.05, 64e6, 10e6, 70) == wanted
    assert parse("50ms", min_accuracy="70%").min_accuracy == 70.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_latency": "0ms"}, "above zero"),
        ({"max_latency": "-5ms"}, "not a duration"),
        ({"max_latency": -0.05}, "above zero"),
        ({"max_latency": float("nan")}, "above zero"),
        ({"max_latency": "50MB"}, "not a duration"),
        ({"max_latency": "50"}, "not a duration"),
        ({"max_memory": "64ms"}, "not a size"),
        ({"max_size": "0MB"}, "above zero"),
        ({"max_latency": "50ms", "min_accuracy": "100"}, "between 0 and 100"),
        ({"max_latency": "50ms", "min_accuracy": "0"}, "between 0 and 100"),
        ({"max_latency": "50ms", "min_accuracy": "good"}, "not a percentage"),
        ({}, "no budget"),
        ({"min_accuracy": "70"}, "no budget"),
        ({"max_memory": "10MB", "max_size": "20MB"}, "contradicts"),
    ],
)
def test_bad_budgets_are_refused_in_one_sentence(given: dict[str, str | float], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(**given)
    assert "\n" not in str(caught.value)


def test_every_limit_counts() -> None:
    assert feasible(Budget(max_latency_s=0.02), QUANTITIES).tolist() == [True, True, False]
    assert feasible(Budget(max_latency_s=0.05, min_accuracy=58), QUANTITIES).tolist() == [True, False, True]
    assert feasible(Budget(max_memory_bytes=25_000_000), QUANTITIES).tolist() == [False, True, False]


def test_an_infeasible_budget_says_the_tightest_limit_and_what_works() -> None:
    error = infeasible(Budget(max_latency_s=0.015, max_memory_bytes=60_000_000, min_accuracy=70), QUANTITIES)
    assert error.exit_code == 1
    assert "`max_latency` 15.0 ms, which 1 of 3" in str(error)
    assert "`max_latency` 40ms or `min_accuracy` 60.0" in str(error)


def test_what_is_said_to_work_works() -> None:
    relaxed = Budget(max_latency_s=0.04, max_memory_bytes=60_000_000, min_accuracy=70)
    assert feasible(relaxed, QUANTITIES).any()


def test_when_no_single_limit_helps_it_gives_those_that_do_together() -> None:
    error = infeasible(Budget(max_latency_s=0.005, max_memory_bytes=10_000_000), QUANTITIES)
    found = re.search(r"it works with `max_latency` ([\d.]+)ms and `max_memory` ([\d.]+)MB", str(error))
    assert found is not None
    relaxed = Budget(max_latency_s=float(found[1]) / 1e3, max_memory_bytes=round(float(found[2]) * 1e6))
    assert feasible(relaxed, QUANTITIES).any()


def test_among_networks_that_break_the_worst_limit_alike_the_rest_decides() -> None:
    quantities = {"latency": np.array([0.012, 0.004]), "memory": np.array([9e6, 3e6]), "size": np.array([6e6, 6e6])}
    limits = {"latency": 0.001, "memory": 1e6, "size": 1e5}
    assert budget._relaxed_together(limits, quantities) == "`max_latency` 4ms and `max_memory` 3MB and `max_size` 6MB"
