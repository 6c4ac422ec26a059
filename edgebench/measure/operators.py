"""Per-operator times of one file, in a fresh process, beside the roof of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgebench.ground.errors import DeviceError, UsageError, unknown
from edgebench.ground.records import Artifact, Measurement, OperatorProfile
from edgebench.measure.operators_worker import Failure, Job
from edgebench.places.local import last_words
from edgebench.runtimes import checked, every, unavailable
from edgebench.runtimes import runtime as entry

RUNS = 50
TIMEOUT_S = 600.0
# Every BLAS that numpy comes with reads one of these when it starts.
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def profile_operators(
    artifact: Artifact, runtime: str, threads: int = 1, *, runs: int = RUNS, timeout_s: float = TIMEOUT_S
) -> OperatorProfile:
    """Returns the times of the file's operators over `runs` inferences, from the runtime's own profiler.

    Raises UsageError for a runtime without a profiler, one that does not run the file, or a file that is not there;
    DeviceError when the engine fails, crashes, or takes longer than `timeout_s`.
    """
    runtime = checked(runtime, artifact.export.format)
    if not entry(runtime).operators:
        raise unknown("runtime with an operator profiler", runtime, (each.name for each in every() if each.operators))
    if reason := unavailable(runtime):
        raise UsageError(reason)
    if not Path(artifact.path).exists():
        raise UsageError(f"{artifact.path} is not there: export it again")
    job = Job(runtime=runtime, artifact=os.path.abspath(artifact.path), threads=threads, runs=runs)
    title = f"profiling the operators of {Path(artifact.path).name} with {runtime}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edgebench.measure.operators_worker"],
            input=msgspec.json.encode(job),
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, **dict.fromkeys(POOLS, str(threads)), "ORT_DISABLE_TELEMETRY": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{title} took longer than {timeout_s:.0f} s, and was ended") from error
    if done.stdout:
        try:
            if done.returncode == 0:
                return msgspec.json.decode(done.stdout, type=OperatorProfile)
            raise DeviceError(f"{title}: {msgspec.json.decode(done.stdout, type=Failure).error}")
        except msgspec.MsgspecError as error:
            raise DeviceError(f"{title} gave an answer that cannot be read: {error}") from error
    raise DeviceError(f"{title} ended with exit code {done.returncode}{last_words(done.stderr)}")


def with_operators(measurement: Measurement, artifact: Artifact) -> Measurement:
    """The measurement with the times of its operators, from one more process; where there are none, with a warning."""
    try:
        found = profile_operators(artifact, measurement.runtime, measurement.scenario.threads)
    except (UsageError, DeviceError) as error:
        warning = f"the operators were not timed: {error}"
        return replace(measurement, warnings=(*measurement.warnings, warning))
    return replace(measurement, operators=found)
