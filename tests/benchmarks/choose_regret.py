"""Regret of `scale` against an exhaustive search by emulation, under ten budgets for each family.

usage: python tests/benchmarks/choose_regret.py

results/grid holds every network of a grid (see rpi4.toml there), emulated in ncnn on a Cortex-A72; its time is what the
counted instructions stand for (estimate.emulated). The search sees the grid's networks and the estimates only, confirms
the few that it asks for by looking their emulation up, and picks. "best" is the most accurate network that keeps the
budget by emulation, "regret" what the pick lacks, and "over" how far the pick is over the budget. "broken" counts picks
that are over it by more than their printed interval.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from msgspec.structs import replace as changed

from edgebench.choose.budget import Budget
from edgebench.choose.confirm import Confirmation, _with_measurement
from edgebench.choose.pool import Columns, Describer, Pool, Variant, pool
from edgebench.choose.records import Point
from edgebench.choose.rounds import settle
from edgebench.choose.scalable import BASES
from edgebench.choose.selection import FINALISTS, select
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground import store
from edgebench.ground.records import ExportSpec, Measurement, ModelSpec
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.run.devices import timed
from edgebench.run.sweep import read

GRID = Path(__file__).parents[2] / "results" / "grid"
FAMILIES = ("mobilenetv2", "efficientnet_lite")
VARIANT = Variant(ExportSpec(format="ncnn"), 1)
BUDGETS = 10

Place = tuple[str, float, float, int]


def place(spec: ModelSpec) -> Place:
    """What a network is in the grid, whatever its published name."""
    return spec.family, spec.width, round(spec.depth, 3), spec.resolution


def emulated(device: DeviceProfile) -> dict[Place, Measurement]:
    wanted = {place(cell.model) for cell in read(GRID / f"{device.name}.toml")}
    records = [each for each in store.read(GRID / device.name) if isinstance(each, Measurement) and each.status == "ok"]
    found = {place(each.model): timed(each, device) for each in records}
    return {where: found[where] for where in wanted if where in found}


def on_the_grid(family: str, device: DeviceProfile, records: Iterable[Place]) -> Pool:
    """The search's pool, with the grid's networks only."""
    whole, places = pool([BASES[family]], [VARIANT], [device], extent=WITHIN_PRIOR), set(records)
    kept = np.array([place(whole.spec(index)) in places for index in range(len(whole.columns))])
    columns = Columns(*(getattr(whole.columns, each.name)[kept] for each in fields(Columns)))
    return replace(whole, columns=columns)


def picked(found: Pool, budget_s: float, device: DeviceProfile, records: dict[Place, Measurement]) -> tuple[Point, int]:
    """The pick on confirmed values, and how many networks were confirmed."""

    def confirm(points: Sequence[Point]) -> list[Confirmation]:
        return [Confirmation(changed(_with_measurement(p, records[place(p.model)]), path="emulated")) for p in points]

    budget = Budget(max_latency_s=budget_s)
    tried = settle(found, budget, select(found, budget, FINALISTS), Describer(found, [device]).point, confirm).tried
    kept = [each.point for each in tried if each.point.latency_s.value <= budget_s]
    return max(kept or [each.point for each in tried], key=lambda each: each.accuracy.value), len(tried)


def main() -> None:
    device = load("rpi4")
    records = emulated(device)
    broken = worst = 0.0
    for family in FAMILIES:
        mine = {where: each for where, each in records.items() if where[0] == family}
        found = on_the_grid(family, device, mine)
        latency = {where: each.estimated_latency_s.value for where, each in mine.items() if each.estimated_latency_s}
        indices = {place(found.spec(index)): index for index in range(len(found.columns))}
        accuracy = {where: float(found.columns.accuracy[indices[where]]) for where in latency}
        off = [float(found.columns.latency[indices[where]]) / latency[where] for where in latency]
        print(f"{family}: {len(latency)} networks emulated; estimate / emulation {np.median(off):.2f} (median), "
              f"{min(off):.2f} to {max(off):.2f}")  # fmt: skip
        for budget_s in np.quantile(list(latency.values()), np.linspace(0.08, 0.92, BUDGETS)).tolist():
            best = max(accuracy[where] for where, seconds in latency.items() if seconds <= budget_s)
            point, confirmed = picked(found, budget_s, device, mine)
            true_s, mean = latency[place(point.model)], point.latency_s.value
            over, allowed = true_s / budget_s - 1, point.latency_s.high / mean - 1
            broken += over > allowed
            regret = best - point.accuracy.value
            worst = max(worst, regret)
            print(
                f"  {budget_s * 1e3:5.1f} ms: best {best:.2f}%, pick {point.accuracy.value:.2f}%, regret {regret:.2f}, "
                f"{true_s * 1e3:5.1f} ms, over {max(0.0, over):.1%}, {confirmed} confirmed  {point.model.key}"
            )
    print(f"worst regret {worst:.2f} points; budgets broken by more than the interval: {broken:.0f}")


if __name__ == "__main__":
    main()
