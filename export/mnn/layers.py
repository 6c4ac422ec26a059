"""What 8-bit weights cost at each layer of an .mnn file."""

from __future__ import annotations

from pathlib import Path

from edgebench.formats.calibrated import LAYER_IMAGES
from edgebench.formats.layers import relative_errors, torch_names
from edgebench.formats.mnn.inspect import operators
from edgebench.formats.network import Network
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import LayerError
from edgebench.runtimes.mnn import RUNTIME

with quiet(Noise(native=RUNTIME.noise)):
    from edgebench.runtimes.mnn.engine import load_exact


def layer_errors(network: Network, original: Path, rounded: Path) -> tuple[LayerError, ...]:
    """Errors of the layers with weights against those of the float file, in order."""
    layers = {one.name: one for one in operators(original) if one.weights}
    names = torch_names(network, {name: one.weights["float32"] // 4 for name, one in layers.items()})
    with quiet(Noise(native=RUNTIME.noise)):
        exact, found = load_exact(str(original)), load_exact(str(rounded))
    images = network.held_out_images[:LAYER_IMAGES]
    errors = relative_errors((found.inside(x, layers), exact.inside(x, layers)) for x in images)
    return tuple(
        LayerError(name=names[name], kind=layers[name].kind, relative_l2_error=error, stored="float")
        for name, error in errors.items()
    )
