"""What is left out, and the table of errors that comes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.estimate import crossvalidation, errors, reference
from edgebench.estimate.crossvalidation import Residual, cases
from edgebench.estimate.errors import quantile
from edgebench.estimate.posterior import fitted

CORES = ("rpi3bplus", "rpizero2w", "sd410", "rpi4", "rk3399")


@given(st.lists(st.floats(-2, 2), min_size=9, max_size=60))
def test_a_quantile_covers_nine_in_ten(values: list[float]) -> None:
    bound = quantile(values)
    assert sum(abs(value) <= bound for value in values) >= 0.9 * len(values)


def test_every_case_is_made_of_figures_that_were_left_out() -> None:
    """On a few boards and two runtimes; the whole of it is what `python -m edgebench.estimate.fit` writes."""
    chosen = [
        each
        for each in reference.samples()
        if each.at.table.split()[0] in CORES and each.at.precision == "fp32" and "#1" in each.at.table
    ]
    found = list(crossvalidation.residuals(fitted(chosen)))
    seen = {(each.case, each.known) for each in found}
    assert seen >= {("measured", True), ("measured", False), ("threads", True), ("core", True), ("runtime", True)}
    assert {name for name, _ in seen} >= {"1", "3", "10"}
    by_one, by_ten = (
        np.median([abs(each.error) for each in found if (each.case, each.known, each.threads) == (name, True, "1")])
        for name in ("1", "10")
    )
    assert by_ten < by_one < 0.3


def test_a_line_needs_enough_figures_and_covers_the_chips_that_it_was_made_without() -> None:
    errors_of = np.random.default_rng(0).normal(0, 0.1, 200).tolist()
    found = [
        Residual("core", True, "ncnn", "fp32", "1", f"chip {number % 10}", error)
        for number, error in enumerate(errors_of)
    ]
    lines = cases(found)
    assert {(line.runtime, line.precision, line.threads) for line in lines} == {
        (runtime, *rest) for runtime in ("ncnn", "any") for rest in (("fp32", "1"), ("fp32", "any"), ("any", "any"))
    }
    assert all(0.85 < line.coverage < 0.95 and line.rows == 200 for line in lines)
    assert quantile(errors_of) < lines[0].spread < 1.2 * quantile(errors_of)
    assert cases(found[:5]) == []


def test_intervals_of_few_chips_hold_on_the_next_one() -> None:
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        offs = generator.normal(0, 0.5, 5)
        found = [
            Residual("runtime", True, "litert", "int8", "4", f"chip {number % 5}", offs[number % 5] + error)
            for number, error in enumerate(generator.normal(0, 0.1, 25).tolist())
        ]
        covered.append(cases(found)[0].coverage)
    assert 0.85 < np.mean(covered) < 0.97


def test_the_shipped_table_has_a_line_for_every_case_and_they_grow_with_ignorance() -> None:
    for known in (True, False):
        measured, ten, one, core = (
            errors.case(name, known, "ncnn", "fp32", 1).spread  # type: ignore[arg-type]
            for name in ("measured", "10", "1", "core")
        )
        assert max(measured, ten) < one < core
    for name in ("measured", "threads", "core", "runtime", "1", "3", "10"):
        for runtime in ("ncnn", "litert", "onnxruntime"):
            assert 0 < errors.case(name, False, runtime, "int8", 4).spread < 3  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="no line for the case 'astrology'"):
        errors.case("astrology", True, "ncnn", "fp32", 1)
