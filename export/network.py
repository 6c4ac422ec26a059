"""What an exporter is given and what it hands back: the whole contract between the pipeline and a format.

An exporter is one function `convert(network, spec, path) -> Conversion` that writes `path` and nothing else. It does
not check the file, name it, or describe it on disk: the pipeline does that, alike for every format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.records import ExportSpec, ModelSpec, Preprocessing, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from edgebench.graph.operators import Graph

INPUT = "image"
OUTPUT = "logits"


@dataclass(frozen=True, eq=False)
class Network:
    """A built network, ready for every exporter.

    `module` is in eval mode and takes float32 (batch, channels, height, width); `weights_sha256` is that of the
    weights file, None where the weights were initialised from a seed. `preprocessing` is how an image becomes its
    input, where that is known.
    """

    spec: ModelSpec
    module: nn.Module
    weights_sha256: str | None = None
    preprocessing: Preprocessing | None = None

    @cached_property
    def graph(self) -> Graph:
        """The network's Graph with weights, captured on first use and then shared by all formats.

        Raises ExportError when the network has an operator that the Graph does not cover.
        """
        from edgebench.graph.capture import capture

        return capture(self.module, self.spec.input_shape)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What an exporter knows of the file it wrote.

    Shapes are the file's own (NHWC for TFLite), with None for a dynamic dimension. `operators` counts the file's
    operators by the format's own names; `tool_versions` names what wrote it.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tool_versions: dict[str, str] = field(default_factory=dict)


Exporter = Callable[[Network, ExportSpec, Path], Conversion]
