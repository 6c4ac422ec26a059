"""An emulated device: its own runtime binaries, in a guest under QEMU, on a CPU that calls itself what its own does.

What it gives is exact where a clock here would say nothing about the device: outputs of the device's kernels, the
guest's memory, and executed instructions by class. The emulator's clock is not read; a time comes from the counts
through a calibrated constant, with an interval, where the estimator has one for the device.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.progress import Tell, quiet
from edgebench.ground.records import Artifact, Measurement, Parity, Scenario, identity
from edgebench.places import agreement
from edgebench.places.bundle.bundle import Bundle, require
from edgebench.places.emulator import counting, fakecpu
from edgebench.places.local import LocalTarget
from edgebench.places.target import Job, Loaded, Peaks, Raised, Samples
from edgebench.runtimes import bundled, unavailable
from edgebench.runtimes import runtime_of as runtime_for

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

GUEST_WORKER: Final = Path(__file__).parent / "guest.py"
RUNS: Final = 3
REPEATS_WITHIN: Final = 1e-4
PYTHONS_OWN: Final = 5000  # instructions by which Python's part of an inference varies
# An emulated VGG-16 takes minutes between two events.
TIMEOUT_S: Final = 1800.0
SCENARIO: Final = Scenario(processes=1, warmup_runs=1, warmup_s=0.0, min_runs=RUNS, min_s=0.0, max_s=TIMEOUT_S)


class EmulatedJob(Job, frozen=True, kw_only=True):
    """A job for guest.py: two inputs from a file, both outputs to another, the second input `runs` times.

    `exact` asks for outputs without what this machine's own int8 kernels cut off: those of the reference.
    """

    input: str
    output: str
    runs: int = RUNS
    exact: bool = False


class EmulatorTarget(LocalTarget):
    """Runs guest.py in the bundle, on `device`'s CPU, with the counting plugin's options if they are given.

    Raises UsageError for a device whose core cannot be imitated.
    """

    def __init__(self, device: DeviceProfile, bundle: Bundle, options: list[str] | None = None) -> None:
        python = bundle.guest(device, *(options or []))
        super().__init__(timeout_s=TIMEOUT_S, worker=GUEST_WORKER, python=python, variables=bundle.variables)
        self._device, self._bundle = device, bundle

    def environment(self, threads: int) -> dict[str, Any]:
        """What decides an emulated result: the CPU model, QEMU, and the versions inside the guest."""
        core = fakecpu.core_of(self._device)
        contents = self._bundle.contents
        return {
            "machine": f"qemu-{core.qemu}",
            "cpu": self._device.cpu.core,
            "qemu_cpu": core.qemu,
            "qemu": contents.qemu,
            "bundle": contents.version,
            "python": contents.python,
            "versions": dict(wheel.split("==") for wheel in contents.wheels),
            "threads": threads,
        }


class CountingHost(LocalTarget):
    """Runs guest.py with this Python and its packages, under QEMU on a CPU with all that QEMU knows of this machine's.

    TCG knows AVX2 and FMA and no AVX-512, so the kernels are those of such a CPU.
    """

    def __init__(self, bundle: Bundle, options: list[str]) -> None:
        python = [*bundle.qemu(platform.machine()), "-cpu", "max", *options, sys.executable]
        super().__init__(timeout_s=TIMEOUT_S, worker=GUEST_WORKER, python=python)
        self._bundle = bundle

    def environment(self, threads: int) -> dict[str, Any]:
        """This machine's, and the emulator's."""
        return {**super().environment(threads), "qemu_cpu": "max", "qemu": self._bundle.contents.qemu}


def emulate(
    artifact: Artifact, device: DeviceProfile, *, runs: int = RUNS, counts: bool = True, on_progress: Tell | None = None
) -> Measurement:
    """Runs a file on an emulated device and returns what is exact: counts, memory, parity; no samples of a latency.

    `counts` is the inference with the median number of instructions among `runs`, after a first one that does not
    count; `parity` compares with this machine's outputs of the same file in the same runtime, and is None, with a
    warning, where this machine has not got that runtime. The time that the counts stand for is run.devices's. One
    thread. An engine that fails gives a Measurement with status
    "failed".

    Raises UsageError for a device or a file that cannot be emulated, and when the bundle is not set up.
    """
    bundle = require()
    note = fakecpu.core_of(device).note
    task = _Task(artifact, device.name, runs, on_progress or quiet, [note] if note else [])
    return task.run(bundle, counts, lambda options: EmulatorTarget(device, bundle, options))


def count_host(artifact: Artifact, *, runs: int = RUNS, on_progress: Tell | None = None) -> Measurement:
    """Exact instruction counts of this machine's own runtime, under QEMU on this machine; otherwise as `emulate`.

    Raises UsageError where this machine is neither x86-64 nor 64-bit Arm, and when the bundle is not set up.
    """
    bundle = require()
    if platform.machine() not in ("x86_64", "aarch64"):
        raise UsageError(f"instructions are counted on x86_64 and aarch64 machines, and this is {platform.machine()}")
    task = _Task(artifact, "host", runs, on_progress or quiet, [])
    return task.run(bundle, True, lambda options: CountingHost(bundle, options))


class _Task:
    """One file on one device: what is to be run, and what the processes have said so far."""

    def __init__(self, artifact: Artifact, device: str, runs: int, tell: Tell, warnings: list[str]) -> None:
        self.artifact = artifact
        self.device = device
        self.runtime = runtime_of(artifact.export.format)
        if not Path(artifact.path).exists():
            raise UsageError(f"{artifact.path} is not there: export it again")
        self.runs = runs
        self.tell = tell
        self.warnings = warnings
        self.version = ""
        self.memory_bytes: dict[str, int] = {}
        self.emulated_s: list[float] = []
        self.inferences: list[counting.Counts] = []
        self.parity: Parity | None = None

    def run(self, bundle: Bundle, counts: bool, make: Callable[[list[str]], LocalTarget]) -> Measurement:
        """Runs both processes, here and emulated, and returns the record."""
        error, runs = None, self.runs
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            agreement.write_inputs(self.artifact, folder / "input.npy", SCENARIO.seed)
            library = None
            if counts:
                try:
                    library = counting.plugin(bundle)
                except DeviceError as failure:  # everything but the counts works without it
                    self.warnings.append(f"no instruction counts: {failure}")
            marks = folder / "counts.jsonl"
            target = make(counting.options(library, marks) if library else [])
            try:
                self._compute(target, folder)
                if library:
                    self.inferences = counting.read(marks, runs)
                    spread = counting.spread(self.inferences)
                    if spread > REPEATS_WITHIN and spread * self.inferences[0][counting.TOTAL] > PYTHONS_OWN:
                        self.warnings.append(
                            f"the counts of {runs} inferences differ by {spread:.2%}: does the file use threads?"
                        )
            except DeviceError as failure:
                error = str(failure)
        return self._record(target, error)

    def _compute(self, target: LocalTarget, folder: Path) -> None:
        """Runs the file here, for the reference, and on the target. Raises DeviceError."""
        here, there = folder / "here.npy", folder / "there.npy"
        if reason := unavailable(self.runtime):
            self.warnings.append(f"outputs were not compared with this machine's: {reason}")
        else:
            self.tell("running it here")
            self._take(LocalTarget(worker=GUEST_WORKER), self._job(folder, here, runs=1, exact=self.device != "host"))
        self.tell(f"emulating {self.runs + 1} inferences")
        self._take(target, self._job(folder, there, runs=self.runs))
        if here.is_file():
            by = f"{self.runtime} {self.version} emulated, against this machine"
            self.parity = agreement.compare(there, here, self.artifact.export.precision, by, self.runtime)
            if not self.parity.passed:
                self.warnings.append(f"outputs differ from this machine's beyond the gate: {self.parity.gate}")

    def _job(self, folder: Path, output: Path, runs: int, exact: bool = False) -> EmulatedJob:
        return EmulatedJob(
            runtime=self.runtime,
            artifact=self.artifact.path,
            scenario=SCENARIO,
            mode="emulated",
            input=str(folder / "input.npy"),
            output=str(output),
            runs=runs,
            exact=exact,
        )

    def _take(self, target: LocalTarget, job: EmulatedJob) -> None:
        """Keeps what a process says; the emulated one is the last. Raises DeviceError."""
        with closing(target.run(job)) as events:
            for event in events:
                match event:
                    case Raised():
                        raise DeviceError(f"{self.runtime} raised {event.type}: {event.message.strip()[:300]}")
                    case Loaded():
                        self.version = event.version
                    case Samples():
                        self.emulated_s = [ns / 1e9 for ns in event.ns]
                    case Peaks():
                        self.memory_bytes = event.peaks

    def _record(self, target: LocalTarget, error: str | None) -> Measurement:
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        artifact, inferences = self.artifact, self.inferences
        counted = [counts[counting.TOTAL] for counts in inferences]
        state = target.environment(SCENARIO.threads) | {"emulated_s": self.emulated_s, "counted": counted}
        return Measurement(
            id=identity(artifact.sha256, self.runtime, self.device, state["machine"], time),
            time=time,
            model=artifact.model,
            export=artifact.export,
            device=self.device,
            runtime=self.runtime,
            runtime_version=self.version,
            provenance="emulated",
            scenario=SCENARIO,
            memory_bytes=self.memory_bytes,
            artifact_sha256=artifact.sha256,
            size_bytes=artifact.size_bytes,
            parameters=artifact.parameters,
            macs=artifact.macs,
            parity=self.parity,
            counts=counting.typical(inferences) if inferences else {},
            environment=state,
            warnings=tuple(self.warnings),
            status="failed" if error else "ok",
            error=error,
        )


def check(forms: Iterable[str], device: DeviceProfile, threads: int = 1) -> None:
    """Raises UsageError for what cannot be emulated on the device, or counted on this machine: before anything runs."""
    if threads != 1:
        raise UsageError(f"the emulator runs one thread, not {threads}: leave `threads` out, or connect a board")
    if device.name != "host":
        fakecpu.core_of(device)
    for form in forms:
        runtime_of(form)
    require()


def runtime_of(form: str) -> str:
    """The runtime that the bundle has for a format. Raises UsageError where it has none."""
    runtime, there = runtime_for(form), sorted(each.name for each in bundled())
    if runtime not in there:
        raise UsageError(f"{form} files cannot be emulated: the bundle has {', '.join(there)}")
    return runtime
