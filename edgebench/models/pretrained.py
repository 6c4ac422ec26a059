"""What timm writes beside a network's values: its architecture, its input, and how its images are prepared.

Fields as in timm 1.0 (timm/models/_pretrained.py, timm/data/config.py): a module has them as `pretrained_cfg`, older
ones as `default_cfg`, a config.json below "pretrained_cfg".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("pretrained_cfg", "default_cfg")


def configuration(module: object) -> Mapping[str, Any]:
    """What a module of timm says of itself; nothing of any other."""
    for name in _NAMES:
        found = getattr(module, name, None)
        if isinstance(found, Mapping):
            return found
        if hasattr(found, "architecture"):  # an object with these fields
            return vars(found)
    return {}
