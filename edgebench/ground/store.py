"""Results on disk: <day>-<id>.jsonl in a folder per device, one record per line, appended as each cell ends.

A line is written by a single call on a file opened for appending, under an advisory lock, and is on the disk when
`append` returns (an estimate is with the system, since it costs nothing to have again): writers side by side do not
mix, and a crash costs at most the line that was being written. Such a
torn line is reported and skipped by `read`; the next `append` starts a new line after it.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from edgebench.ground.errors import NotKept, UsageError, reason, warn
from edgebench.ground.paths import check_no_pipe, shown
from edgebench.ground.records import SCHEMA, Estimate, Result
from edgebench.ground.records.specs import LONGEST_S

_FILE_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BEGINNING = b'{"kind":"'
_STRING_OR_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)')

_decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


class _Head(msgspec.Struct):
    """What every record of every schema begins with."""

    kind: str
    schema: int


_head = msgspec.json.Decoder(_Head)


def append(folder: Path | str, record: Result, *, run: str | None = None) -> Path:
    """Appends one record and returns its file, `folder`/<day>-<id>.jsonl; the folder is the device's, and is made.

    `run` names what the records of one command share, and is the file's id; without it the record's own id is.
    Raises NotKept when the folder cannot be written to, UsageError when time and id do not make the name of a file.
    """
    day, name = record.time[:10], run or record.id
    if not _DAY.fullmatch(day):
        raise UsageError(f"the time '{record.time}' does not begin with a day such as 2026-11-30")
    if not _FILE_SAFE.fullmatch(name):
        raise UsageError(f"the id '{name}' cannot name a file: use letters, digits and _ . + -")
    path = Path(folder) / f"{day}-{name}.jsonl"
    line = msgspec.json.encode(record) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write(descriptor, line, lasting=not isinstance(record, Estimate))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NotKept(_unwritable(path, error)) from error
    return path


def check_writable(folder: Path | str) -> None:
    """Makes the folder and tries a file in it, so that a long run does not end at its first result.

    Raises UsageError when results cannot be written there.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(_unwritable(Path(folder), error)) from error


def read(path: Path | str, *, on_warning: Callable[[str], None] | None = None) -> list[Result]:
    """Reads one .jsonl file, or every one under a folder in the order of their names.

    A line that was cut off while it was written is reported to `on_warning` (a Python warning unless told) and
    skipped. Raises UsageError when there is nothing to read, for a record of a newer schema, and for a file that does
    not hold edgebench's records, such as times that are none. Every command reads records here, or by `parse`.
    """
    return [record for file in files(path) for record in stream(file, on_warning)]


def files(path: Path | str) -> list[Path]:
    """The .jsonl files below a folder in the order of their names, or the file itself. Raises UsageError."""
    path = Path(path)
    try:
        check_no_pipe(path)
        found = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
        return [file for file in found if file == path or file.is_file()]
    except OSError as error:
        raise UsageError(f"cannot read results from {path}: {reason(error)}") from error


def stream(file: Path, on_warning: Callable[[str], None] | None = None) -> Iterator[Result]:
    """Yields the records of one file without holding them; warns and raises as `read` does."""
    try:
        with file.open("rb") as lines:
            yield from _records(lines, shown(file), on_warning or warn)
    except OSError as error:
        raise UsageError(f"cannot read results from {file}: {reason(error)}") from error


def parse(data: bytes, name: str, on_warning: Callable[[str], None]) -> Iterator[Result]:
    """Yields the records of one file's content; `name` is what messages call it. Warns and raises as `read` does."""
    return _records(data.split(b"\n"), name, on_warning)


def _records(lines: Iterable[bytes], name: str, on_warning: Callable[[str], None]) -> Iterator[Result]:
    for number, line in enumerate(lines, 1):
        line = line.rstrip(b"\n")
        if not line.strip():
            continue
        if _is_torn(line):
            on_warning(f"{name}:{number} was cut off while it was written, and is skipped")
        else:
            yield _decode(line, f"{name}:{number}")


def _is_torn(line: bytes) -> bool:
    """Whether a line is the beginning of a record, without its end."""
    if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
        return False
    try:
        msgspec.json.decode(line)
    except UnicodeDecodeError:
        return True
    except msgspec.DecodeError as error:
        return "truncated" in str(error)  # as opposed to malformed, such as a NaN: somebody else wrote that
    return False


def _decode(line: bytes, where: str) -> Result:
    try:
        head = _head.decode(line)
        if head.schema > SCHEMA:
            raise UsageError(
                f"{where} was written by a newer edgebench (schema {head.schema}; this one reads up to {SCHEMA}):"
                " pip install --upgrade edgebench"
            )
        return _checked(_decoder.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{where} is not a result of edgebench: {_no_number(line) or error}") from error


def _checked(record: Result) -> Result:
    """The record, where its estimate is a time inside its interval and its time a moment. Raises ValueError."""
    datetime.fromisoformat(record.time)
    estimate = record.latency_s if isinstance(record, Estimate) else record.estimated_latency_s
    if estimate and not (estimate.value and 0 <= estimate.low <= estimate.value <= estimate.high < LONGEST_S):
        raise ValueError(f"an estimate of {estimate.value:g} s, from {estimate.low:g} to {estimate.high:g}")
    return record


def _no_number(line: bytes) -> str:
    """What to say of a NaN or Infinity outside of strings, which Python's json writes and JSON has none of."""
    number = next((match[1] for match in _STRING_OR_NAN.finditer(line) if match[1]), None)
    if number is None:
        return ""
    return f"it holds {number.decode()}, which is no number; another program wrote or changed it, so measure again"


def _write(descriptor: int, line: bytes, *, lasting: bool) -> None:
    """One write, to the disk itself where it is to be `lasting`. Raises OSError, also for a part of the line."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line  # somebody's line was cut off: leave it alone
    if os.write(descriptor, line) != len(line):
        raise OSError(0, "only a part of the record fitted on the disk")
    if lasting:
        os.fsync(descriptor)


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write results to {path}: {reason(error)}; name another folder with `results`"
