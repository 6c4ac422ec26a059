"""The answer of a search: the picked point, what it was picked from, and in sentences why everything else lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from msgspec.structs import replace

from edgebench.choose.budget import OPTION, SHOW, Budget
from edgebench.choose.learning import Learned
from edgebench.choose.pool import Describer, Pool
from edgebench.choose.prior import TIE, load
from edgebench.choose.records import Choice, Headroom, Point, Rejected, There
from edgebench.choose.selection import Selection, select, without_repeats
from edgebench.ground import units
from edgebench.ground.errors import Regression
from edgebench.ground.records import identity
from edgebench.machines.profiles import DeviceProfile


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was asked, and all candidates with what is known of them."""

    pool: Pool
    devices: Sequence[DeviceProfile]
    family: str
    budget: Budget
    extrapolate: bool
    finalists: int
    recipes: dict[str, str]
    seconds: float
    learned: Learned | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def describe(self) -> Describer:
        """Makes points of candidates."""
        return Describer(self.pool, self.devices)

    @property
    def device(self) -> str:
        """The devices' names, with commas."""
        return ",".join(each.name for each in self.devices)

    @cached_property
    def selection(self) -> Selection:
        """The candidates that matter. Raises Regression, saying what would do, when nothing keeps the limits."""
        try:
            return select(self.pool, self.budget, self.finalists)
        except Regression as error:
            more = "" if self.extrapolate else "; --extrapolate lets in networks that no published accuracy reaches"
            raise Regression(f"{error}{more}") from error


def answer(search: Search, finalists: list[Point], lost: list[Rejected]) -> Choice:
    """The choice among `finalists`, which keep the limits as far as is known; those in `lost` do not."""
    point, selection = search.describe.point, search.selection
    picked = max(finalists, key=lambda each: (each.worth, -each.latency_s.value))
    shown = {each.key: each for each in (*finalists, *(rejected.point for rejected in lost))}

    def known(index: int) -> Point:
        return shown.get(point(index).key, point(index))

    upgrade = None if selection.upgrade is None else known(selection.upgrade)
    frontier = tuple(replace(point(index), warnings=()) for index in selection.frontier)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Choice(
        id=identity(search.device, search.family, search.budget, picked.model, picked.export, now),
        time=now,
        device=search.device,
        family=search.family,
        budget=search.budget,
        recipes=search.recipes,
        picked=picked,
        confirmed=tuple(finalists) if finalists[0].path else (),
        ties=tuple(each for each in map(known, selection.ties) if each.key != picked.key),
        upgrade=upgrade if upgrade and upgrade.worth >= picked.worth + (TIE if picked.accuracy else 1) else None,
        frontier=frontier,
        frontier_points=selection.frontier_points,
        rejected=(*lost, *_rejected(search, picked, known, {each.point.key for each in lost})),
        headroom=headroom(picked, search.budget),
        candidates=len(search.describe.pool.columns),
        search_s=search.seconds,
        learned=search.learned,
        calibrated_on=tuple(sorted(search.describe.calibrated_on)),
        warnings=(*doubts(picked, search.budget), *_cautions(picked, search), *search.notes),
    )


def _rejected(
    search: Search, picked: Point, known: Callable[[int], Point], already: set[tuple[str, str, int]]
) -> list[Rejected]:
    """Published networks, near misses and ties, each with its reasons.

    Estimates are compared with the pick's own estimate, confirmed values with its confirmed ones.
    """
    describe, selection = search.describe, search.selection
    itself = [index for index in selection.finalists if describe.point(index).key == picked.key]
    basis = {False: describe.point(itself[0]) if itself else picked, True: picked}
    groups = [describe.pool.published(), selection.near_misses, selection.ties]
    return [
        Rejected(
            point=point,
            reasons=tuple(broken_by(point, search.budget)) or (compared(point, basis[point.path is not None]),),
        )
        for point in map(known, without_repeats(groups, itself))
        if point.key not in already
    ]


