"""Power: how often `edgebench ab` finds an injected slowdown, how long it takes, and what others say of its samples.

    python tests/benchmarks/compare_power.py [pool.jsonl] [--trials 100]

10% with --fail-on 5% within 60 s, and 5% with --fail-on 2.5% within 180 s, on the pool of compare_pool.py and on a
simulated machine. A trial takes successive processes of the pool from a random place, with the time they really took.
`edgebench compare` judges ten successive processes a side of the same place.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from compare_rules import RIVALS, Process, ours, read_pool, simulated_pool

from edgebench.compare.ab import AbReport, Limits, Side, run_ab

SIDE = 10


@dataclass(frozen=True)
class Case:
    """An injected slowdown, what the user asks for, and the time allowed."""

    burn: float
    threshold: float
    time_s: float


CASES = (Case(0.10, 0.05, 60), Case(0.05, 0.025, 180), Case(0.05, 0.05, 180))


def main() -> None:
    """Parses the command line and prints a block a pool and case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?", type=Path)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    pools = {"simulated": simulated_pool([0.0, 0.05, 0.1], 400, 2)}
    if options.pool:
        pools["measured"] = read_pool(options.pool)
    for name, pool in pools.items():
        for case in CASES:
            report(name, pool, case, options.trials)


def report(name: str, pool: dict[float, list[Process]], case: Case, trials: int) -> None:
    """Prints what every rule finds of one slowdown."""
    print(f"\n{name}: {case.burn:.0%} slower, --fail-on {case.threshold:.1%}, at most {case.time_s:.0f} s")
    answers = [trial(pool, case, number) for number in range(trials)]
    verdicts = Counter(answer.verdict for answer in answers)
    times = np.array([answer.elapsed_s for answer in answers])
    spent = f"{np.median(times):.0f} s at the median, {np.quantile(times, 0.95):.0f} s at the 95th percentile"
    print(f"  edgebench ab: {verdicts['slower']} of {trials} slower; {dict(verdicts)}; {spent}")
    for rule, judge in RIVALS.items():
        found = sum(judge(answer.base_s, answer.new_s) == "slower" for answer in answers)
        print(f"  {rule}, on the same samples: {found}")
    compared = Counter(stored(pool, case, number) for number in range(trials))
    print(f"  edgebench compare, {SIDE} processes a side: {dict(compared)}")


def trial(pool: dict[float, list[Process]], case: Case, number: int) -> AbReport:
    """One A/B run over successive processes of the pool."""
    sides: dict[Side, list[Process]] = {"base": pool[0.0], "new": pool[case.burn]}
    start, length = place(pool, number), len(pool[0.0])
    taken: dict[Side, int] = {"base": 0, "new": 0}
    elapsed = 0.0

    def run(side: Side) -> tuple[float, ...]:
        nonlocal elapsed
        process = sides[side][(start + taken[side]) % length]
        taken[side] += 1
        elapsed += process.elapsed_s
        return process.samples

    limits = Limits(threshold=case.threshold, time_s=case.time_s)
    return run_ab(run, limits, seed=number, clock=lambda: elapsed)


def stored(pool: dict[float, list[Process]], case: Case, number: int) -> str:
    """The verdict of `compare` on a stretch of either side, the new one right after the base."""
    start = place(pool, number)
    base, new = ([process.samples for process in pool[burn]] for burn in (0.0, case.burn))
    return ours(case.threshold)(base[start : start + SIDE], new[start + SIDE : start + 2 * SIDE])


def place(pool: dict[float, list[Process]], number: int) -> int:
    """Where trial `number` begins, so that two stretches of SIDE fit behind it."""
    return int(np.random.default_rng(number).integers(0, len(pool[0.0]) - 2 * SIDE + 1))


if __name__ == "__main__":
    main()
