"""Changes to a CoreML network by coremltools' own passes on packages that this system cannot run.

coremltools' public function for activations (`linear_quantize_activations`) observes ranges by running the package,
which only a Mac can. It is two passes that are told the ranges; here they are told ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from edgebench.formats.coreml.noise import NOISE
from edgebench.formats.quiet import Noise, quiet

PASSES = Noise(
    logs=NOISE.logs,
    lines=(*NOISE.lines, r"Running (activation )?compression pass \w+", r"Running MIL \w+ pipeline"),
    warnings=NOISE.warnings,
)

with quiet(NOISE):
    import coremltools as ct
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models.utils import _apply_graph_pass
    from coremltools.optimize import coreml as optimize

Range = tuple[float, float]

SMALLEST_WEIGHT = 512  # elements; below it a scale a channel saves nothing
ACTIVATIONS = "linear_symmetric"
ROUND_INPUTS = "compression::insert_prefix_quantize_dequantize_pair"
ROUND_OUTPUTS = "compression::insert_suffix_quantize_dequantize_pair"
MERGE = "common::dequantize_quantize_pair_elimination"


def round_activations(model: Any, ranges: Mapping[str, Range], apart: Collection[str], open_end: str) -> Any:
    """Surrounds convolutions, pools, dense layers and additions with quantize and dequantize; returns a new network.

    `ranges` holds (low, high) by tensor. The operators in `apart` stay float, and the output of `open_end` is not
    rounded. Needs iOS 17, which the new package then states.
    """
    options = {
        "activation_stats": {name: {"rmin": low, "rmax": high} for name, (low, high) in ranges.items()},
        "config": _configured(apart, mode=ACTIVATIONS),
    }
    with quiet(PASSES):
        first = _told(ROUND_INPUTS, options)
        second = _told(ROUND_OUTPUTS, options | {"config": _configured([*apart, open_end], mode=ACTIVATIONS)})
        passes = [first, second, PASS_REGISTRY[MERGE]]
        version = ct.target.iOS17.value
        return _apply_graph_pass(model, passes, spec_version=version, skip_model_load=True)


def round_weights(model: Any, apart: Collection[str] = ()) -> Any:
    """Stores weights in 8 bits, a scale for each output channel; the constants named in `apart` stay as they are.

    A channel of zeros has the scale 0: what coremltools divides by it, it stores as 0.
    """
    with quiet(PASSES), np.errstate(invalid="ignore"):
        return optimize.linear_quantize_weights(
            model, _configured(apart, mode="linear_symmetric", weight_threshold=SMALLEST_WEIGHT)
        )


def _told(name: str, options: Mapping[str, Any]) -> Any:
    chosen = PASS_REGISTRY[name]
    chosen.set_options([PassOption(option, value) for option, value in options.items()])
    return chosen


def _configured(apart: Collection[str], **options: Any) -> Any:
    settings = optimize.OpLinearQuantizerConfig(**options)
    return optimize.OptimizationConfig(global_config=settings, op_name_configs=dict.fromkeys(apart))
