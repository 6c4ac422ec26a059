"""What flows inside an .mnn file, and what 8 bits cost at each of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgebench.formats.examples import Array
from edgebench.formats.inside import Inside
from edgebench.formats.inspect import INT8, Operator
from edgebench.formats.layers import relative_errors
from edgebench.formats.mnn.inspect import ROUNDED, operators
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import LayerError
from edgebench.runtimes.mnn import RUNTIME

with quiet(Noise(native=RUNTIME.noise)):
    from edgebench.runtimes.mnn.engine import load_exact

FLOAT = "MNN rounds convolutions and dense layers alone"
UNSCALED = "its input is pooled or resized from what has no scale"


def inside(path: Path) -> Inside:
    """A function that gives what every operator of a file computes for one input (1, C, H, W), in order."""
    with quiet(Noise(native=RUNTIME.noise)):
        session = load_exact(str(path))
    return lambda x: session.inside(x).items()


def layer_errors(
    original: Path, rounded: Path, images: Sequence[Array], names: Mapping[str, str]
) -> tuple[LayerError, ...]:
    """Errors of the layers with weights against those of the float file, in order; `names` are torch's."""
    layers = {one.name: one for one in operators(rounded) if one.name in names}
    with quiet(Noise(native=RUNTIME.noise)):
        exact, found = load_exact(str(original)), load_exact(str(rounded))
    errors = relative_errors((found.inside(x, layers), exact.inside(x, layers)) for x in images)
    return tuple(
        LayerError(
            name=names[name],
            kind=layers[name].kind,
            relative_l2_error=error,
            stored="int8" if layers[name].computes == INT8 else "float",
            why=_why(layers[name]),
        )
        for name, error in errors.items()
    )


def _why(layer: Operator) -> str:
    if layer.computes == INT8:
        return ""
    return UNSCALED if layer.kind in ROUNDED else FLOAT
