"""Our own .tflite file in int8, by ai-edge-quantizer, with ranges that were found elsewhere.

static: weights a channel at a time, activations by the ranges given; accumulators are 32-bit. dynamic and weights
alone need no ranges.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.formats.quantize.ranges import Range
from edgebench.formats.quiet import Noise, quiet
from edgebench.formats.tflite.biases import biases, mend_biases
from edgebench.formats.tflite.scales import mend_constants, summable, sums
from edgebench.formats.tflite.wiring import mend_wiring
from edgebench.ground.errors import MissingPackage
from edgebench.ground.records import QuantizationScheme

try:
    from ai_edge_quantizer import qtyping, quantizer, recipe
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "ai_edge_quantizer":
        raise
    raise MissingPackage("ai-edge-quantizer", "tflite", "int8 in tflite") from error

NOISE: Final = Noise(
    warnings=("Warning: Enabling `experimental_preserve_all_tensors`",), lines=("Applying Transformations to tensors",)
)
KEPT: Final = "no_quantize"
PARTS: Final = r"(/\w+)?"  # one operator of the graph may be several of TFLite's: their tensors end so
RECIPES: Final = {
    "static": recipe.static_wi8_ai8,
    "dynamic": recipe.dynamic_wi8_afp32,
    "weights": recipe.weight_only_wi8_afp32,
}


class FloatFile:
    """A float file of ours, read once for all int8 files that are made of it."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self._quantizer = quantizer.Quantizer(content)
        self._biases = biases(content)
        self._sums = sums(content)

    def quantize(
        self,
        target: Path,
        scheme: QuantizationScheme,
        ranges: Mapping[str, Range] | None = None,
        kept: Collection[str] = (),
        *,
        float_io: bool = True,
    ) -> None:
        """Writes `target`, the file in int8.

        `ranges` are those of all tensors that are computed, by name. `kept` names operators of the graph that stay
        float, as softmax does. With `float_io` the file takes and gives float32.
        """
        made = self._quantizer
        made.load_quantization_recipe(RECIPES[scheme]())
        kinds = qtyping.TFLOperationName
        for operation in (kinds.SOFTMAX, kinds.INPUT, kinds.OUTPUT) if float_io else (kinds.SOFTMAX,):
            made.update_quantization_recipe(".*", operation, algorithm_key=KEPT)
        if kept:  # as one pattern: each is tried on each operator, and Python forgets compiled ones beyond 512
            named = f"^({'|'.join(map(re.escape, kept))}){PARTS};?$"
            made.update_quantization_recipe(named, kinds.ALL_SUPPORTED, algorithm_key=KEPT)
        given = None
        if ranges:
            ends = {name: np.asarray(both, np.float32) for name, both in summable(self._sums, ranges).items()}
            given = {name: {"min": low, "max": high} for name, (low, high) in ends.items()}
        with quiet(NOISE), np.errstate(invalid="ignore"):  # a bias beyond int32 is mended below
            result = made.quantize(given, enable_progress_bar=False, enable_progress_report=False)
        target.write_bytes(result.quantized_model)
        mend_biases(self._biases, target)
        mend_constants(target)
        mend_wiring(target)
