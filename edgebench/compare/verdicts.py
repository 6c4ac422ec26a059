"""From numbers to a verdict: slower only when it is sure and large enough, same only when a change is excluded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.compare import statistics
from edgebench.compare.records import Verdict
from edgebench.compare.statistics import ALPHA, CONFIDENCE, DRIFT, Array
from edgebench.ground.errors import Inconclusive, Regression


@dataclass(frozen=True)
class Judgement:
    """A verdict on two readings of one metric, the sentence that justifies it, and the numbers behind it.

    `low` and `high` bound `ratio` at `confidence`. `needed`: processes a side that would carry a verdict.
    """

    verdict: Verdict
    reason: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    p: float | None = None
    needed: int | None = None


def judge_processes(base: Array, new: Array, threshold: float, disturbance: float = 0.0) -> Judgement:
    """Judges one value a process: Mann-Whitney at ALPHA for a change, the 95% interval of the ratio for sameness.

    Slower: p < ALPHA and the ratio is above 1 + threshold, and above what the machine itself may make: `disturbance`
    (in ln, see statistics.disturbance) and DRIFT spreads between processes. Same: the interval lies between
    1/(1+threshold) and 1+threshold. Neither: inconclusive, with the number of processes that would decide.
    """
    effect = statistics.effect(base, new)
    low, high = (effect.low, effect.high) if math.isfinite(effect.high) else (None, None)
    unrest = max(disturbance, DRIFT * effect.noise)
    fewest, least = min(len(base), len(new)), statistics.least_processes()
    verdict = classify(effect.ratio, effect.low, effect.high, threshold, significant=effect.p < ALPHA)
    needed = None
    if fewest < least:
        verdict, needed = "inconclusive", least
        reason = f"{fewest} processes a side can never reach p < {ALPHA:g}: measure {least} or more (`--processes 10`)"
    elif verdict in ("slower", "faster") and abs(math.log(effect.ratio)) <= unrest:
        verdict = "inconclusive"
        reason = (
            f"the machine was too busy or unsteady: it may itself make {percent(math.expm1(unrest))}; measure on an "
            "idle machine, or run both files in turn with `edgebench ab`"
        )
    elif verdict == "inconclusive":
        needed = max(statistics.processes_needed(effect.noise, threshold), fewest + 1)
        reason = f"too noisy to tell (p = {effect.p:.2g}): measure about {needed} processes a side"
    else:
        reason = justify(verdict, threshold, f"p = {effect.p:.1g}")
    return Judgement(verdict, reason, effect.ratio, low, high, CONFIDENCE, effect.p, needed)


def judge_exact(base: float, new: float, threshold: float, floor: float = 0.0) -> Judgement:
    """Judges two values without noise: worse when `new` exceeds `base` by more than the threshold and `floor` units."""
    ratio = new / base if base > 0 else None
    if abs(new - base) <= floor or new == base:
        return Judgement("same", "equal" if new == base else "the change is too small to matter", ratio)
    if new > base * (1 + threshold):
        return Judgement("slower", justify("slower", threshold), ratio)
    if new * (1 + threshold) < base:
        return Judgement("faster", justify("faster", threshold), ratio)
    return Judgement("same", justify("same", threshold), ratio)


def judge_gate(base: float, new: float, base_passed: bool, new_passed: bool) -> Judgement:
    """Judges an error that has a gate of its own: rounding moves it by factors, so only passing and failing count."""
    ratio = new / base if base > 0 else None
    if base_passed == new_passed:
        return Judgement("same", "passes its gate" if new_passed else "fails its gate, as the baseline does", ratio)
    if new_passed:
        return Judgement("faster", "passes its gate, which the baseline failed", ratio)
    return Judgement("slower", "fails its gate, which the baseline passed", ratio)


def classify(ratio: float, low: float, high: float, threshold: float, *, significant: bool) -> Verdict:
    """The verdict on a ratio with its interval; `significant` says whether 1 is excluded."""
    if significant and ratio > 1 + threshold:
        return "slower"
    if significant and ratio * (1 + threshold) < 1:
        return "faster"
    if low * (1 + threshold) > 1 and high < 1 + threshold:
        return "same"
    return "inconclusive"


def justify(verdict: Verdict, threshold: float, evidence: str = "") -> str:
    """One clause that says what was found against the threshold."""
    clause = {
        "slower": f"more than {percent(threshold)} above the baseline",
        "faster": f"more than {percent(threshold)} below the baseline",
        "same": f"within {percent(threshold)} of the baseline",
    }[verdict]
    return f"{clause} ({evidence})" if evidence else clause


def percent(share: float) -> str:
    """0.05 as 5%."""
    return f"{share * 100:.3g}%"


_NAMED = 3


def conclude(what: str, total: int, failing: Sequence[str], undecided: Sequence[str]) -> None:
    """Raises Regression (exit code 1) when something failed, else Inconclusive (3) when something is open.

    `failing` and `undecided` are sentences, of which the message holds the first few.
    """
    if failing:
        raise Regression(f"{len(failing)} of {total} {what} failed: {_first(failing)}")
    if undecided:
        raise Inconclusive(f"{len(undecided)} of {total} {what} could not be decided: {_first(undecided)}")


def _first(sentences: Sequence[str]) -> str:
    more = f"; and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
    return "; ".join(sentences[:_NAMED]) + more
