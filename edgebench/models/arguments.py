"""What a user can say of a network, and the spec that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec
from edgebench.models import trained
from edgebench.models.trained import Trained
from edgebench.models.user import is_user_network, parse_input
from edgebench.models.zoo import NETWORKS, resolve


@dataclass(frozen=True)
class ModelArguments:
    """What a user can say of a network: its scaling point, where None keeps the family's own value, and its options.

    Of a network whose `weights` edgebench has trained, None keeps what it was trained as.
    """

    width: float | None = None
    depth: float | None = None
    resolution: int | None = None
    phi: float | None = None
    classes: int | None = None
    input_text: str | None = None
    options: Mapping[str, int | float | bool | str] = field(default_factory=dict)
    weights: Path | None = None

    def resolve(self, name: str) -> ModelSpec:
        """Returns the spec of `name` at this scaling point; UsageError names what is wrong."""
        if self.weights is not None and (found := trained.read(self.weights)):
            return replace(self, weights=None, **_left_open(found, name, self)).resolve(name)
        size = parse_input(self.input_text) if self.input_text else None
        resolution = size[2] if size else self.resolution
        return resolve(
            name,
            width=self.width,
            depth=self.depth,
            resolution=resolution,
            phi=self.phi,
            classes=self.classes,
            channels=size[0] if size else None,
            height=size[1] if size else None,
            options=self.options,
        )


def _left_open(found: Trained, name: str, given: ModelArguments) -> dict[str, Any]:
    """Returns the arguments that the user left open, as the network `name` was trained with.

    Raises UsageError where another network was trained.
    """
    spec = found.model
    if name != spec.name and (is_user_network(name) or NETWORKS.resolve(name) != spec.name):
        raise UsageError(f"the weights {given.weights} are those of {spec.key}, not of {name}: name that network")
    values: dict[str, Any] = {"options": {**spec.options, **given.options}}
    if given.phi is None and given.input_text is None:
        height, width = (given.resolution or side for side in (spec.height or spec.resolution, spec.resolution))
        values["input_text"] = f"{spec.channels}x{height}x{width}"
    if is_user_network(name):
        return values
    points = () if given.phi is not None else ("width", "depth")
    return values | {
        point: getattr(spec, point) if getattr(given, point) is None else getattr(given, point)
        for point in (*points, "classes")
    }
