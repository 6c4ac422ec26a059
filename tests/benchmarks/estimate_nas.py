"""How well estimates rank the networks of a search space on a device of which ten latencies are known, as HELP reports.

usage: python tests/benchmarks/estimate_nas.py CSV...

A CSV has the columns arch and one a device, named as in DEVICES: HELP's figures (github.com/HayeonLee/HELP) in
milliseconds, of which FBNet's on raspi4 and pixel3 are sums of its blocks' latencies. arch is 6 digits, the edges of a
cell of NAS-Bench-201 (Dong and Yang, 2020; CIFAR-10), or 22, the blocks of FBNet's space for CIFAR-100 (Wu et al.,
2019; Li et al., 2021), 8 a skip. "201" leaves out cells whose output does not depend on their input, "201 whole" also
those with a node that is not read, of which converters drop more or less.

LiteRT's constants (fp32, one thread) of a profile are adjusted by ten networks, drawn with a seed, as in `device
calibrate`. Ranks are Spearman's over the others, before and (mean and worst draw) after it; "off" is the median error.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from edgebench.estimate import calibrations, hierarchy, posterior
from edgebench.estimate.work import works
from edgebench.machines import profiles
from edgebench.models import plan as net
from edgebench.models.sketch import sketch_plan

SAMPLES, NETWORKS, DRAWS = 10, 500, 5
# Column -> the profile of its chip or core, and whether its cells were converted by TensorFlow (their latencies tell).
DEVICES = {
    "raspi4_ms": ("rpi4", True),
    "pixel3_ms": ("pixel3", True),
    "essential_ph_1_ms": ("pixel2", False),  # Snapdragon 835
    "samsung_a50_ms": ("pixel2", False),  # an Exynos 9610, whose big cores are Cortex-A73 too
}
HELP = {("201", "raspi4_ms"): "0.890", ("FBNet", "raspi4_ms"): "0.887"}  # its tables 3 and 2, no other device
RELU = net.Activation("relu")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # from the input to the output, by edges
NONE, SKIP, CONV1, CONV3, POOL, GONE = "01234-"  # GONE is not run at all; torch runs NONE as a product with zero
BLOCKS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))  # kernel, t, groups
STAGES = ((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))  # channels, n, stride


def kept(cell: str) -> str:
    """The cell without what no output reads."""
    # A lone convolution of which only a product with zero is read does run: 030100 takes 19.1 ms on raspi4.
    second = cell[5] != NONE
    needed = (cell[4] != NONE or (second and cell[2] != NONE), second, second, True, True, True)
    return "".join(kind if need and kind != NONE else GONE for kind, need in zip(cell, needed, strict=True))


def cells(arch: str) -> net.Sequence:
    """NAS-Bench-201's network: three stages of five cells, residual blocks between them."""
    layers: list[net.Layer] = [net.Conv(16, 3)]
    for channels in (16, 32, 64):
        if channels > 16:
            body = net.numbered(RELU, net.Conv(channels, 3, 2), RELU, net.Conv(channels, 3))
            layers.append(net.residual(body, net.sequence(pool=net.Pool("average", 2, 2), conv=net.Conv(channels, 1))))
        layers += [_node(arch, node, channels) for _ in range(5) for node in (1, 2, 3)]
    return net.numbered(*layers, RELU, net.GlobalPool(), net.Flatten(), net.Dense(10))


def _node(arch: str, node: int, channels: int) -> net.Sequence:
    """The sum of the edges that end in a node, all from the node before: they cost the same from any."""
    ways: dict[str, list[net.Layer]] = {
        NONE: [net.Pool("average", 1, 1)],  # which moves as much as a product
        SKIP: [],
        CONV1: [RELU, net.Conv(channels, 1)],
        CONV3: [RELU, net.Conv(channels, 3)],
        POOL: [net.Pool("average", 3, 1, 1)],
    }
    total: net.Sequence | None = None
    for (start, end), kind in zip(EDGES, arch, strict=True):
        if end == node and kind != GONE:
            term = net.sequence(**{f"from{start}": net.numbered(*ways[kind])})
            total = net.sequence(**{f"with{start}": net.residual(total, term)}) if total else term
    return total or net.Sequence()


