"""CoreML's quantize and dequantize, computed by torch; the stored whole numbers are float32 here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Arguments = dict[str, Any]
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


def quantize(arguments: Arguments) -> Tensor:
    """Quantize: input / scale + zero_point, rounded to the nearest even and clipped to output_dtype."""
    low, high = LIMITS[arguments["output_dtype"]]
    scale, zero = _per_channel(arguments)
    return torch.clamp(torch.round(arguments["input"] / scale) + zero, low, high)


def dequantize(arguments: Arguments) -> Tensor:
    """Dequantize: (input - zero_point) * scale."""
    stored: Tensor = arguments["input"]
    scale, zero = _per_channel(arguments)
    return (stored - zero) * scale


def _per_channel(arguments: Arguments) -> tuple[Tensor, Tensor]:
    """Scale and zero point, either of them along `axis` where it has more than one value."""
    given = (arguments["scale"], arguments.get("zero_point", 0))
    scale, zero = (torch.as_tensor(value, dtype=torch.float32) for value in given)
    sizes = [1] * arguments["input"].dim()
    if max(scale.dim(), zero.dim()):
        sizes[int(arguments["axis"])] = -1
    return tuple(one.reshape(sizes) if one.dim() else one for one in (scale, zero))  # type: ignore[return-value]
