"""The posterior: exact where it must be, and better than its prior where there are figures."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edgebench.estimate import posterior, reference
from edgebench.estimate.calibrations import start
from edgebench.estimate.hierarchy import LEVELS, mean
from edgebench.estimate.posterior import Posterior, Sample, by_name, conditioned, fitted, form
from edgebench.estimate.terms import TERMS

CORES = ("rpi3bplus", "rpizero2w", "sd410", "eaidk_310", "rpi4")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Published figures of four boards with a Cortex-A53 and one with a Cortex-A72: 109 of 23 networks."""
    names = {f"{device} ncnn fp32 1#1" for device in CORES}
    return [each for each in reference.samples() if each.at.table in names]


@pytest.fixture(scope="module")
def found(samples: list[Sample]) -> Posterior:
    return fitted(samples)


def test_slopes_are_the_derivatives_of_the_form(samples: list[Sample]) -> None:
    logarithms = np.array(mean(samples[0].at))
    value, slopes = form(samples[0], np.exp(logarithms))
    for term in range(len(TERMS)):
        moved = logarithms.copy()
        moved[term] += 1e-6
        assert (form(samples[0], np.exp(moved))[0] - value) / 1e-6 == pytest.approx(slopes[term], abs=1e-4)
    assert slopes.sum() == pytest.approx(1)  # twice the constants, twice the time


def test_the_form_fits_what_is_published_and_effects_the_rest(found: Posterior) -> None:
    rows = np.arange(len(found.design))
    off = np.abs(found.predict(rows) - found.design.target)
    assert len(rows) > 100 and np.median(off) < 0.05
    assert np.median(np.abs(by_name(found).predict(rows) - found.design.target)) < 0.03


def test_what_is_left_out_by_the_block_inverse_is_as_if_never_seen(found: Posterior) -> None:
    """The same linear system without the rows, solved afresh."""
    out = np.array([each.at.table.startswith("sd410") for each in found.design.samples])
    part, kept = found.without(out), np.flatnonzero(~out)
    slopes, whole = found.slopes[kept], found.design.shared(kept, kept)
    system = whole.covariance(slopes, slopes) + np.diag(found.design.noise[kept])
    inverse = np.linalg.inv(found.inverse)
    assert np.allclose(system, inverse[np.ix_(kept, kept)], rtol=1e-5, atol=1e-8)
    target = (inverse @ found.weights)[kept]
    assert np.allclose(part.weights, np.linalg.solve(system, target), rtol=1e-5, atol=1e-6)


def test_a_chip_left_out_is_known_by_its_core_and_better_by_one_figure(found: Posterior) -> None:
    design = found.design
    out = np.array([each.at.table.startswith("sd410") for each in design.samples])
    part, rows = found.without(out), np.flatnonzero(out)
    by_core = np.abs(part.predict(rows) - design.target[rows])
    unknown = [name for name in ("cpu", "cpu, precision", "table", "runtime, cpu") if name in LEVELS]
    one = next(row for row in rows if design.samples[row].network == "mobilenetv1")
    constants = conditioned(part.constants[rows[0]], unknown, [design.samples[one]], [0.0])
    others = [row for row in rows if row != one]
    by_one = np.abs([form(design.samples[row], np.exp(constants))[0] - design.target[row] for row in others])
    assert np.median(by_one) < np.median(by_core) < 0.5
    assert np.median(by_one) < 0.15


def test_many_figures_of_one_place_are_followed(samples: list[Sample]) -> None:
    own = [each for each in samples if each.at.table.startswith("rpi4")]
    truth = np.array(mean(own[0].at)) + np.linspace(-0.8, 0.8, len(TERMS))
    told = [posterior.replace(each, latency_s=float(np.exp(form(each, np.exp(truth))[0]))) for each in own]
    constants = conditioned(np.array(mean(own[0].at)), list(LEVELS), told, np.zeros(len(told)))
    off = [form(each, np.exp(constants))[0] - np.log(each.latency_s) for each in told]
    assert np.max(np.abs(off)) < 0.05


def test_the_shipped_constants_are_what_the_fit_makes_of_the_published_tables() -> None:
    """One whole step of the fit from the shipped constants changes no figure: they are its fixed point."""
    every = reference.samples()
    names = [each.at.table.partition("#")[0] for each in every]
    tables = Counter({each.at.table: name for each, name in zip(every, names, strict=True)}.values())
    shipped = np.array([start(replace(each.at, table=name)) for each, name in zip(every, names, strict=True)])
    design, rows = posterior.Design(every), np.arange(len(every))
    once_more = posterior._steps(design, rows, shipped, 1)
    alone = np.array([tables[name] == 1 for name in names])  # tables of one name are shipped as their mean
    off = np.abs(design.linear(shipped, rows)[0] - once_more.predict(rows))[alone]
    assert alone.mean() > 0.7
    assert off.max() < 0.01
