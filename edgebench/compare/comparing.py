"""Compares two sets of results, cell by cell and metric by metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean
from typing import Literal

from msgspec.structs import replace

from edgebench.compare.metrics import CONDITIONS, METRICS, Metric, Reading
from edgebench.compare.pairing import Pair, differences, newest, pairs
from edgebench.compare.records import Comparison, ComparisonReport, Difference, GeometricMean
from edgebench.compare.thresholds import DEFAULT, Threshold
from edgebench.compare.verdicts import Judgement, conclude
from edgebench.ground.errors import unknown
from edgebench.ground.records import Result

OPERATORS = 10  # whose changes are listed


@dataclass(frozen=True)
class Settings:
    """How to compare: from which change on it counts, which metrics decide, and which differences are intended.

    `metrics` empty leaves each metric its own default. `allowed` holds names of CONDITIONS.
    """

    threshold: Threshold = field(default_factory=lambda: Threshold(DEFAULT))
    metrics: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise unknown("metric", name, METRICS)
        for name in self.allowed:
            if name not in CONDITIONS:
                raise unknown("condition for `allow`", name, CONDITIONS)

    def decides(self, metric: Metric) -> bool:
        """Whether a metric takes part in the exit code."""
        return metric.name in self.metrics if self.metrics else metric.decides


def compare(
    base: Sequence[Result],
    new: Sequence[Result],
    settings: Settings,
    *,
    names: tuple[str, str] = ("base", "new"),
    confirm: Sequence[Result] = (),
    warnings: Sequence[str] = (),
) -> ComparisonReport:
    """Compares the newest results of each cell.

    `warnings` are what was met while reading. `confirm` holds a second run of `new`: where the first says slower, the
    second decides. Raises UsageError when the sides have no file in common.
    """
    cells = pairs(base, new, names)
    rows = _settled(cells, tuple(row for pair in cells for row in _rows(pair, settings)), settings)
    if confirm:
        again = compare(base, confirm, settings, names=names)
        rows = tuple(_confirmed(row, again.comparisons) for row in rows)
    return ComparisonReport(
        base_name=names[0],
        new_name=names[1],
        comparisons=rows,
        geometric_means=tuple(
            GeometricMean(metric=name, ratio=geometric_mean(ratios), cells=len(ratios))
            for name in METRICS
            if (ratios := [row.ratio for row in rows if row.metric == name and row.ratio])
        ),
        notes=(
            *warnings,
            *(
                f"{name} holds {count} older result{'s' * (count > 1)} of the same cells; the newest were compared"
                for side, name in zip((base, new), names, strict=True)
                if (count := len(side) - len(newest(side)))
            ),
            *_elsewhere(new, settings.threshold),
        ),
    )


def check(report: ComparisonReport) -> None:
    """Raises Regression (exit code 1) or Inconclusive (3), naming the rows that are to blame, when there are any."""
    failing, undecided = (
        [f"{row.cell.label} {row.metric or row.verdict}: {row.reason}" for row in rows]
        for rows in (report.failing, report.undecided)
    )
    conclude("comparisons", len(report.comparisons), failing, undecided)


def _rows(pair: Pair, settings: Settings) -> Iterator[Comparison]:
    """The comparisons of one cell: one a metric, or one that says why there are none."""
    base, new = pair.base, pair.new
    if new is not None and new.status == "failed":
        yield Comparison(cell=pair.cell, verdict="failed", reason=new.error or "failed without a message")
    elif new is None or new.status == "skipped":
        if base is not None and base.status not in ("skipped", "failed"):
            reason = (new.error if new else None) or "the baseline has it, the new results do not"
            yield Comparison(cell=pair.cell, verdict="missing", reason=reason)
    elif base is None or base.status in ("skipped", "failed"):
        reason = f"the baseline {base.status}: {base.error}" if base else "not in the baseline"
        yield Comparison(cell=pair.cell, verdict="new", reason=reason)
    elif "invalid" in (base.status, new.status):
        side, result = ("new", new) if new.status == "invalid" else ("baseline's", base)
        reason = f"the {side} run is invalid: {result.error or 'no reason was stored'}"
        yield Comparison(cell=pair.cell, verdict="inconclusive", reason=reason)
    else:
        differing = differences(base, new)
        for metric in METRICS.values():
            yield from _row(pair, metric, (base, new), differing, settings)


def _row(
    pair: Pair, metric: Metric, results: tuple[Result, Result], differing: tuple[Difference, ...], settings: Settings
) -> Iterator[Comparison]:
    base, new = metric.read(results[0]), metric.read(results[1])
    if base is None:
        if new is not None and metric.name in settings.metrics:
            yield _unjudged(pair, metric, "new", f"the baseline has no {metric.title}", new)
        return
    judgement = _judge(metric, base, new, differing, settings, settings.threshold.of(pair.cell.device))
    yield Comparison(
        cell=pair.cell,
        metric=metric.name,
        unit=metric.unit,
        provenance=results[1].provenance,
        base=base.value,
        new=new.value if new else None,
        processes=(len(base.values), len(new.values) if new else 0),
        threshold=metric.threshold or settings.threshold.share,
        decides=settings.decides(metric),
        differences=differing,
        details=_details(metric, *results, slower=judgement.verdict == "slower"),
        **vars(judgement),
    )


def _unjudged(
    pair: Pair, metric: Metric, verdict: Literal["new", "inconclusive"], reason: str, new: Reading | None
) -> Comparison:
    return Comparison(
        cell=pair.cell,
        metric=metric.name,
        unit=metric.unit,
        new=new.value if new else None,
        verdict=verdict,
        reason=reason,
    )


def _settled(cells: Sequence[Pair], rows: tuple[Comparison, ...], settings: Settings) -> tuple[Comparison, ...]:
    """The rows; where no metric asked for could be compared, each cell is inconclusive: no data is no pass.

    A cell that is new as a whole has said so already.
    """
    if not settings.metrics or any(row.decides and row.verdict != "new" for row in rows):
        return rows
    told = {row.cell for row in rows if not row.metric}
    undecided = []
    for pair in cells:
        for metric in [] if pair.cell in told else [METRICS[name] for name in settings.metrics]:
            new = metric.read(pair.new) if pair.new else None
            side = "the baseline has no" if new else "no result on either side has"
            undecided.append(_unjudged(pair, metric, "inconclusive", f"{side} {metric.title}: {metric.source}", new))
    return (*(row for row in rows if not (row.metric and row.decides)), *undecided)


def _judge(
    metric: Metric,
    base: Reading,
    new: Reading | None,
    differing: tuple[Difference, ...],
    settings: Settings,
    threshold: float,
) -> Judgement:
    if new is None:
        return Judgement("missing", f"the baseline has {metric.title}, the new result does not")
    blocking = [each for each in differing if each.decisive and each.name in metric.needs - set(settings.allowed)]
    if blocking:
        return Judgement("inconclusive", "not comparable: " + "; ".join(map(str, blocking)))
    return metric.judge(base, new, threshold)


def _details(metric: Metric, base: Result, new: Result, *, slower: bool) -> tuple[str, ...]:
    """How each class of instructions changed, and each operator's where both sides have them, largest change first.

    Where they have not, more instructions come with what to do to see whose they are.
    """
    if metric.name != "instructions" or not (base.counts and new.counts):
        return ()
    classes = _changes(base.counts, new.counts)
    here, there = _instructions_by_operator(base), _instructions_by_operator(new)
    if not (here and there):
        return (*classes, *(["profile both sides with --per-op to see which operator"] if slower else ()))
    operators = _changes(here, there)
    more = f"and {len(operators) - OPERATORS} more operators"
    return (*classes, *operators[:OPERATORS], *([more] if len(operators) > OPERATORS else ()))


def _changes(base: Mapping[str, int], new: Mapping[str, int]) -> list[str]:
    names = [name for name in {**base, **new} if name not in ("instructions", "timed_every")]
    changes = [(name, base.get(name, 0), new.get(name, 0)) for name in names]
    changes.sort(key=lambda change: -abs(change[2] - change[1]))
    return [f"{name}: {here:,} -> {there:,} ({there - here:+,})" for name, here, there in changes if here != there]


def _instructions_by_operator(result: Result) -> dict[str, int]:
    """Instructions of every operator of a profile with --per-op, by its name and kind."""
    counts: Counter[str] = Counter()
    for operator in result.operators.operators if result.operators else ():
        counts[f"operator {operator.name} ({operator.kind})"] += operator.counts.get("instructions", 0)
    return dict(counts)


def _confirmed(row: Comparison, again: Sequence[Comparison]) -> Comparison:
    """The row after a second run of the same cell; only a noisy metric can change its mind."""
    if row.verdict != "slower" or row.p is None:
        return row
    second = next((other for other in again if (other.cell, other.metric) == (row.cell, row.metric)), None)
    if second is None or second.p is None:
        return replace(row, reason=f"{row.reason}; no second run of it")
    if second.verdict == "slower":
        return replace(row, reason=f"{row.reason}; a second run confirms it ({second.ratio:.3f})")
    return replace(second, reason=f"{second.reason}; a first run said slower ({row.ratio:.3f}), which did not repeat")


def _elsewhere(new: Sequence[Result], threshold: Threshold) -> Iterator[str]:
    """A note when the threshold was learned on another machine than the new results are from."""
    machines = {str(machine) for result in new if (machine := result.environment.get("machine"))}
    if threshold.machine is not None and machines - {threshold.machine}:
        yield (
            f"the noise file was learned on machine {threshold.machine}, the new results are from "
            f"{', '.join(sorted(machines))}: run `edgebench noise` there too"
        )
