"""What a family file states: its members' published scaling points, and the function from a point to a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.models.plan import Sequence

Option = int | float | bool | str

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channel means and standard deviations of ImageNet's training images in 0..1, as torchvision's weights expect."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A named network: the scaling point it was published at, and how its images are prepared.

    `minimum` is the smallest resolution that leaves every layer at least one pixel and uses every stride: the larger
    of the total stride and what the unpadded windows need. `options` maps a switch to its values, the default first.
    `resize` is the length of the shorter side before the centre crop to `resolution`.
    """

    resolution: int = 224
    width: float = 1.0
    depth: float = 1.0
    classes: int = 1000
    channels: int = 3
    minimum: int = 32
    options: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture family. `plan` turns any valid spec into a network as data.

    `has_depth`: whether stages repeat blocks, so that `depth` and the compound phi mean something.
    `training_only`: prefixes of state-dict keys that published files hold and that evaluation never reads.
    """

    name: str
    members: Mapping[str, Member]
    plan: Callable[[ModelSpec], Sequence]
    has_depth: bool = False
    training_only: tuple[str, ...] = ()

    def preprocessing(self, spec: ModelSpec) -> Preprocessing:
        """Returns the member's published preparation of images, carried over to the spec's resolution and channels.

        The share of the image that the crop keeps stays what it was published with. Where the channels are not the
        published ones, each gets the average mean and standard deviation.
        """
        member = self.members[spec.name]
        mean, std = member.mean, member.std
        if spec.channels != len(mean):
            mean, std = ((round(sum(values) / len(values), 6),) * spec.channels for values in (mean, std))
        return Preprocessing(
            resize=round(spec.resolution * member.resize / member.resolution),
            crop=spec.resolution,
            interpolation=member.interpolation,
            mean=mean,
            std=std,
        )
