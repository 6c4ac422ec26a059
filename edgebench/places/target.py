"""Where a worker runs: a target takes a job and gives back the worker's events. Today local; later ssh, emulators."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from edgebench.ground.errors import DeviceError, first_line
from edgebench.ground.records import Record, Scenario


class Job(Record, frozen=True, kw_only=True):
    """One fresh process: which engine runs which file, and whether it takes times, peak memory, or counts."""

    runtime: str
    artifact: str
    scenario: Scenario
    mode: Literal["latency", "memory", "emulated", "prefixes", "outputs"] = "latency"
    process: int = 0


class OutputsJob(Job, frozen=True, kw_only=True):
    """A job whose inputs come from the .npy file `input`, along its first axis, and whose outputs are sent back."""

    input: str


class _Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of what the worker says; nanoseconds, as its clock gave them."""


class Imported(_Event, frozen=True, kw_only=True, tag="import"):
    """The engine is imported."""

    ns: int


class Loaded(_Event, frozen=True, kw_only=True, tag="load"):
    """The file is loaded."""

    ns: int
    version: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    delegates: int | None = None
    delegated_share: float | None = None


class First(_Event, frozen=True, kw_only=True, tag="first"):
    """The first inference is done."""

    ns: int


class _Readings(_Event, frozen=True, kw_only=True):
    frequency_hz: float | None = None
    temperature_c: float | None = None


class Warm(_Readings, frozen=True, kw_only=True, tag="warm"):
    """The warm-up is over, after so many runs."""

    runs: int


class Samples(_Readings, frozen=True, kw_only=True, tag="samples"):
    """The steady state: one value per timed run, in time order; every `timed_every`-th run was timed."""

    ns: list[int]
    timed_every: int = 1


class Peaks(_Event, frozen=True, kw_only=True, tag="memory"):
    """Peak resident bytes by phase; empty, with the reason, where the system cannot tell."""

    peaks: dict[str, int]
    why_not: str | None = None


class Outputs(_Event, frozen=True, kw_only=True, tag="outputs"):
    """What one input gives: the bytes of an array in base64, its shape, and numpy's name of its dtype."""

    dtype: str
    shape: list[int]
    data: bytes


class Raised(_Event, frozen=True, kw_only=True, tag="error"):
    """The engine raised an exception; `missing` names the module when that was what it lacked."""

    type: str
    message: str
    missing: str | None = None

    @property
    def first_line(self) -> str:
        """The message in one line."""
        return first_line(self.message or "no message")


class Ended(_Event, frozen=True, kw_only=True, tag="end"):
    """Nothing follows."""


Event = Imported | Loaded | First | Warm | Samples | Peaks | Outputs | Raised | Ended
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode(line: bytes) -> Event:
    """Reads one line of a worker. Raises DeviceError when it is not an event."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        shown = line[:60].decode("utf-8", "replace").strip()
        raise DeviceError(f"the worker wrote '{shown}', which is not one of its events: {error}") from error


class Target(Protocol):
    """A place that runs workers."""

    def run(self, job: Job) -> Generator[Event, None, None]:
        """Runs one fresh process and yields its events up to Ended or Raised; closing the generator ends the process.

        Blocks between events, so that nothing disturbs the measurement. Raises DeviceError, in one sentence, when the
        process dies, hangs, or writes something that is not an event.
        """

    def environment(self, threads: int) -> dict[str, Any]:
        """What may influence a timing there, now; see edgebench.machines.environment.capture."""
