"""The vectorised costs against one-network sketches, counts, plans and estimates."""

import numpy as np
import pytest

from edgebench.choose.scalable import BASES
from edgebench.choose.table import Grid, Points, Table
from edgebench.estimate.accelerated.estimator import costs as elsewhere
from edgebench.estimate.calibrations import calibration
from edgebench.estimate.costs import on_cpu
from edgebench.estimate.estimator import estimate
from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load
from edgebench.models import resolve
from edgebench.models.sketch import sketch

RPI4, S25 = load("rpi4"), load("galaxy_s25")


def random_points(name: str, seed: int, number: int) -> tuple[Grid, Points]:
    rng = np.random.default_rng(seed)
    grid = Grid(
        BASES[name],
        tuple(np.round(rng.uniform(0.15, 2.2, 8), 3)),
        tuple(rng.uniform(0.2, 3.1, 6)),
        tuple(map(int, rng.integers(64, 500, 8))),
    )
    sizes = (len(grid.widths), len(grid.depths), len(grid.resolutions))
    return grid, Points(*(rng.integers(0, size, number) for size in sizes))


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, precision) for name in ("mobilenetv2", "resnet50") for precision in ("fp32", "int8")),
        *((name, "fp32") for name in BASES if not name.startswith(("mobilenetv2", "resnet50", "squeezenet"))),
    ],
)
def test_random_candidates_cost_what_the_one_network_estimate_says(name: str, precision: str) -> None:
    grid, points = random_points(name, seed=7, number=15)
    table, export = Table(grid), ExportSpec(precision=precision)
    counts = table.counts(points)
    latency = table.latency_s(points, on_cpu(RPI4, calibration(RPI4, "litert", precision, 1)))
    accelerated = table.latency_s(points, elsewhere(S25, "npu", "litert", precision))
    arena = table.arena_bytes(points, element_bytes=4)
    for index, (width, depth, resolution) in enumerate(zip(points.width, points.depth, points.resolution, strict=True)):
        spec = resolve(
            name, width=grid.widths[width], depth=grid.depths[depth], resolution=grid.resolutions[resolution]
        )
        graph = sketch(spec)
        alone = estimate(graph, RPI4, spec=spec, export=export)
        assert counts.macs[index] == count(graph).macs
        assert counts.weights[index] == count(graph).weight_count
        assert counts.operators[index] == len(graph.operators)
        assert latency[index] == alone.latency_s.value
        if index % 5 == 0:
            there = estimate(graph, S25, spec=spec, export=export, processor="npu")
            assert accelerated[index] == there.latency_s.value
        assert arena[index] == plan_arena(graph).peak_bytes


def test_published_points_are_in_the_table_as_they_are_in_the_zoo() -> None:
    names = [f"efficientnet_b{size}" for size in range(5)]
    specs = [resolve(name) for name in names]
    grid = Grid(
        BASES["efficientnet"],
        tuple(spec.width for spec in specs),
        tuple(spec.depth for spec in specs),
        tuple(spec.resolution for spec in specs),
    )
    every = np.arange(len(names))
    counts = Table(grid).counts(Points(every, every, every))
    assert counts.macs.tolist() == [count(sketch(spec)).macs for spec in specs]
