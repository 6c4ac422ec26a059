"""What turns prepared images into outputs: an exported file in its runtime, here or on a device, and torch itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from edgebench.formats.examples import Array
from edgebench.formats.format import form
from edgebench.formats.native import Native, fed, session
from edgebench.ground.errors import DeviceError, UsageError, first_line
from edgebench.ground.process import one_thread
from edgebench.ground.records import Artifact, Scenario
from edgebench.places.local import loaded as load_apart
from edgebench.places.target import Outputs, OutputsJob, Raised, Target
from edgebench.runtimes import runtime_of, unavailable

if TYPE_CHECKING:
    from torch import nn

Run = Callable[[Array], Array]


@dataclass(frozen=True)
class Classifier:
    """`run` takes float32 [n, C, H, W], n up to `batch`, and returns float32 [n, classes]. `name` says what it is.

    `instead` says why it is edgebench's evaluator and not the file's own runtime; empty where that runs it.
    """

    run: Run
    name: str
    batch: int
    instead: str = ""


def of_module(module: nn.Module, batch: int) -> Classifier:
    """A torch module in eval mode."""
    import torch

    def run(x: Array) -> Array:
        with torch.inference_mode():
            outputs: Array = module(torch.from_numpy(x)).numpy()
        return outputs

    return Classifier(run, f"torch {torch.__version__.partition('+')[0]} fp32", batch)


def of_file(artifact: Artifact, batch: int, threads: int = 1) -> Classifier:
    """An exported file in its runtime on this machine; where this system has none for it, in edgebench's evaluator.

    A batch that the file has fixed is kept, and filled up. Raises UsageError where its runtime is not installed,
    DeviceError where it does not load.
    """
    runtime = runtime_of(artifact.export.format)
    if reason := unavailable(runtime):
        if not form(artifact.export.format).evaluate:
            raise UsageError(reason)
        return _evaluated(artifact, reason.partition(";")[0])
    if len(artifact.inputs) > 1:
        names = ", ".join(tensor.name for tensor in artifact.inputs)
        raise UsageError(f"{artifact.path} has {len(artifact.inputs)} inputs ({names}): accuracy is of one image alone")
    size = artifact.inputs[0].shape[0] or batch
    if artifact.model.family == "file":
        load_apart(runtime, Path(artifact.path), size)
    try:
        loaded = session(runtime, artifact.path, threads, size)
    except (OSError, RuntimeError, ValueError) as error:
        raise DeviceError(f"{runtime} cannot load {artifact.path}: {first_line(error)}") from error
    native = fed(loaded.run, artifact.inputs, artifact.outputs[:1])

    def run(x: Array) -> Array:
        missing = size - len(x)  # of a last batch, which zeros fill up
        filled = np.pad(x, [(0, missing), *[(0, 0)] * 3]) if missing else x
        try:
            return native(filled)[: len(x)]
        except (RuntimeError, ValueError) as error:
            raise DeviceError(f"{runtime} raised {type(error).__name__}: {first_line(error)}") from error

    return Classifier(run, f"{runtime} {loaded.version}", size)


def of_target(artifact: Artifact, target: Target, where: str, batch: int, threads: int = 1) -> Classifier:
    """An exported file on a device or an emulated one: a fresh process for every batch, whose inputs are sent there.

    `where` is how the device is called. `run` raises DeviceError where the process or its engine fails.
    """
    runtime = runtime_of(artifact.export.format)
    run = fed(lambda x: _outputs_there(artifact, target, runtime, threads, x), artifact.inputs, artifact.outputs[:1])
    return Classifier(run, f"{runtime} {where}", batch)


def _outputs_there(artifact: Artifact, target: Target, runtime: str, threads: int, x: Native) -> Native:
    """Runs native inputs [n, ...] one by one and returns native outputs [n, ...]."""
    found: list[Native] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, x[:, None])
        scenario = Scenario(processes=1, threads=threads)
        job = OutputsJob(runtime=runtime, artifact=artifact.path, scenario=scenario, mode="outputs", input=str(path))
        with closing(target.run(job)) as events:
            for event in events:
                match event:
                    case Raised():
                        raise DeviceError(f"{runtime} raised {event.type}: {event.first_line}")
                    case Outputs():
                        found.append(np.frombuffer(event.data, event.dtype).reshape(event.shape))
    if len(found) != len(x):
        raise DeviceError(f"{runtime} gave {len(found)} outputs for {len(x)} images")
    return np.concatenate(found)


def _evaluated(artifact: Artifact, instead: str) -> Classifier:
    program = form(artifact.export.format).load("evaluate")(Path(artifact.path))

    def run(x: Array) -> Array:
        with one_thread():
            outputs: Array = program.run(x)
            return outputs

    return Classifier(run, program.name, 1, instead)
