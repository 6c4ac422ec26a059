"""The zoo: which names exist, and how a name and a scaling point become a ModelSpec. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.ground.registry import NETWORKS as NETWORKS
from edgebench.models import plan as plans
from edgebench.models.family import Family, Member, Option
from edgebench.models.scaling import compound
from edgebench.models.user import is_user_network, resolve_user

FOCUS = ("mobilenetv1", "mobilenetv2", "efficientnet_lite0", "efficientnet_b0")
"""The networks that `edgebench profile` takes when none is named."""

SCALE_LIMIT = 16.0
RESOLUTION_LIMIT = 4096
CLASSES_LIMIT = 1_000_000
CHANNELS_LIMIT = 1024


def family_of(spec: ModelSpec) -> Family:
    """Returns the family of a zoo network. Raises UsageError for a user's network, which has none."""
    if is_user_network(spec.name):
        raise UsageError(f"'{spec.name}' is not in the zoo: only its torch module can answer this")
    return _load(spec.name)[1]


def resolve(
    name: str,
    *,
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    classes: int | None = None,
    channels: int | None = None,
    height: int | None = None,
    options: Mapping[str, Option] | None = None,
) -> ModelSpec:
    """Returns the spec of a zoo network, or of a user's (`package.module:factory`, `file.py:factory`).

    What is None is as published. `width` and `depth` multiply the channels and block repeats of the family's base
    (they replace a member's own, they do not multiply them); `phi` sets width, depth and resolution together by the
    compound rule (scaling.compound) from the family's base. A user's network needs `resolution` and `channels`
    (`height` where it is not square), and its `options` are the factory's keyword arguments.
    Raises UsageError with the choices for an unknown name or option, and for values out of range.
    """
    if is_user_network(name):
        scale = {"width": width, "depth": depth, "phi": phi}
        return resolve_user(name, resolution, height, channels, classes, dict(options or {}), scale)
    name, kin = _load(name)
    member = kin.members[name]
    if phi is not None:
        width, depth, resolution = _compound(name, kin, member, phi, (width, depth, resolution))
    spec = ModelSpec(
        name=name,
        family=kin.name,
        width=_ranged("width", width, member.width, SCALE_LIMIT),
        depth=_ranged("depth", depth, member.depth, SCALE_LIMIT),
        resolution=_whole("resolution", resolution, member.resolution, member.minimum, RESOLUTION_LIMIT),
        classes=_whole("classes", classes, member.classes, 1, CLASSES_LIMIT),
        channels=_whole("channels", channels, member.channels, 1, CHANNELS_LIMIT),
        options=_options(name, member, options or {}),
    )
    if spec.depth != 1.0 and not kin.has_depth:
        raise UsageError(f"{name} has no depth to scale (no stages of repeated blocks): leave depth out")
    if height not in (None, spec.resolution):
        raise UsageError(f"{name} takes square images: height {height} is not the resolution {spec.resolution}")
    return spec


def plan_of(spec: ModelSpec) -> plans.Sequence:
    """Returns a zoo network as data. Raises UsageError for a user's network."""
    return family_of(spec).plan(spec)


def parameters(spec: ModelSpec) -> int:
    """Returns the number of trainable parameters of a zoo network, without torch."""
    return plans.parameters(plan_of(spec), spec.input_shape[1:])


def preprocessing(spec: ModelSpec) -> Preprocessing | None:
    """Returns how images are prepared, as published for the family; None for a user's network."""
    return None if is_user_network(spec.name) else family_of(spec).preprocessing(spec)


def _load(name: str) -> tuple[str, Family]:
    name = NETWORKS.resolve(name)
    found = NETWORKS.load(name)
    if not isinstance(found, Family):
        raise TypeError(f"{NETWORKS[name]} is not a Family")
    return name, found


def _compound(
    name: str, kin: Family, member: Member, phi: float, others: tuple[object, ...]
) -> tuple[float, float, int]:
    if not kin.has_depth:
        raise UsageError(f"{name} cannot be scaled by phi: it has no depth to scale; use width and resolution")
    if any(value is not None for value in others):
        raise UsageError("phi sets width, depth and resolution: give phi or those, not both")
    if (member.width, member.depth) != (1.0, 1.0):
        raise UsageError(f"phi scales a family's base and {name} is already scaled: use {kin.name} with phi")
    return compound(phi, member.resolution)


def _ranged(what: str, value: float | None, default: float, limit: float) -> float:
    if value is None:
        return default
    if not (math.isfinite(value) and 0 < value <= limit):
        raise UsageError(f"{what} {value:g} is out of range: use a number above 0, at most {limit:g}")
    return float(value)


def _whole(what: str, value: int | None, default: int, minimum: int, limit: int) -> int:
    if value is None:
        value = default
    if not minimum <= value <= limit or value != int(value):
        raise UsageError(f"{what} {value:g} is out of range: use a whole number from {minimum} to {limit}")
    return int(value)


def _options(name: str, member: Member, given: Mapping[str, Option]) -> dict[str, Option]:
    """Checks options against the member's choices and drops those at their default, so that equal specs are equal."""
    kept = {}
    for option, value in given.items():
        if not member.options:
            raise UsageError(f"{name} has no options: leave out '{option}'")
        if option not in member.options:
            raise unknown(f"option of {name}", option, member.options)
        choices = member.options[option]
        if not any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices):
            shown = " or ".join(str(choice) for choice in choices)
            raise UsageError(f"option {option} of {name} cannot be {value!r}: use {shown}")
        if value != choices[0]:
            kept[option] = value
    return kept
