"""The one place where comparing touches a clock: fresh processes of a file on a target, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from edgebench.compare.ab import Side
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.options import positive
from edgebench.ground.records import Artifact, ExportSpec, Scenario
from edgebench.ground.registry import FORMATS
from edgebench.machines.facts import check_threads
from edgebench.models.user import InputSize
from edgebench.places.target import Job, Raised, Samples, Target
from edgebench.runtimes import checked, runtime_of, unavailable


def open_artifact(name: str, form: str) -> Artifact:
    """The file that `name` is, or the network of that name in format `form`, exported with seed 0 or found exported.

    Raises UsageError for a name that is neither, and for an unknown format.
    """
    from edgebench.formats.foreign import load_artifact
    from edgebench.formats.pipeline import export_model
    from edgebench.ground.paths import cache_folder
    from edgebench.models import resolve

    if Path(name).suffix:
        return load_artifact(Path(name))
    form = FORMATS.resolve(form)
    return export_model(resolve(name), ExportSpec(format=form), cache_folder() / "artifacts")


def runtime_for(artifact: Artifact, asked: str | None) -> str:
    """The runtime to run a file with. UsageError when it does not run that format, or not on this machine."""
    found = checked(asked or runtime_of(artifact.export.format), artifact.export.format)
    if reason := unavailable(found):
        raise UsageError(reason)
    return found


def check_here(device: str, threads: int) -> None:
    """Raises UsageError for a device on which nothing can be run from here, or not on so many threads."""
    if device != "host":
        raise UsageError(
            f"nothing can be timed on {device} from here: install edgebench on the {device} itself and run this "
            "there, where it is `device='host'`"
        )
    check_threads(positive(threads, "threads"))


def run_on(target: Target, jobs: dict[Side, Job]) -> Callable[[Side], Sequence[float]]:
    """Returns a function that runs one fresh process of a side on `target` and returns its samples in seconds.

    It raises DeviceError, in one sentence, when the process fails.
    """
    numbers = count()

    def run(side: Side) -> Sequence[float]:
        job = replace(jobs[side], process=next(numbers))
        with closing(target.run(job)) as events:
            for event in events:
                if isinstance(event, Raised):
                    raise DeviceError(f"{job.runtime} raised {event.type} on {job.artifact}: {event.first_line}")
                if isinstance(event, Samples):
                    return tuple(ns / 1e9 for ns in event.ns)
        raise DeviceError(f"{job.runtime} ended without samples of {job.artifact}")

    return run


def jobs(
    base: Path, new: Path, runtime: str | None, scenario: Scenario, size: InputSize | None = None
) -> dict[Side, Job]:
    """The jobs of both sides; `size` is that of the image of a file that leaves it open.

    Raises UsageError for a file that cannot be run here."""
    from edgebench.formats.foreign import load_artifact

    sides: dict[Side, Path] = {"base": base, "new": new}
    files = {side: load_artifact(path, size) for side, path in sides.items()}
    return {
        side: Job(runtime=runtime_for(file, runtime), artifact=file.path, scenario=file.scenario(scenario))
        for side, file in files.items()
    }
