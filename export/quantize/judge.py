"""What an int8 file loses in top-1 on labelled images against the network in float32, and what float layers cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from edgebench import data
from edgebench.data import Dataset, classes
from edgebench.data.dataset import Labels
from edgebench.estimate.calibrations import calibration, machine_of
from edgebench.estimate.form import latency_s
from edgebench.estimate.work import Work, named_works
from edgebench.formats.quantize.choose import Run
from edgebench.formats.strict import listed
from edgebench.graph.operators import Graph
from edgebench.ground.records import Interval, ModelSpec, Preprocessing, Quantization
from edgebench.machines import profiles
from edgebench.measure.accuracy import wilson

Hits = npt.NDArray[np.bool_]
POINTS: Final = 100  # a share of 1 in points
DEVICE: Final = "rpi4"  # whose estimates say what float layers cost: the one with the most published figures


@dataclass(frozen=True, eq=False)
class Judge:
    """Labelled images, prepared for a network; `right` is which of its `outputs` each of them belongs to."""

    images: Dataset
    preprocessing: Preprocessing | None
    spec: ModelSpec
    right: Labels
    outputs: int
    exact: Run

    def hits(self, run: Run) -> Hits:
        """Which images a file, or the network itself, takes for what they are; an unreadable one for nothing."""
        found = np.zeros(len(self.images), np.bool_)
        stream = data.batches(self.images, self.preprocessing, self.spec.input_shape[1:], 1, lambda _: None)
        for one in stream:
            found[one.indices] = run(one.x).reshape(-1)[: self.outputs].argmax() == self.right[one.indices]
        return found

    @cached_property
    def expected(self) -> Hits:
        """Those of the network in float32."""
        return self.hits(self.exact)

    def drop(self, run: Run) -> Interval:
        """By how many points top-1 is lower than in float32, with what the images can tell of it (95%).

        Only images on which one of both is right tell anything. Of these, the share that the file is wrong on has
        Wilson's interval; where there are none, so has their own share of all images.
        """
        found, total = self.hits(run), len(self.images)
        lost, gained = int((self.expected & ~found).sum()), int((~self.expected & found).sum())
        share = wilson(lost, lost + gained)
        if share is None:
            limit = wilson(0, total)
            most = 0.0 if limit is None else POINTS * limit.high
            return Interval(value=0.0, low=-most, high=most)
        scale = POINTS * (lost + gained) / total
        value, low, high = (scale * (2 * each - 1) for each in (share.value, share.low, share.high))
        return Interval(value=value, low=low, high=high)


def judge(
    images: Dataset,
    spec: ModelSpec,
    preprocessing: Preprocessing | None,
    outputs: int,
    labels: Sequence[str],
    exact: Run,
) -> Judge:
    """A judge of files of a network with so many outputs, by the images. Raises UsageError as classes.match does."""
    matched = classes.match(spec.title, outputs, labels, images)
    return Judge(images, preprocessing, spec, matched.outputs[images.labels], outputs, exact)


def judged(quantization: Quantization) -> Dataset:
    """The images that `max_drop` is judged on: the `val` split of its data set, or what there is, `limit` at most.

    Raises UsageError as data.load does.
    """
    reference = quantization.judged
    own = data.splits(reference)
    images = data.load(reference, split=own[0] if own == ("all",) else "val")
    return images.subset(quantization.judged_limit or len(images))


def latency_ratio(graph: Graph, floats: Collection[str], runtime: str) -> float | None:
    """How much longer an int8 network takes where these layers are float, as estimated on DEVICE; None where unknown.

    Layers are named by operator or by torch module. What is converted between both is read and written once more.
    """
    device = profiles.load(DEVICE)
    machine = machine_of(device)
    exact, rounded = (calibration(device, runtime, precision, 1) for precision in ("fp32", "int8"))
    if exact is None or rounded is None:
        return None
    kept = {each.name for each in graph.operators if each.name in floats or each.module in floats}
    works = list(named_works(graph, runtime))
    crossed = [
        Work("elementwise", source.elements, source.elements)
        for each in graph.operators
        for source in graph.producers(each)
        if (each.name in kept) != (source.name in kept)
    ]
    left = [*(work for name, work in works if name not in kept), *crossed]
    mixed = latency_s(left, "int8", machine, rounded.constants)
    mixed += latency_s([work for name, work in works if name in kept], "fp32", machine, exact.constants)
    return mixed / latency_s([work for _, work in works], "int8", machine, rounded.constants)


def told(
    judge: Judge, floats: Sequence[str], found: Interval, throughout: Interval, ratio: float | None, most: float
) -> str:
    """Says what a file loses, what it would lose in int8 throughout, which layers stay float, and what is not sure."""
    images = f"{judge.images.name} ({len(judge.images):,} images)"
    said = [f"top-1 on {images} is PyTorch's less {_points(found)} points"]
    if floats:
        said.append(f"in int8 throughout {_points(throughout)}: {len(floats)} layers stay float ({listed(floats)})")
        if ratio is not None:
            said.append(f"estimated to make it {ratio:.2f} times as slow on {DEVICE}")
    if found.value > most:
        said.append(f"`max_drop` {most:g} is not met, whatever stays float")
    elif found.high > most:
        enough = len(judge.images) * ((found.high - found.value) / max(most - found.value, most / 2)) ** 2
        said.append(f"so few images do not tell a drop of {most:g}: it takes about {enough:.0f}")
    return "; ".join(said)


def _points(drop: Interval) -> str:
    return f"{drop.value:.1f} ({drop.low:.1f} to {drop.high:.1f})"