def blocks(arch: str) -> net.Sequence:
    """FBNet's network for 32x32 images: as published, but for the first strides and the width of the head."""
    channels, layers, digits = 16, [net.conv_norm(16, 3, activation="relu")], map(int, arch)
    for out, repeats, first in STAGES:
        for index in range(repeats):
            layers.append(_block(next(digits), channels, out, 1 if index else first))
            channels = out
    head = net.conv_norm(1504, 1, activation="relu")
    return net.numbered(*layers, head, net.GlobalPool(), net.Flatten(), net.Dense(100))


def _block(digit: int, channels: int, out: int, stride: int) -> net.Sequence:
    same = channels == out and stride == 1
    if digit == len(BLOCKS):
        return net.Sequence() if same else net.conv_norm(out, 1, stride, activation="relu")
    kernel, expansion, groups = BLOCKS[digit]
    hidden = channels * expansion
    expand = net.conv_norm(hidden, 1, groups=groups, activation="relu")
    shuffle = net.numbered(*[net.Shuffle(groups)] * (groups > 1))
    depthwise = net.conv_norm(hidden, kernel, stride, hidden, activation="relu")
    branch = net.numbered(expand, shuffle, depthwise, net.conv_norm(out, 1, groups=groups, activation=None))
    return net.numbered(net.residual(branch)) if same else branch


def samples(lines: list[dict[str, str]], column: str) -> list[posterior.Sample]:
    """The networks of a table with their latencies on one device."""
    device, converted = profiles.load(DEVICES[column][0]), DEVICES[column][1]
    at, machine = hierarchy.place(device, "litert", "fp32", 1, "own"), calibrations.machine_of(device)
    archs = [line["arch"] for line in lines]
    plans = [blocks(arch) if len(arch) > len(EDGES) else cells(kept(arch) if converted else arch) for arch in archs]
    kernels = [works(sketch_plan(plan, (1, 3, 32, 32)), at.runtime) for plan in plans]
    rows = zip(archs, [float(line[column]) / 1e3 for line in lines], kernels, strict=True)
    return [posterior.sample(at, arch, arch, latency_s, machine, each) for arch, latency_s, each in rows]


def draw(table: list[posterior.Sample], seed: int) -> tuple[float, float, float]:
    """The rank before and after SAMPLES of a table are known, and the median error after."""
    order = np.random.default_rng(seed).permutation(len(table))
    known, others = ([table[number] for number in part] for part in (order[:SAMPLES], order[SAMPLES:]))
    start, unknown = calibrations.start(known[0].at), calibrations.missing_levels(known[0].at)
    after = posterior.conditioned(start, unknown, known, np.zeros(SAMPLES))
    truth = np.log([each.latency_s for each in others])
    told = [np.array([posterior.form(each, np.exp(constants))[0] for each in others]) for constants in (start, after)]
    before, rank = (float(spearmanr(each, truth).statistic) for each in told)
    return before, rank, float(np.median(np.abs(np.expm1(told[1] - truth))))


def spaces(path: Path) -> dict[str, list[dict[str, str]]]:
    """The lines of a file by the name of what they are of."""
    lines = list(csv.DictReader(path.read_text().splitlines()))
    if len(lines[0]["arch"]) > len(EDGES):
        return {"FBNet": lines}
    whole = [line for line in lines if kept(line["arch"]) == line["arch"].replace(NONE, GONE)]
    joined = [line for line in lines if any(all(line["arch"][edge] != NONE for edge in path) for path in PATHS)]
    return {"201": joined, "201 whole": whole}


def main() -> None:
    print(f"{'space':10s} {'device':16s} {'before':>6s} {'mean':>6s} {'worst':>6s} {'off':>5s}   HELP")
    for space, lines in (each for path in sys.argv[1:] for each in spaces(Path(path)).items()):
        chosen = [lines[at] for at in np.random.default_rng(0).permutation(len(lines))[:NETWORKS]]
        for column in (each for each in DEVICES if each in lines[0]):
            table = samples(chosen, column)
            before, ranks, off = np.array([draw(table, seed) for seed in range(DRAWS)]).T
            figures = f"{before.mean():6.3f} {ranks.mean():6.3f} {ranks.min():6.3f} {off.mean():5.1%}"
            print(f"{space:10s} {column.removesuffix('_ms'):16s} {figures}  {HELP.get((space, column), '-'):>5s}")


if __name__ == "__main__":
    main()
