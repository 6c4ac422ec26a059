"""Finds how far the model is off: the same model without the figures in question, in each case of errors.py."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from edgebench.estimate.errors import ANY, CONFIDENCE, FIGURES, Case, quantile
from edgebench.estimate.hierarchy import LEVELS
from edgebench.estimate.posterior import Design, Posterior, by_name, conditioned, form, refitted

_FOLDS: Final = 6  # of designs, and 10 of a chip's networks
_PAIRS: Final = 10
_NORMAL: Final = float(norm.ppf((1 + CONFIDENCE) / 2))
_FEWEST: Final = 20  # residuals; of fewer, a line is made of more runtimes and precisions

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Residual:
    """ln(estimate / published) of one figure that was left out."""

    case: str
    known: bool
    runtime: str
    precision: str
    threads: str
    soc: str
    error: float


def residuals(found: Posterior) -> list[Residual]:
    """Leaves out a chip's networks, designs, chips, thread counts and runtimes in turn. Takes some minutes."""
    design = found.design
    pairs = _folds([f"{each.at.soc} {each.network}" for each in design.samples], _PAIRS)
    result = [each for fold in pairs for each in _left_out(found, "measured", fold, fold, known=True)]
    result += _of_devices(found, np.ones(len(design), dtype=bool), known=True)
    usual = _usual(design)
    for number, fold in enumerate(_folds([each.family for each in design.samples], _FOLDS)):
        part = refitted(found, np.flatnonzero(~fold))
        fold &= ~usual
        rows = np.flatnonzero(fold)
        result += _residuals(design, "measured", rows.tolist(), part.predict(rows).tolist(), known=False)
        if number % 2 == 0:  # half of the designs say enough of devices
            result += _of_devices(part, fold, known=False)
    return result


def cases(found: Sequence[Residual]) -> list[Case]:
    """The table of errors: a line for each case, runtime, precision and threads with enough figures, and for more."""
    groups: dict[tuple[str, bool, str, str, str], list[Residual]] = defaultdict(list)
    for each in found:
        for runtime in (each.runtime, ANY):
            for precision, threads in ((each.precision, each.threads), (each.precision, ANY), (ANY, ANY)):
                groups[(each.case, each.known, runtime, precision, threads)].append(each)
    return [_case(key, members) for key, members in sorted(groups.items()) if len(members) >= _FEWEST]


def _case(key: tuple[str, bool, str, str, str], members: Sequence[Residual]) -> Case:
    """`coverage` is that of intervals made without the chip: an interval must hold on the next one."""
    by_soc: dict[str, list[float]] = defaultdict(list)
    for each in members:
        by_soc[each.soc].append(each.error)
    covered = 0
    for soc, errors in by_soc.items():
        others = {name: more for name, more in by_soc.items() if name != soc} or {soc: errors}
        bound = _bound(others)
        covered += sum(abs(error) <= bound for error in errors)
    off = np.abs(np.expm1([each.error for each in members]))
    name, known, runtime, precision, threads = key
    return Case(
        case=name,  # type: ignore[arg-type]  # one of those that residuals() makes
        known=known,
        runtime=runtime,
        precision=precision,
        threads=threads,
        rows=len(members),
        median=float(np.median(off)),
        p90=float(np.quantile(off, CONFIDENCE)),
        coverage=covered / len(members),
        spread=_bound(by_soc),
    )


def _bound(by_soc: Mapping[str, Sequence[float]]) -> float:
    """The bound on the next chip's errors. A chip's are alike, so a quantile of few chips' says too little: it is
    widened as much as Student's distribution for one more draw is wider than the normal one."""
    chips = max(2, len(by_soc))
    student = float(t.ppf((1 + CONFIDENCE) / 2, chips - 1)) * math.sqrt(1 + 1 / chips)
    return quantile([error for errors in by_soc.values() for error in errors]) * student / _NORMAL


def _of_devices(found: Posterior, tested: Mask, *, known: bool) -> Iterator[Residual]:
    """The cases in which something of a device is not known; only figures of `tested` are judged."""
    design = found.design
    for group in _chips(design):
        here = np.isin([each.at.soc for each in design.samples], group)
        yield from _new_chips(found, here, tested, known=known)
        several = here & (design.doublings > 0)
        alone = several & np.isin(_names(design, "cpu"), list(_names(design, "cpu")[here & (design.doublings == 0)]))
        yield from _left_out(found, "threads", several, alone & tested, known=known)
    cores = _names(design, "runtime, core")
    [(usual, _)] = Counter(each.at.runtime for each in design.samples).most_common(1)
    guessed = {name for name in cores.tolist() if not (name.startswith(f"{usual} ") or name.endswith(" int8"))}
    for runtime_core in sorted(guessed):
        here = cores == runtime_core
        elsewhere = _names(design, "core")[~here & np.isin(_names(design, "core"), _names(design, "core")[here])]
        if len(elsewhere):
            yield from _left_out(found, "runtime", here, here & tested, known=known)


