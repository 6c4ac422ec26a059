"""Pools of processes, simulated ones beside measured ones, and the rules that other tools would have judged them by."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from edgebench.compare.statistics import disturbance, process_values
from edgebench.compare.verdicts import judge_processes

Processes = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Process:
    """One fresh process: its samples, and the seconds it took with its start."""

    samples: tuple[float, ...]
    elapsed_s: float


def read_pool(path: Path) -> dict[float, list[Process]]:
    """The measured processes by burn, in time order."""
    found: dict[float, list[Process]] = {}
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["burn"], []).append(Process(tuple(row["samples"]), row["elapsed_s"]))
    return found


def simulated_pool(
    burns: Sequence[float], rounds: int, seed: int, *, noise: float = 0.017, drift: float = 0.017, memory: float = 0.9
) -> dict[float, list[Process]]:
    """A shared machine: processes err by `noise`, the weather is an AR(1) of spread `drift`, tails are to the right.

    The spreads are those of 100 processes on a shared 2-core x86-64 machine: ln(p10) varied by 2.5% between them, and
    successive ones correlated by 0.44.
    """
    chance, weather = np.random.default_rng(seed), 0.0
    found: dict[float, list[Process]] = {burn: [] for burn in burns}
    for _ in range(rounds):
        for burn in chance.permutation(np.array(burns)):
            weather = memory * weather + chance.normal(0, drift * math.sqrt(1 - memory**2))
            middle = 0.007 * (1 + burn) * math.exp(weather + chance.normal(0, noise))
            samples = middle * (1 + 0.02 * chance.exponential(size=70))
            found[float(burn)].append(Process(tuple(samples.tolist()), 1.3))
    return found


def ours(threshold: float) -> Callable[[Processes, Processes], str]:
    """The rule of `edgebench compare` at that threshold, with its full verdict."""

    def judge(base: Processes, new: Processes) -> str:
        busy = max(disturbance(base), disturbance(new))
        return judge_processes(process_values(base), process_values(new), threshold, busy).verdict

    return judge


def pyperf(base: Processes, new: Processes) -> str:
    """pyperf's compare_to: Student's t with pooled variance at 95% over three values a process."""
    return _slower(*(_three_values(side) for side in (base, new)), equal_variances=True)


def t_test(base: Processes, new: Processes) -> str:
    """Welch's t at 95% over the processes' means."""
    return _slower(*(np.array([np.mean(process) for process in side]) for side in (base, new)), equal_variances=False)


def pooled_mann_whitney(base: Processes, new: Processes) -> str:
    """asv's test at its p < 0.002, on all samples as if they were independent."""
    a, b = (np.concatenate([np.asarray(process) for process in side]) for side in (base, new))
    return "slower" if stats.mannwhitneyu(a, b).pvalue < 0.002 and np.median(b) > np.median(a) else "same"


def fixed_ten_percent(base: Processes, new: Processes) -> str:
    """Medians of all samples, 10% apart."""
    a, b = (np.median(np.concatenate([np.asarray(process) for process in side])) for side in (base, new))
    return "slower" if b > 1.1 * a else "same"


RIVALS: dict[str, Callable[[Processes, Processes], str]] = {
    "pyperf (t, 3 values a process)": pyperf,
    "Welch's t on process means": t_test,
    "Mann-Whitney on pooled samples": pooled_mann_whitney,
    "fixed 10% of the median": fixed_ten_percent,
}


def _three_values(side: Processes) -> np.ndarray:
    return np.array([np.mean(part) for process in side for part in np.array_split(np.asarray(process), 3)])


def _slower(base: np.ndarray, new: np.ndarray, *, equal_variances: bool) -> str:
    significant = stats.ttest_ind(base, new, equal_var=equal_variances).pvalue < 0.05
    return "slower" if significant and new.mean() > base.mean() else "same"