def _cautions(picked: Point, search: Search) -> list[str]:
    if not search.pool.judged:
        said = [
            "nothing tells how accurate they are: candidates and frontier are ordered by MACs; `data` learns accuracies"
        ]
    elif search.learned is not None:
        count = len({each.model.key for each in search.learned.trainings})
        said = [
            f"accuracies are expected on {search.learned.data}, after short trainings of {count} networks: longer "
            "ones reach more"
        ]
    else:
        said = [
            "accuracies are expected from published trainings of such networks, not measured: train the pick to know"
        ]
    if search.learned is not None and all(each.is_chance for each in search.learned.trainings):
        said.append("no proxy did better than guessing, so they tell nothing: give more --proxy-epochs or more images")
    if picked.extrapolated:
        said.append("the pick lies beyond all published accuracies: its expected accuracy is a guess")
    if len(set(search.recipes.values())) > 1:
        said.append("designs were published with different trainings: accuracies across families are less sure")
    unpublished = [kin for kin, recipe in search.recipes.items() if not load().published(kin, recipe)]
    if unpublished and search.learned is None:
        said.append(
            f"nobody has published the training {search.recipes[unpublished[0]]} of {', '.join(unpublished)}: what it "
            "gives them is taken from other designs"
        )
    return said


def values(point: Point) -> dict[str, float]:
    """What budgets limit, by the names of budget.SHOW."""
    return {
        "latency": point.latency_s.value,
        "memory": float(point.peak_memory_bytes or 0),
        "size": float(point.size_bytes),
        "accuracy": point.accuracy.value if point.accuracy else math.nan,
    }


def broken_by(point: Point, budget: Budget) -> list[str]:
    """One sentence for each limit that the point breaks."""
    sentences = []
    for name, limit in budget.limits().items():
        value = values(point)[name]
        over = limit - value if name == "accuracy" else value - limit
        if over > 0:
            show = SHOW[name]
            word = "under" if name == "accuracy" else "over"
            sentences.append(
                f"{name} {show(value)} is {show(over)} {word} --{OPTION[name].replace('_', '-')} {show(limit)}"
            )
    return sentences


def compared(point: Point, picked: Point) -> str:
    """The difference to the picked point: accuracy, called a tie where the prior cannot tell, and time and memory.

    An estimated memory is not set against an emulated or measured one.
    """
    if point.accuracy and picked.accuracy:
        lost = picked.accuracy.value - point.accuracy.value
        size = f"{abs(lost):.1f} points {'less' if lost >= 0 else 'more'} accurate"
        gain = f"{size} (tie)" if abs(lost) < TIE else size
    else:
        gain = _share(point.macs, picked.macs, "MACs")
    parts = [gain, _share(point.latency_s.value, picked.latency_s.value, "time")]
    alike = point.memory_provenance == picked.memory_provenance
    if point.peak_memory_bytes and picked.peak_memory_bytes and alike:
        parts.append(_share(point.peak_memory_bytes, picked.peak_memory_bytes, "memory"))
    return ", ".join(parts)


def headroom(point: Point, budget: Budget) -> tuple[Headroom, ...]:
    """How much of each limit the point leaves."""
    rooms = []
    for name, limit in budget.limits().items():
        value = values(point)[name]
        left = (value - limit) / limit if name == "accuracy" else 1 - value / limit
        rooms.append(Headroom(name=name, limit=limit, value=value, left=left))
    return tuple(rooms)


def doubts(point: Point, budget: Budget) -> list[str]:
    """Limits that the point keeps by its value, but not by the far end of its interval."""
    sentences = []
    limit = budget.max_latency_s
    for each in point.there or (There(device="", latency_s=point.latency_s, provenance=point.provenance),):
        if limit is not None and each.latency_s.high > limit:
            told, where = each.latency_s, f" on {each.device}" if each.device else ""
            longer = "measure longer, with nothing else running"
            advice = longer if each.provenance == "measured" else "measure on the device"
            sentences.append(
                f"the latency's {told.confidence:.0%} interval{where} reaches {units.show_seconds(told.high)}, over "
                f"the limit of {units.show_seconds(limit)}: {advice}, or give a lower --max-latency to be sure"
            )
    if budget.min_accuracy is not None and point.accuracy and point.accuracy.low < budget.min_accuracy:
        sentences.append(
            f"the expected accuracy's {point.accuracy.confidence:.0%} interval begins at {point.accuracy.low:.1f}%, "
            f"under the limit of {budget.min_accuracy:.1f}%: train it to know"
        )
    return sentences


def _share(value: float, other: float, what: str) -> str:
    ratio = value / other - 1
    if abs(ratio) < 0.005:
        return f"the same {what}"
    return f"{abs(ratio):.0%} {'more' if ratio > 0 else 'less'} {what}"