def _new_chips(found: Posterior, here: Mask, tested: Mask, *, known: bool) -> Iterator[Residual]:
    """Chips of which nothing is known but the core, then some figures of each table."""
    design, generator = found.design, np.random.default_rng(0)
    part = found.without(here)
    means, off, chips = np.zeros(len(design)), np.zeros(len(design)), np.flatnonzero(here)
    means[here] = formed = part.predict(chips)
    if known:
        means[here] = by_name(part).predict(chips)
        off[here] = means[here] - formed
    names = _names(design, "table")
    groups = {name: set(_names(design, name)[~here].tolist()) for name in LEVELS}
    for table in sorted(set(names[here].tolist())):
        rows = np.flatnonzero(names == table)
        at = design.samples[rows[0]].at
        judged = [row for row in rows.tolist() if tested[row]]
        shown = [row for row in rows.tolist() if known or not tested[row]]
        if LEVELS["runtime, core"].key(at) in groups["runtime, core"]:
            yield from _residuals(design, "core", judged, means[judged].tolist(), known=known)
        unknown = [name for name, level in LEVELS.items() if not level.slope and level.key(at) not in groups[name]]
        for count in FIGURES:
            if len(shown) < count:
                continue
            seen = generator.choice(shown, count, replace=False).tolist()
            others = [row for row in judged if row not in seen]
            samples = [design.samples[row] for row in seen]
            constants = conditioned(part.constants[rows[0]], unknown, samples, off[seen])
            better = [form(design.samples[row], np.exp(constants))[0] + off[row] for row in others]
            yield from _residuals(design, str(count), others, better, known=known)


def _left_out(found: Posterior, name: str, left_out: Mask, judged: Mask, *, known: bool) -> Iterator[Residual]:
    rows = np.flatnonzero(judged)
    if len(rows):
        part = found.without(left_out)
        means = (by_name(part) if known else part).predict(rows)
        yield from _residuals(found.design, name, rows.tolist(), means.tolist(), known=known)


def _residuals(
    design: Design, name: str, rows: Sequence[int], means: Sequence[float], *, known: bool
) -> list[Residual]:
    return [
        Residual(
            name,
            known,
            design.samples[row].at.runtime,
            design.samples[row].at.precision,
            "1" if design.samples[row].at.threads == 1 else "several",
            design.samples[row].at.soc,
            float(mean - design.target[row]),
        )
        for row, mean in zip(rows, means, strict=True)
    ]


def _usual(design: Design) -> Mask:
    """Samples of designs that most figures of their runtime and precision are of: what is left without such a design is
    no runtime and precision that is known."""
    kinds = [(each.at.runtime, each.at.precision) for each in design.samples]
    designs = [(*kind, each.family) for kind, each in zip(kinds, design.samples, strict=True)]
    of_kind, of_design = Counter(kinds), Counter(designs)
    return np.array([2 * of_design[one] > of_kind[kind] for one, kind in zip(designs, kinds, strict=True)])


def _names(design: Design, level: str) -> npt.NDArray[np.str_]:
    """The group of each sample in a level."""
    return np.array(design.names[f"level {level}"])[design.groups[f"level {level}"]]


def _folds(keys: Sequence[str], count: int) -> list[Mask]:
    """Samples by their keys in `count` parts of about as many keys, in a fixed order."""
    names = sorted(set(keys))
    np.random.default_rng(0).shuffle(names)
    part = {name: number % count for number, name in enumerate(names)}
    numbers = np.array([part[key] for key in keys])
    return [numbers == number for number in range(count)]


def _chips(design: Design) -> list[list[str]]:
    """All chips in groups, none with two of the same core: what a core says then comes from other groups."""
    groups: list[tuple[set[str], list[str]]] = []
    cores: dict[str, set[str]] = defaultdict(set)
    for each in design.samples:
        cores[each.at.soc].add(each.at.core)
    for soc, own in sorted(cores.items()):
        place = next((group for group in groups if not group[0] & own and len(group[1]) < 8), None)
        if place is None:
            groups.append((set(own), [soc]))
        else:
            place[0].update(own)
            place[1].append(soc)
    return [group for _, group in groups]
