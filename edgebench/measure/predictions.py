"""Predictions on disk: appended batch by batch, so that an evaluation that was interrupted goes on where it was.

One file for each pair of what predicts and what is predicted: <key>.jsonl, one line a batch. A line that was cut off
while it was written is dropped, and its images are run again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from edgebench.ground.errors import UsageError, reason
from edgebench.measure.accuracy import TOP, Classes, Predictions


class _Batch(msgspec.Struct, frozen=True):
    """All images before `stop` are done; `classes` are those of the images `indices`."""

    stop: int
    indices: list[int]
    classes: list[list[int]]
    unreadable: dict[str, str]
    seconds: float


_decoder = msgspec.json.Decoder(_Batch)


@contextmanager
def log(folder: Path, key: str, images: int) -> Iterator[Log]:
    """Opens the predictions of `images` images, alone: a second process waits until this one is done.

    Raises UsageError where they cannot be written.
    """
    path = folder / f"{key}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"cannot keep predictions in {path}: {reason(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Log(descriptor, images)
    finally:
        os.close(descriptor)


class Log:
    """The predictions so far. `stop` is the first image that is still to be run."""

    def __init__(self, descriptor: int, images: int) -> None:
        self._descriptor = descriptor
        self._classes: Classes = np.full((images, TOP), -1, np.int64)
        self._width = 1
        self._unreadable: dict[str, str] = {}
        self._seconds = 0.0
        self.stop = 0
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read()
        end = 0
        for line in data.splitlines(keepends=True):
            try:
                batch = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):  # text that is no UTF-8 is raised as what it is
                break
            if not line.endswith(b"\n") or not self.stop <= batch.stop <= images:
                break
            self._take(batch)
            end += len(line)
        os.ftruncate(descriptor, end)  # what follows the last whole line was cut off while it was written
        os.lseek(descriptor, end, os.SEEK_SET)

    def add(self, stop: int, indices: Classes, classes: Classes, unreadable: Mapping[str, str], seconds: float) -> None:
        """Appends one batch; it is with the system when this returns. Raises UsageError for a full disk."""
        batch = _Batch(stop, indices.tolist(), classes.tolist(), dict(unreadable), seconds)
        line = msgspec.json.encode(batch) + b"\n"
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(0, "no room for another batch")
        except OSError as error:
            raise UsageError(f"cannot keep predictions: {reason(error)}; make room in the cache folder") from error
        self._take(batch)

    def predictions(self, evaluated_by: str) -> Predictions:
        """What is known so far."""
        return Predictions(self._classes[:, : self._width], self._unreadable, self._seconds, evaluated_by)

    def _take(self, batch: _Batch) -> None:
        if batch.indices:
            classes = np.asarray(batch.classes, np.int64)
            self._width = max(self._width, classes.shape[1])
            self._classes[batch.indices, : classes.shape[1]] = classes
        self._unreadable.update(batch.unreadable)
        self._seconds += batch.seconds
        self.stop = batch.stop
