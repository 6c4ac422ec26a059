"""What a training run is asked for; every value is stored in the run's checkpoint and in its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Count, Positive, Record

KINDS: Final[Mapping[str, str]] = {
    "mirror": "left and right swapped for every other image",
    "rotate": "turned by up to 15 degrees",
    "shear": "sheared by up to 10 degrees along either axis",
    "warp": "bent locally by a thin-plate spline through nine moved points",
    "crop": "a part of 40% to 100% of the area, 3:4 to 4:3, resized to the input (Szegedy et al., 2014)",
    "jitter": "brightness, contrast and saturation by up to 30%, hue by up to 5%",
    "pca": "shifted along the principal colours of the data (Krizhevsky et al., 2012, section 4.1)",
}
"""In the order in which they are applied: what moves pixels, then the crop to the input's size, then colour."""


def chosen(text: str) -> tuple[str, ...]:
    """Returns the kinds that "mirror,crop", "all" or "none" names, in the order of KINDS. Raises UsageError."""
    names = [name.strip().lower() for name in text.split(",")]
    if names in (["none"], [""]):
        return ()
    for name in names:
        if name not in KINDS and names != ["all"]:
            raise unknown("augmentation", name, [*KINDS, "all", "none"])
    return tuple(kind for kind in KINDS if kind in names or names == ["all"])


Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]
Initialization = Literal["", "he", "xavier"]
Normalization = Literal["auto", "data", "published"]
Kind = Literal["mirror", "rotate", "shear", "warp", "crop", "jitter", "pca"]
Share = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e9)]

LEARNING_RATES: Mapping[Optimizer, float] = {"adamw": 2e-3, "sgd": 0.05}
WEIGHT_DECAYS: Mapping[Optimizer, float] = {"adamw": 0.05, "sgd": 1e-4}
"""For batches of 64, AdamW's after Loshchilov and Hutter (2019), SGD's after He et al. (2015)."""

OPTIMIZERS, SCHEDULES = get_args(Optimizer), get_args(Schedule)
INITIALIZATIONS, NORMALIZATIONS = get_args(Initialization), get_args(Normalization)
_CHOICES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "init": INITIALIZATIONS, "normalize": NORMALIZATIONS}
ALL_BUT_HEAD = "all-but-head"
SEEDS = 2**63  # torch takes no larger ones


class Settings(Record, frozen=True, kw_only=True):
    """How to train. `lr` and `weight_decay` of None are the optimiser's usual ones.

    `warmup` is in epochs. `ema` is the decay of the averaged weights, 0 for none; `clip` the largest gradient norm, 0
    for any. `freeze` names a module up to which nothing is trained, or "all-but-head". `normalize` says where mean and
    standard deviation come from: the training images, the weights (or the paper), or auto: from the weights where
    there are any. `side_weight` is that of each side branch's loss (Szegedy et al., 2014, section 5: 0.3). `threads`
    of 0 are torch's own choice; sums, and so the last bits of a result, depend on it.
    """

    epochs: Count = 30
    batch: Count = 64
    lr: Positive | None = None
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    warmup: NotNegative = 1.0
    weight_decay: NotNegative | None = None
    label_smoothing: Share = 0.1
    ema: Share = 0.99
    clip: NotNegative = 5.0
    init: Initialization = ""
    freeze: str = ""
    augment: tuple[Kind, ...] = ("mirror", "crop")
    normalize: Normalization = "auto"
    validate: Count = 2000
    quantization_aware: bool = False
    side_weight: NotNegative = 0.3
    mixed_precision: bool = True
    seed: int = 0
    threads: Annotated[int, Meta(ge=0)] = 0

    @property
    def learning_rate(self) -> float:
        """The highest learning rate of the run."""
        return LEARNING_RATES[self.optimizer] if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay; biases and batch norms have none."""
        return WEIGHT_DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay


def settings(given: Mapping[str, object]) -> Settings:
    """Returns the settings with these values. Raises UsageError for an unknown name or a value out of range."""
    for name in given:
        if name not in Settings.__struct_fields__:
            raise unknown("setting of a training", name, Settings.__struct_fields__)
    for name, choices in _CHOICES.items():
        if given.get(name, "") not in ("", *choices):
            raise unknown(f"value of `{name}`", str(given[name]), filter(None, choices))
    if isinstance(seed := given.get("seed"), int):
        checked_seed(seed)
    values = {
        name: chosen(value) if name == "augment" and isinstance(value, str) else value for name, value in given.items()
    }
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        # msgspec's "Expected `float` < 1 - at `$.ema`" as "`ema`: expected float < 1".
        said, _, where = str(error).partition(" - at `$.")
        option = where.rstrip("`").partition("[")[0]
        sentence = f"`{option}`: {said[:1].lower()}{said[1:].replace('`', '')}"
        raise UsageError(f"training cannot be set up so: {sentence}") from error


def checked_seed(seed: int) -> int:
    """Returns the seed. Raises UsageError for one that torch or numpy cannot take."""
    if not 0 <= seed < SEEDS:
        raise UsageError(f"`seed` is {seed}; it must be 0 or more and below 2**63")
    return seed


def differences(now: Settings, before: Settings) -> list[str]:
    """Returns one text a setting in which two runs differ: "lr 0.1 (was 0.2)"."""
    return [
        f"{name} {_shown(getattr(now, name))} (was {_shown(getattr(before, name))})"
        for name in Settings.__struct_fields__
        if getattr(now, name) != getattr(before, name)
    ]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    return "the default" if value is None else str(value) or "none"
