"""What an exporter is given and what it hands back: the whole contract between the pipeline and a format.

An exporter is one function `convert(network, spec, path) -> Conversion` that writes `path` and nothing else. It does
not check the file, name it, or describe it on disk: the pipeline does that, alike for every format.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.formats.examples import Array, example_inputs, with_beside
from edgebench.formats.native import Shapes
from edgebench.formats.quantize import images
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.errors import ExportError, UsageError
from edgebench.ground.records import (
    ExportSpec,
    Layout,
    ModelSpec,
    Preprocessing,
    Quantization,
    QuantizationReport,
    TensorSpec,
)

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from edgebench.formats.quantize.judge import Judge
    from edgebench.graph.operators import Graph

INPUT = "image"
OUTPUT = "logits"
LAYER_IMAGES = 4
LAYOUTS: dict[int, Layout] = {2: "NC", 4: "NCHW"}  # torch's, by the number of dimensions
TORCH_NOISE = Noise(
    warnings=(r"`isinstance\(treespec, LeafSpec\)` is deprecated",),
    logs={"torch._subclasses.fake_tensor": ".*"},  # what does not fit is raised too
)


@dataclass(frozen=True, eq=False)
class Network:
    """A built network, ready for every exporter.

    `module` is in eval mode and takes float32 (batch, channels, height, width); `weights_sha256` is that of the
    weights file, None where the weights were initialised from a seed. `preprocessing` is how an image becomes its
    input, `labels` what its outputs are called, where these are known. `quantization` says how it becomes int8, None
    where it does not; `origin` is then the network whose graph, program and reference it shares.
    """

    spec: ModelSpec
    module: nn.Module
    weights_sha256: str | None = None
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()
    quantization: Quantization | None = None
    origin: Network | None = None
    _calibrations: dict[tuple[str, int], images.Calibration] = field(default_factory=dict, repr=False)
    _judges: dict[tuple[str, int | None], Judge] = field(default_factory=dict, repr=False)

    def calibrated(self, quantization: Quantization) -> Network:
        """The same network with images to become int8 on; what is captured of it and read for it is shared.

        Raises UsageError for a limit on top-1 where images are not all that the network takes.
        """
        if self.spec.beside and quantization.max_drop is not None:
            raise UsageError(f"{self.spec.title} takes more than images, which cannot judge `max_drop`: leave it out")
        return replace(self, quantization=quantization, origin=self)

    def with_graph(self, graph: Graph) -> Network:
        """A network that computes `graph`, with this one's images, judged by what this one computes."""
        from edgebench.formats.quantize.replay import Replay

        made = replace(self, module=Replay(graph), origin=None)
        vars(made).update(graph=graph, reference=self.reference, outputs=self.outputs, flat=made.module)
        return made

    @property
    def fed(self) -> Preprocessing | None:
        """How an image becomes the file's input, where it is known."""
        return self.preprocessing

    @property
    def calibration(self) -> images.Calibration:
        """The images that the quantization names, read on first use. Raises UsageError as images.load does."""
        wanted = self.quantization or Quantization()
        key = (wanted.calibration, wanted.samples)
        if key not in self._calibrations:
            self._calibrations[key] = images.load(self.spec, self.preprocessing, wanted)
        return self._calibrations[key]

    @property
    def calibration_images(self) -> list[Array]:
        """Preprocessed images, float32 (1, C, H, W), to observe activations on."""
        return self.calibration.images

    @property
    def held_out_images(self) -> list[Array]:
        """Further such images, to choose and judge by."""
        return self.calibration.held_out

    @property
    def layer_images(self) -> list[Array]:
        """The few of the images to judge by that the errors of single layers are measured on."""
        images, _ = self.reference
        return images[:LAYER_IMAGES]

    @property
    def judge(self) -> Judge:
        """What tells how many of the labelled images that the quantization names a file loses, read on first use.

        Raises UsageError for images that cannot be read, or whose classes are not the network's outputs.
        """
        from edgebench.formats.quantize.judge import judge, judged

        wanted = self.quantization or Quantization()
        key = (wanted.judged, wanted.judged_limit)
        if key not in self._judges:
            outputs = (1, *next(iter(self.outputs.values())))[-1]
            self._judges[key] = judge(
                judged(wanted), self.spec, self.fed, outputs, self.names, lambda x: self.compute([x])[0]
            )
        return self._judges[key]

    @cached_property
    def graph(self) -> Graph:
        """The network's Graph with weights, captured on first use and then shared by all formats.

        Raises ExportError when the network has an operator that the Graph does not cover.
        """
        from edgebench.graph.capture import capture
        from edgebench.models.in_hand import zeros

        if self.origin is not None:
            return self.origin.graph
        return capture(self.flat, zeros(self.spec))

    @cached_property
    def program(self) -> ExportedProgram:
        """The network as torch exports it, with a dynamic batch where it allows one, else with a batch of 1.

        Made on first use. It holds no source lines or paths of this machine. Raises torch's own errors for a network
        that it cannot trace.
        """
        import torch

        from edgebench.models.in_hand import zeros

        if self.origin is not None:
            return self.origin.program
        # torch.export takes a batch of 1 for a constant. A network that reshapes by it has no other.
        examples = zeros(self.spec, batch=2)
        batch = tuple({0: torch.export.Dim("batch", min=1)} for _ in examples)
        dynamic = (batch,) if _is_open(self.flat) else batch
        with quiet(TORCH_NOISE), torch.no_grad():
            try:
                program = torch.export.export(self.flat, examples, dynamic_shapes=dynamic)
            except (RuntimeError, ValueError, TypeError, AssertionError):  # what torch raises where shapes do not fit
                program = torch.export.export(self.flat, zeros(self.spec))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)
        return program

    @cached_property
    def reference(self) -> tuple[list[Array], Array]:
        """Example inputs (1, C, H, W), and torch's float32 outputs for them, stacked; computed on first use.

        For int8 the inputs are the held-out images, as long as there are two.
        """
        if self.quantization is not None and len(self.held_out_images) > 1:
            return self.held_out_images, self.compute(self.held_out_images)
        images = example_inputs(self.spec.input_shape, self.preprocessing)
        inputs = with_beside(images, self.spec.beside)
        return inputs, self.compute(inputs)

    @cached_property
    def outputs(self) -> Shapes:
        """The shapes of the outputs for one image by their names, in the network's order; the only one is "logits"."""
        from edgebench.formats.outputs import shapes_of

        if self.origin is not None:
            return self.origin.outputs
        return shapes_of(self._sample)

    @cached_property
    def flat(self) -> nn.Module:
        """The module with its outputs in a tuple, wherever it keeps them; the module itself where it gives a tensor."""
        import torch

        from edgebench.formats.outputs import Flat

        if self.origin is not None:
            return self.origin.flat
        return self.module if isinstance(self._sample, torch.Tensor) else Flat(self.module)

    @cached_property
    def joined(self) -> nn.Module:
        """`flat`, which takes several inputs as one."""
        from edgebench.formats.outputs import Joined
        from edgebench.models.in_hand import zeros

        return Joined(self.flat, zeros(self.spec)) if self.spec.beside else self.flat

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a file calls its inputs: "image", and what the module calls those beside it."""
        from edgebench.models.in_hand import input_names

        beside = range(len(self.spec.beside))
        known = input_names(self.module) if beside else []
        return (INPUT, *(known[at] if at < len(known) else f"input_{at + 2}" for at in beside))

    @cached_property
    def _sample(self) -> object:
        """What the module returns for an example input.

        Raises ExportError for a network that does not run on its input, or returns no tensor.
        """
        import torch
        from torch.utils._pytree import tree_leaves

        from edgebench.models.in_hand import zeros

        shape = self.spec.input_shape
        image, *_ = example_inputs(shape, self.preprocessing)
        beside = zeros(self.spec)[1:]
        try:
            with torch.inference_mode():
                found = self.module(torch.from_numpy(image), *beside)
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            fed = f"an input of shape {shape}{''.join(f', and {one}' for one in self.spec.beside)}"
            raise ExportError(f"{self.spec.title} does not run on {fed}: {why}") from error
        if not any(isinstance(one, torch.Tensor) for one in tree_leaves(found)):
            raise ExportError(f"{self.spec.title} returns no tensor, so there is nothing to export")
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called: as given, or as the module says where it names as many; empty where nobody does.

        Raises UsageError for another number of names than there are values in the first output.
        """
        from edgebench.models.in_hand import labels_of

        if self.origin is not None:
            return self.origin.names
        outputs = (next(iter(self.outputs.values())) or (1,))[-1]
        if self.labels and len(self.labels) != outputs:
            raise UsageError(f"{self.spec.title} has {outputs} outputs, and {len(self.labels)} `labels` are given")
        own = labels_of(self.module)
        return self.labels or (own if len(own) == outputs else ())

    @cached_property
    def precise(self) -> nn.Module:
        """A copy of `joined` in float64; `joined` itself where its code mixes types of its own, as by float()."""
        import torch

        double = copy.deepcopy(self.joined).double()
        example, *_ = self.reference[0]
        try:
            with torch.inference_mode():
                double(torch.from_numpy(example).double())
        except RuntimeError:  # expected scalar type Double but found Float
            return self.joined
        return double

    def exact(self, inputs: list[Array]) -> Array | None:
        """The outputs in float64 (input, 1, class), several as one; None where the network cannot compute in that."""
        import torch

        from edgebench.formats.outputs import on

        return None if self.precise is self.joined else on(self.precise, inputs, torch.float64)

    def compute(self, inputs: list[Array]) -> Array:
        """The outputs (input, 1, class), several as one: each flattened, one behind the other."""
        from edgebench.formats.outputs import on

        return on(self.joined, inputs)


def _is_open(module: nn.Module) -> bool:
    """Whether a module takes any number of inputs."""
    return any(one.kind is one.VAR_POSITIONAL for one in inspect.signature(module.forward).parameters.values())


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What an exporter knows of the file it wrote.

    Shapes are the file's own (NHWC for TFLite), with None for a dynamic dimension. `operators` counts the file's
    operators by the format's own names, `rewrites` those of the Graph; `transposes` and `moved_bytes` are Artifact's.
    `tool_versions` names what wrote it. `quantization` is there for int8 only.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int] = field(default_factory=dict)
    rewrites: dict[str, int] = field(default_factory=dict)
    transposes: int | None = None
    moved_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    tool_versions: dict[str, str] = field(default_factory=dict)
    quantization: QuantizationReport | None = None


Exporter = Callable[[Network, ExportSpec, Path], Conversion]
