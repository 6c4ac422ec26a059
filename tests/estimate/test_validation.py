"""The estimates against published rows that no fit has used."""

import pytest

from edgebench.estimate.published import published, unseen
from edgebench.estimate.validation import ACCELERATED, GOALS, Check, Tally, reached, tally
from edgebench.estimate.validation import unseen as checks
from edgebench.ground.errors import UsageError

# Tencent/ncnn benchmark/README.md at a4d2ea1d44: line, and the average in milliseconds as it stands there.
STATED = {
    ("rpi4", "fp32", 1, "ncnn/mobilenet_v2"): (1888, 93.48),
    ("rpi4", "fp32", 4, "ncnn/resnet18"): (1858, 123.12),
    ("rpi5", "fp16", 1, "ncnn/googlenet"): (1985, 48.71),
    ("rpizero2w", "fp32", 1, "ncnn/resnet18"): (2223, 654.69),
    ("rpi3bplus", "fp32", 4, "ncnn/mobilenet_v2"): (1765, 111.68),
    ("rpi4", "int8", 1, "ncnn/resnet18"): (1901, 158.5),
}


def test_no_fit_reads_them() -> None:
    kept = {row.network for row in unseen()}
    assert kept == {"ncnn/mobilenet_v2", "ncnn/googlenet", "ncnn/resnet18"}
    assert kept.isdisjoint(row.network for row in published())


def test_every_figure_has_its_line() -> None:
    rows = {(row.device, row.precision, row.threads, row.network): row for row in unseen()}
    assert len(rows) == len(unseen()) == 60
    for key, (line, milliseconds) in STATED.items():
        assert rows[key].latency_s == pytest.approx(milliseconds / 1e3)
        assert rows[key].source.endswith(f"benchmark/README.md at a4d2ea1d44 line {line}")


def test_estimates_are_as_near_as_they_say() -> None:
    found = tally(checks())
    assert found.median <= 0.11
    assert found.worst <= 0.45
    assert found.coverage >= 0.85
    one_thread = [check for check in checks("rpi4") if (check.precision, check.threads) == ("fp32", 1)]
    assert tally(one_thread).median <= 0.08
    assert tally(one_thread).coverage == 1


def test_every_goal_is_shown_beside_what_is_reached() -> None:
    lines = reached()
    assert len(lines) == len(GOALS) + len(ACCELERATED) + 1
    assert all(0 < line.median <= line.p90 and line.rows >= 20 for line in lines)
    assert all(0.8 <= line.coverage <= 1 for line in lines)
    assert lines[-1].rows == len(checks())


def check(estimate_s: float) -> Check:
    return Check(
        device="rpi4",
        runtime="ncnn",
        precision="fp32",
        threads=1,
        network="a",
        published_s=1.0,
        estimate_s=estimate_s,
        low_s=estimate_s * 0.75,
        high_s=estimate_s * 1.25,
        error=estimate_s - 1,
        inside=0.75 * estimate_s <= 1 <= 1.25 * estimate_s,
        source="here",
    )


def test_a_tally_counts_errors_both_ways_and_figures_at_the_ends() -> None:
    found = [check(0.8), check(1.1), check(1.5)]
    assert [one.inside for one in found] == [True, True, False]
    assert tally(found) == Tally(rows=3, median=pytest.approx(0.2), p90=0.5, worst=0.5, coverage=2 / 3)


def test_nothing_to_sum_up_is_said() -> None:
    assert checks("n100") == []
    with pytest.raises(UsageError, match="no published latency is kept"):
        tally([])
