"""Batches of prepared images: decoded ahead in threads, never more than a few batches in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset, Labels, Unreadable
from edgebench.data.images import Array, Shape, prepare
from edgebench.ground.records import Preprocessing

AHEAD: Final = 2  # batches that are prepared while one is worked on


@dataclass(frozen=True, eq=False)
class Batch:
    """Prepared images. `x` is float32 [B, C, H, W], `labels` int64 [B], `indices` int64 [B]: positions in the set."""

    x: Array
    labels: Labels
    indices: Labels


def batches(
    dataset: Dataset,
    preprocessing: Preprocessing | None,
    shape: Shape,
    size: int,
    on_unreadable: Callable[[Unreadable], None],
    *,
    start: int = 0,
    workers: int = 1,
) -> Iterator[Batch]:
    """Yields the images from position `start` on in order, at most `size` at a time, prepared for `shape` (C, H, W).

    An unreadable image is handed to `on_unreadable` and left out of its batch, which is then smaller; a batch of none
    is left out. Images are read by `workers` threads while the caller works, at most two batches ahead.
    """

    source = dataset.prepared(preprocessing)

    def prepared(index: int) -> Array:
        return prepare(source.pixels(index), preprocessing, shape)

    positions = range(start, len(dataset))
    with ThreadPoolExecutor(workers, "edgebench-data") as pool:
        ahead: deque[Future[Array]] = deque()
        try:
            for first in range(0, len(positions), size):
                wanted = positions[first + len(ahead) : first + (1 + AHEAD) * size]
                ahead.extend(pool.submit(prepared, index) for index in wanted)
                taken = positions[first : first + size]
                batch = _gather(dataset, taken, [ahead.popleft() for _ in taken], on_unreadable)
                if len(batch.labels):
                    yield batch
        finally:
            for future in ahead:
                future.cancel()


def _gather(
    dataset: Dataset, positions: range, futures: list[Future[Array]], on_unreadable: Callable[[Unreadable], None]
) -> Batch:
    images, kept = [], []
    for position, future in zip(positions, futures, strict=True):
        try:
            images.append(future.result())
            kept.append(position)
        except Unreadable as error:
            on_unreadable(error)
    indices = np.asarray(kept, np.int64)
    return Batch(np.stack(images) if images else np.empty((0,), np.float32), dataset.labels[indices], indices)
