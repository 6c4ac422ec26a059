"""Changes to a CoreML network by coremltools' own passes on packages that this system cannot run.

coremltools' public function for activations (`linear_quantize_activations`) observes ranges by running the package,
which only a Mac can. It is two passes that are told the ranges; here they are told ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
SYMMETRIC = "linear_symmetric"
ROUND_INPUTS = "compression::insert_prefix_quantize_dequantize_pair"
ROUND_OUTPUTS = "compression::insert_suffix_quantize_dequantize_pair"
ROUND_WEIGHTS = "compression::linear_quantize_weights"
MERGE = "common::dequantize_quantize_pair_elimination"


def round_layers(
    model: Any, ranges: Mapping[str, Range], apart: Collection[str], open_end: str, constants: Collection[str] = ()
) -> Any:
    """Surrounds convolutions, pools, dense layers and additions with quantize and dequantize; returns a new network.

    `ranges` holds (low, high) by tensor. The operators in `apart` stay float, and the output of `open_end` is not
    rounded; weights are, as round_weights does, but for the `constants` named. Needs iOS 17, which the new package then
    states.
    """
    options = {
        "activation_stats": {name: {"rmin": low, "rmax": high} for name, (low, high) in ranges.items()},
        "config": _configured(apart, mode=SYMMETRIC),
    }
    first = _told(ROUND_INPUTS, options)
    second = _told(ROUND_OUTPUTS, options | {"config": _configured([*apart, open_end], mode=SYMMETRIC)})
    # All in one: what coremltools does around its passes takes ten times as long as these.
    passes = [first, second, PASS_REGISTRY[MERGE], _rounding_weights(constants)]
    return _applied(model, passes, ct.target.iOS17)


def round_weights(model: Any) -> Any:
    """Stores weights in 8 bits, a scale for each output channel; returns a new network."""
    return _applied(model, [_rounding_weights()], ct.target.iOS16)


def _applied(model: Any, passes: Sequence[Any], least: Any) -> Any:
    """A channel of zero weights has the scale 0: what coremltools divides by it, it stores as 0."""
    with quiet(PASSES), np.errstate(invalid="ignore"):
        return _apply_graph_pass(model, passes, spec_version=least.value, skip_model_load=True)


def _rounding_weights(apart: Collection[str] = ()) -> Any:
    config = _configured(apart, mode=SYMMETRIC, weight_threshold=SMALLEST_WEIGHT)
    return _told(ROUND_WEIGHTS, {"config": config, "joint_compression": False})


def _told(name: str, options: Mapping[str, Any]) -> Any:
    chosen = PASS_REGISTRY[name]
    chosen.set_options([PassOption(option, value) for option, value in options.items()])
    return chosen


def _configured(apart: Collection[str], **options: Any) -> Any:
    settings = optimize.OpLinearQuantizerConfig(**options)
    return optimize.OptimizationConfig(global_config=settings, op_name_configs=dict.fromkeys(apart))
