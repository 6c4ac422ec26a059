"""What makes timings doubtful, as sentences that say what to do. Pure: reads summaries and captured environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgebench.ground.records import Scenario
from edgebench.measure.latency import LatencySummary, Processes

# pyperf warns from 10% on; a gate of 5% needs less than that.
WARN_CV, UNSTABLE_CV = 0.05, 0.10
SPIKE = 1.5
DRIFT = 0.05
FREQUENCY_DROP = 0.05
THROTTLED_NOW = 0xF
AGAIN = "close other programs and measure again, with more processes if it stays"


def of_samples(summary: LatencySummary) -> list[str]:
    """What in the samples themselves says that they are noisy."""
    found = []
    variations = {"the medians of the processes": summary.cv_between, "the runs inside a process": summary.cv_within}
    for what, value in variations.items():
        if value is not None and value > WARN_CV:
            verdict = "unstable" if value >= UNSTABLE_CV else "noisy"
            found.append(f"{verdict}: {what} vary by {value:.1%} (coefficient of variation): {AGAIN}")
    if summary.most > SPIKE * summary.median:
        found.append(
            f"the slowest run took {summary.most / summary.median:.1f} times the median: something else ran at that"
            " time; look at p90 and p99 beside the median"
        )
    if abs(summary.drift - 1) > DRIFT:
        found.append(
            f"latency drifted to {summary.drift:.2f} times its value from the first to the last third of a process:"
            " warm up for longer, or let the device cool down"
        )
    return found


def of_length(latency_s: Processes, scenario: Scenario) -> list[str]:
    """Says when the scenario's cap on time came before its number of runs."""
    least = min(map(len, latency_s), default=scenario.min_runs)
    if least >= scenario.min_runs:
        return []
    return [
        f"only {least} of {scenario.min_runs} runs fitted into {scenario.max_s:g} s:"
        " read the percentiles with care, or measure a smaller network"
    ]


def invalid(before: Mapping[str, Any], after: Mapping[str, Any], readings: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a run does not count (the clock fell by more than 5%, or the board throttled), or None when it does.

    `readings` are the processes' own, in time order, taken while the cores were busy; an idle machine's clock says
    nothing. The frequency at the beginning is the first of them.
    """
    clocks = [reading["frequency_hz"] for reading in readings if reading.get("frequency_hz")]
    if clocks and min(clocks) < clocks[0] * (1 - FREQUENCY_DROP):
        lost = 1 - min(clocks) / clocks[0]
        return (
            f"the clock fell by {lost:.0%}, from {clocks[0] / 1e9:.2f} to {min(clocks) / 1e9:.2f} GHz, while measuring:"
            " let the device cool down, improve its cooling or fix its frequency, and measure again"
        )
    bits, bits_before = after.get("throttled") or 0, before.get("throttled") or 0
    if bits & THROTTLED_NOW or bits & ~bits_before:
        return (
            f"the board throttled itself (get_throttled is {bits:#x}): check its power supply and cooling, and measure"
            " again"
        )
    return None
