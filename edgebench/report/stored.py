"""What a results folder holds, as the report needs it: an index of every record, and the newest of each cell in full.

100,000 records with all their samples do not fit into memory, so the index keeps one short point a record, and a
record is read again where its samples are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from edgebench.compare import sources
from edgebench.compare.pairing import cell_of, moment
from edgebench.compare.records import Cell
from edgebench.compare.statistics import QUANTILE
from edgebench.ground import store
from edgebench.ground.errors import UsageError, reason
from edgebench.ground.paths import shown
from edgebench.ground.records import SCHEMA, Provenance, Result, Status
from edgebench.ground.records.specs import Seconds

OnWarning = Callable[[str], None]
Content = Path | bytes


class Key(NamedTuple):
    """A series of comparable results: a cell, how its numbers came about, and the network's own name."""

    cell: Cell
    provenance: Provenance
    name: str

    @property
    def label(self) -> str:
        """mobilenetv2-w1-d1-r224 tflite-fp32 on host (litert, 1 thread), measured."""
        return f"{self.cell.label}, {self.provenance}"


class Point(NamedTuple):
    """One stored record. `latency_s` is the median over its processes of their 10th percentile, or its estimate."""

    time_s: float
    latency_s: float | None
    status: Status
    commit: str
    file: int
    offset: int
    length: int


class Stored:
    """All records of one source: `series` in the order in which their cells first appear, points in time order."""

    def __init__(self, contents: Sequence[tuple[str, Content]], on_warning: OnWarning) -> None:
        self._contents = contents
        self.series: dict[Key, list[Point]] = {}
        self._keys: dict[tuple[object, ...], Key] = {}
        for number, (name, content) in enumerate(contents):
            self._index(number, name, content, on_warning)
        for points in self.series.values():
            points.sort()

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(map(len, self.series.values()))

    def read(self, point: Point) -> Result:
        """The record behind a point, in full."""
        name, content = self._contents[point.file]
        if isinstance(content, bytes):
            line = content[point.offset : point.offset + point.length]
        else:
            with content.open("rb") as file:
                file.seek(point.offset)
                line = file.read(point.length)
        told: list[str] = []
        for record in store.parse(line, name, told.append):
            return record
        raise UsageError(f"{told[0] if told else f'{name} changed while it was read'}: run the command again")

    def _index(self, number: int, name: str, content: Content, on_warning: OnWarning) -> None:
        offset, torn = 0, False
        for line in _lines(content):
            try:
                head = _decoder.decode(line)
                readable = head.schema <= SCHEMA
            except (msgspec.MsgspecError, UnicodeDecodeError):
                readable = False
            if not readable:
                torn = torn or bool(line.strip())
            else:
                time_s, commit = moment(head.time, "a record").timestamp(), head.environment.commit or ""
                point = Point(time_s, _level(head), head.status, commit, number, offset, len(line))
                self._add(head, point)
            offset += len(line)
        if torn:  # the store knows how to say what is wrong, and whether it may be skipped
            data = content if isinstance(content, bytes) else content.read_bytes()
            for _ in store.parse(data, name, on_warning):
                continue

    def _add(self, head: _Head, point: Point) -> None:
        """Puts a point into its series; the bytes of the specs tell series apart before they are decoded."""
        scenario = head.scenario or _Scenario(threads=head.threads)
        text = (bytes(head.model), bytes(head.export), head.device, head.runtime, head.processor, scenario.threads,
                scenario.batch, head.provenance)  # fmt: skip
        key = self._keys.get(text)
        if key is None:
            record = self.read(point)
            key = self._keys[text] = Key(cell_of(record), head.provenance, record.model.name)
        self.series.setdefault(key, []).append(point)


def load(source: str, *, on_warning: OnWarning) -> Stored:
    """Indexes what `source` names: a file, a folder, or a git revision of either, such as main:results/baseline.

    Raises UsageError when there is nothing to read or no record in it, and as store.read does.
    """
    path = Path(source)
    if path.is_dir():
        contents: list[tuple[str, Content]] = [(shown(file), file) for file in store.files(path)]
    elif path.exists():
        contents = [(source, each) for each in store.files(path)]
    else:
        records = sources.load(source, on_warning=on_warning)
        contents = [(source, b"\n".join(map(msgspec.json.encode, records)))]
    try:
        found = Stored(contents, on_warning)
    except OSError as error:
        raise UsageError(f"cannot read results from {source}: {reason(error)}") from error
    if not found.series:
        raise UsageError(f"{source} holds no results: `edgebench profile` writes them, as .jsonl files")
    return found


class _Scenario(msgspec.Struct, frozen=True):
    threads: int = 1
    batch: int = 1


class _Estimated(msgspec.Struct, frozen=True):
    value: Seconds


class _Environment(msgspec.Struct, frozen=True):
    commit: str | None = None


class _Head(msgspec.Struct, frozen=True):
    """The part of a record that the index needs; the rest is skipped and not even decoded."""

    kind: str
    schema: int
    time: str
    model: msgspec.Raw
    export: msgspec.Raw
    device: str
    runtime: str
    provenance: Provenance
    scenario: _Scenario | None = None
    processor: str = "cpu"
    threads: int = 1
    latency_s: list[Annotated[list[Seconds], Meta(min_length=1)]] | _Estimated | None = None
    load_s: list[Seconds] = []  # it and first_s are checked here, and read with the record
    first_s: list[Seconds] = []
    environment: _Environment = _Environment()
    status: Status = "ok"


_decoder = msgspec.json.Decoder(_Head)


def _lines(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield from content.splitlines(keepends=True)
        return
    with content.open("rb") as file:
        yield from file


def _level(head: _Head) -> float | None:
    """The median of the processes' 10th percentiles, or the estimate."""
    if head.latency_s is None:
        return None
    if isinstance(head.latency_s, _Estimated):
        return head.latency_s.value
    levels = [quantile(sorted(process), QUANTILE) for process in head.latency_s]
    return median(levels) if levels else None


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values by linear interpolation, as numpy's default."""
    last = len(ordered) - 1
    place = share * last
    below = int(place)
    if below == last:
        return ordered[last]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)
