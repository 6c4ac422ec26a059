"""Instructions by operator on an emulated device: differences between files that end one operator apart.

A prefix hands out every tensor that a later operator reads, so that it runs all of its operators, of parallel branches
too, and in the file's order. Operators that an engine merges are not parted: an explicit padding goes with its
convolution, an activation with what it belongs to. How a file is shortened is its format's to say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, Measurement, OperatorProfile, OperatorTime
from edgebench.places import agreement
from edgebench.places.bundle.bundle import require
from edgebench.places.emulator import counting
from edgebench.places.emulator.emulator import SCENARIO, EmulatorTarget
from edgebench.places.target import Job, Raised
from edgebench.runtimes import runtime_of

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

METHOD: Final = (
    "instructions counted under emulation: what a file that ends with the operator executes more than one that ends"
    " before it. The first has the call itself too; handing out a tensor moves a few to a neighbour"
)


@dataclass(frozen=True)
class Prefix:
    """A file that ends after an operator; `name` and `kind` are of what it has more than the prefix before it."""

    name: str
    kind: str
    path: Path


Shorten = Callable[[Artifact, Path], list[Prefix]]


class PrefixJob(Job, frozen=True, kw_only=True):
    """A job for guest.py: each of the files once between marks."""

    input: str
    files: tuple[str, ...]


def with_operator_counts(
    measurement: Measurement, artifact: Artifact, device: DeviceProfile, shorten: Shorten
) -> Measurement:
    """The measurement with its operators' instructions, from one more process; where they fail, with a warning."""
    try:
        found = count_operators(artifact, device, shorten)
    except (UsageError, DeviceError) as error:
        warning = f"the operators were not counted: {error}"
        return replace(measurement, warnings=(*measurement.warnings, warning))
    return replace(measurement, operators=found)


def count_operators(artifact: Artifact, device: DeviceProfile, shorten: Shorten) -> OperatorProfile:
    """Counts every operator of a file, in the file's order; `shorten` writes files that end after each.

    Takes about half as long as there are operators inferences.

    Raises UsageError for a file that cannot be parted, DeviceError without a compiler or when the runtime fails.
    """
    bundle = require()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = shorten(artifact, folder)
        agreement.write_inputs(artifact, folder / "input.npy", SCENARIO.seed)
        marks = folder / "counts.jsonl"
        target = EmulatorTarget(device, bundle, counting.options(counting.plugin(bundle), marks))
        job = PrefixJob(
            runtime=runtime_of(artifact.export.format),
            artifact=artifact.path,
            scenario=SCENARIO,
            mode="prefixes",
            input=str(folder / "input.npy"),
            files=tuple(str(part.path) for part in parts),
        )
        with closing(target.run(job)) as events:
            for event in events:
                if isinstance(event, Raised):
                    raise DeviceError(f"{job.runtime} raised {event.type}: {event.message.strip()[:300]}")
        counted = counting.read(marks, len(parts))
    return OperatorProfile(method=METHOD, operators=tuple(operators(parts, counted)))


def operators(parts: Sequence[Prefix], counted: Sequence[counting.Counts]) -> list[OperatorTime]:
    """What each prefix executes more than the one before it."""
    nothing = dict.fromkeys(counted[0], 0)
    return [
        OperatorTime(
            name=part.name, kind=part.kind, time_s=(), counts={each: after[each] - before[each] for each in after}
        )
        for part, before, after in zip(parts, [nothing, *counted], counted, strict=False)
    ]


def named(names: list[str], kinds: list[str]) -> tuple[str, str]:
    """The name of the last of several operators that are one step, and all of their kinds."""
    return names[-1], " + ".join(kinds)
