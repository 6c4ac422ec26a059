"""What timm writes beside a network's values: its architecture, its input, and how its images are prepared.

Fields as in timm 1.0 (timm/models/_pretrained.py, timm/data/config.py): a module has them as `pretrained_cfg`, older
ones as `default_cfg`, a config.json below "pretrained_cfg".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("pretrained_cfg", "default_cfg")


def configuration(module: object) -> Mapping[str, Any]:
    """What a module of timm says of itself; nothing of any other, and of None."""
    for name in _NAMES:
        found = getattr(module, name, None)
        if isinstance(found, Mapping):
            return found
        if hasattr(found, "architecture"):  # an object with these fields
            return vars(found)
    return {}


def fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Preprocessing that a configuration tells; nothing where there is none, or images get borders.

    The shorter side is resized to crop / crop_pct, rounded down (timm/data/transforms_factory.py).
    """
    if "mean" not in found or found.get("crop_mode") == "border":
        return {}
    side = int(found.get("input_size", (3, 224, 224))[-1])
    interpolation = found.get("interpolation", "bilinear")
    return {
        "mean": tuple(found["mean"]),
        "std": tuple(found["std"]),
        "crop": side,
        "resize": int(side / (found.get("crop_pct") or 0.875)),
        "interpolation": "bilinear" if interpolation == "random" else interpolation,
        "squash": found.get("crop_mode") == "squash",
    }
