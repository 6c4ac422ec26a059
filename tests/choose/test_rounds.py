"""Rounds of confirmation, with estimates that are off by a known factor."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from edgebench.choose.budget import Budget
from edgebench.choose.confirm import Confirmation
from edgebench.choose.pool import Describer, Pool, Variant, pool
from edgebench.choose.records import Point
from edgebench.choose.rounds import MORE, corrected, settle
from edgebench.choose.scalable import bases
from edgebench.choose.selection import FINALISTS, select
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load

BUDGET = Budget(max_latency_s=0.05)


@pytest.fixture(scope="module")
def found() -> Pool:
    return pool(bases("mobilenetv1"), [Variant(ExportSpec(), 1)], [load("rpi4")], extent=WITHIN_PRIOR)


@pytest.fixture(scope="module")
def describe(found: Pool) -> Describer:
    return Describer(found, [load("rpi4")])


def _off_by(factor: float, asked: list[int]) -> object:
    def confirm(points: Sequence[Point]) -> list[Confirmation]:
        asked.append(len(points))
        return [Confirmation(_scaled(point, factor)) for point in points]

    return confirm


def _scaled(point: Point, factor: float) -> Point:
    told = point.latency_s
    ends = {"low": told.low * factor, "high": told.high * factor}
    scaled = replace(told, value=told.value * factor, **ends)
    return replace(point, latency_s=scaled, provenance="emulated", path="there")


def _accuracy(confirmations: Sequence[Confirmation]) -> float:
    return max(e.point.accuracy.value for e in confirmations if e.point.latency_s.value <= 0.05)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_the_best_by_corrected_estimates_is_confirmed(found: Pool, describe: Describer, factor: float) -> None:
    asked: list[int] = []
    confirm = _off_by(factor, asked)
    tried = settle(found, BUDGET, select(found, BUDGET), describe.point, confirm).tried  # type: ignore[arg-type]
    fits = found.columns.latency * factor <= 0.05
    assert _accuracy(tried) == pytest.approx(found.columns.accuracy[fits].max(), abs=0.1)
    assert asked[0] == FINALISTS and sum(asked) == len(tried) <= FINALISTS + MORE
    assert len({each.point.key for each in tried}) == len(tried)
    if factor == 1.0:
        assert asked == [FINALISTS]


def test_what_cannot_be_exported_is_no_longer_the_best(found: Pool, describe: Describer) -> None:
    def confirm(points: Sequence[Point]) -> list[Confirmation]:
        return [Confirmation(each, "it broke") for each in points]

    tried = settle(found, BUDGET, select(found, BUDGET), describe.point, confirm).tried
    assert len(tried) == FINALISTS + MORE


def test_a_network_that_may_just_fit_is_tried_where_it_promises_more(found: Pool, describe: Describer) -> None:
    """Half a percent over the limit by the estimate, and in truth below it."""
    columns = found.columns
    index = int(np.argmax(np.where(columns.latency < 0.05 * 1.005, columns.accuracy, 0.0)))
    limit = float(columns.latency[index]) / 1.005
    better = columns.accuracy.copy()
    better[index] += 5.0
    rich = dataclasses.replace(found, columns=dataclasses.replace(columns, accuracy=better))
    key = describe.point(index).key

    def confirm(points: Sequence[Point]) -> list[Confirmation]:
        return [Confirmation(_scaled(each, 0.99 if each.key == key else 1.0)) for each in points]

    budget = Budget(max_latency_s=limit)
    tried = settle(rich, budget, select(rich, budget), Describer(rich, [load("rpi4")]).point, confirm).tried
    assert key in [each.point.key for each in tried]


def test_corrections_are_a_variants_own(describe: Describer) -> None:
    two = pool(
        bases("mobilenetv1"), [Variant(ExportSpec(), 1), Variant(ExportSpec(), 4)], [load("rpi4")], extent=WITHIN_PRIOR
    )
    point = Describer(two, [load("rpi4")]).point
    index = int(np.flatnonzero(two.columns.variant == 1)[0])
    confirmed = _scaled(point(index), 2.0)
    columns = corrected(two.columns, point, {index: Confirmation(confirmed)})
    ratio = columns.latency / two.columns.latency
    assert np.allclose(ratio[two.columns.variant == 0], 1.0)
    assert np.allclose(ratio[two.columns.variant == 1], 2.0, rtol=2e-3)
    assert columns.latency[index] == confirmed.latency_s.value


def test_others_are_shown_with_what_confirmed_ones_were_off_by(found: Pool, describe: Describer) -> None:
    settled = settle(found, BUDGET, select(found, BUDGET), describe.point, _off_by(0.7, []))  # type: ignore[arg-type]
    again = Describer(settled.pool, [load("rpi4")])
    before, after = describe.point(0), again.point(0)
    assert after.latency_s.value == pytest.approx(0.7 * before.latency_s.value, rel=2e-3)
    assert after.latency_s.high == pytest.approx(0.7 * before.latency_s.high, rel=2e-3)
    assert any("multiplied by 0.70" in warning for warning in after.warnings)
    assert not any("multiplied" in warning for warning in before.warnings)
