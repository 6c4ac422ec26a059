"""False alarms: 300 comparisons of one file with itself at --fail-on 5%, by every rule, and 300 A/B runs.

    python tests/benchmarks/compare_false_alarms.py [pool.jsonl] [--count 300] [--side 10]

Pools: `measured` is a file of compare_pool.py; `simulated` is a machine with drift. Draws: `apart` takes two stretches
of successive processes from anywhere in the pool, as a stored baseline and a later run are; `next` takes them one right
after the other, as a job that measures both does; `mixed` takes processes at random.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from compare_rules import RIVALS, Process, Processes, ours, read_pool, simulated_pool

from edgebench.compare.ab import Limits, Side, run_ab

Pair = tuple[Processes, Processes]
THRESHOLD = 0.05


def main() -> None:
    """Parses the command line and prints a table a pool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--side", type=int, default=10)
    options = parser.parse_args()
    pools = {"simulated": simulated_pool([0.0], 600, 1)[0.0]}
    if options.pool:
        pools["measured"] = read_pool(options.pool)[0.0]
    for name, pool in pools.items():
        report(name, pool, options.count, options.side)


def report(name: str, pool: list[Process], count: int, side: int) -> None:
    """Prints how often each rule says slower, and what else ours says."""
    print(f"\n{name}: {len(pool)} processes; {count} comparisons of {side} with {side}, slower when nothing changed")
    print(f"{'':34}{'apart':>8}{'next':>8}{'mixed':>8}")
    drawn = {how: list(draw(pool, count, side)) for how, draw in DRAWS.items()}
    for rule, judge in {"edgebench --fail-on 5%": ours(THRESHOLD), **RIVALS}.items():
        verdicts = {how: Counter(judge(*pair) for pair in pairs) for how, pairs in drawn.items()}
        print(f"{rule:34}" + "".join(f"{found['slower']:8}" for found in verdicts.values()))
        if rule.startswith("edgebench"):
            said = verdicts
    for how, found in said.items():
        print(f"  edgebench, {how}: " + ", ".join(f"{number} {verdict}" for verdict, number in found.most_common()))
    answers = Counter(in_turn(pool, number) for number in range(count))
    print("  edgebench ab, 60 s: " + ", ".join(f"{number} {verdict}" for verdict, number in answers.most_common()))


def apart(pool: list[Process], count: int, side: int) -> Iterator[Pair]:
    """Two stretches from anywhere that do not overlap, in either order."""
    chance = np.random.default_rng(0)
    made = 0
    while made < count:
        first, second = chance.integers(0, len(pool) - side + 1, 2)
        if abs(first - second) >= side:
            made += 1
            yield stretch(pool, first, side), stretch(pool, second, side)


def following(pool: list[Process], count: int, side: int) -> Iterator[Pair]:
    """A stretch and the one right after it."""
    for first in np.random.default_rng(1).integers(0, len(pool) - 2 * side + 1, count):
        yield stretch(pool, first, side), stretch(pool, first + side, side)


def mixed(pool: list[Process], count: int, side: int) -> Iterator[Pair]:
    """Processes at random, without putting any back."""
    chance = np.random.default_rng(2)
    for _ in range(count):
        picked = [pool[i].samples for i in chance.choice(len(pool), 2 * side, replace=False)]
        yield picked[:side], picked[side:]


DRAWS: dict[str, Callable[[list[Process], int, int], Iterator[Pair]]] = {
    "apart": apart,
    "next": following,
    "mixed": mixed,
}


def stretch(pool: list[Process], first: int, side: int) -> Processes:
    """Successive processes."""
    return [process.samples for process in pool[first : first + side]]


def in_turn(pool: list[Process], number: int) -> str:
    """The verdict of an A/B run whose processes are successive ones of the pool, with the time they took."""
    start = int(np.random.default_rng(number).integers(0, max(1, len(pool) - 100)))
    taken: list[Process] = []

    def run(side: Side) -> tuple[float, ...]:
        taken.append(pool[(start + len(taken)) % len(pool)])
        return taken[-1].samples

    limits = Limits(threshold=THRESHOLD, time_s=60)
    clock = lambda: sum(process.elapsed_s for process in taken)  # noqa: E731
    return run_ab(run, limits, seed=number, clock=clock).verdict


if __name__ == "__main__":
    main()
