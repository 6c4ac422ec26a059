"""Where a network's Graph comes from: its block table, a user's own module, or a ready file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.ground.errors import DeviceError

if TYPE_CHECKING:
    from edgebench.graph.operators import Graph
    from edgebench.ground.records import Artifact, ModelSpec


def graph_of(artifact: Artifact, weights: Path | None = None) -> Graph:
    """The graph of what is in the file, without running it; a ready file is read itself, where its format can.

    Raises DeviceError for a ready file of another format, or with an operator that a Graph does not have.
    """
    if artifact.model.family != "file":
        return graph_of_model(artifact.model, weights)
    from edgebench.formats.format import every, form

    if not form(artifact.export.format).graph:
        read = " and ".join(each.suffix for each in every() if each.graph)
        raise DeviceError(
            f"an estimate needs the network's graph, which edgebench reads from {read} files and not from "
            f"{Path(artifact.path).name}: name the network instead, or measure the file with `device='host'`"
        )
    graph: Graph = form(artifact.export.format).load("graph")(Path(artifact.path))
    return graph


def graph_of_model(spec: ModelSpec, weights: Path | None = None) -> Graph:
    """The network's graph: from its block table without torch, or captured from a user's own module."""
    if spec.family == "user":
        from edgebench.graph.capture import capture
        from edgebench.models.build import build

        return capture(build(spec, weights=weights), spec.input_shape)
    from edgebench.models.sketch import sketch

    return sketch(spec)
