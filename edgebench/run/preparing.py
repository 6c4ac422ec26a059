"""What a user can say of images and classes: how images are prepared, and what the outputs are called."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgebench.ground.errors import UsageError
from edgebench.ground.options import Flag, Options, Several

if TYPE_CHECKING:
    from edgebench.models.preparation import Preparation

Numbers = float | str | Sequence[float]


class Images(Options, kw_only=True):
    """How images are prepared; None keeps what the network or its weights say."""

    preprocess: Annotated[
        str | Path | None,
        "How images are prepared: imagenet, none (values from 0 to 1), timm (as the module says), "
        "torchvision:WEIGHTS, or a .json file, which may be a manifest.",
    ] = None
    mean: Annotated[Numbers | None, Several("Mean of each channel, of values from 0 to 1.")] = None
    std: Annotated[Numbers | None, Several("Deviation of each channel, of values from 0 to 1.")] = None
    resize: Annotated[
        int | str | Sequence[int] | None, "Shorter side before the crop, in pixels; of both sides as 224x224."
    ] = None
    crop: Annotated[int | None, "Side of the centre crop, in pixels."] = None
    interpolation: Annotated[str | None, "nearest, box, bilinear, hamming, bicubic or lanczos."] = None
    channels: Annotated[str | None, "Order of the channels: rgb or bgr, `mean` and `std` in that order."] = None
    exif: Annotated[bool, "Turn images as their EXIF orientation says."] = False

    @property
    def preparation(self) -> "Preparation":
        """What was said of images. Raises UsageError for text that is no number."""
        from edgebench.models.preparation import Preparation

        fields = {
            name: value for name in ("crop", "interpolation", "channels") if (value := getattr(self, name)) is not None
        }
        for name in ("mean", "std"):
            if (value := getattr(self, name)) is not None:
                fields[name] = _numbers(value, name)
        if self.resize is not None:
            fields |= _resize(self.resize)
        if self.exif:
            fields["exif"] = True
        return Preparation("" if self.preprocess is None else str(self.preprocess), fields)


class Outputs(Options, kw_only=True):
    """What the outputs are called."""

    labels: Annotated[
        str | Path | Sequence[str] | None,
        Flag(
            "Names of the outputs: a text file with one a line, a .json file, or a folder of classes.",
            python="Names of the outputs: a list, a text file with one a line, a .json file, or a folder of classes.",
        ),
    ] = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs, none where they were not given. Raises UsageError as classes.read does."""
        if self.labels is None:
            return ()
        from edgebench.data import classes

        return classes.read(self.labels)


def _numbers(value: Numbers, name: str) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, float | int) else value
    try:
        return tuple(float(part) for part in parts)
    except ValueError as error:
        raise UsageError(f"`{name}` is '{value}'; it must be numbers such as 0.485,0.456,0.406") from error


def _resize(value: int | str | Sequence[int]) -> dict[str, object]:
    """One side is the shorter one, which keeps an image's shape; two are both, which need not."""
    text = str(value) if isinstance(value, int | str) else "x".join(map(str, value))
    height, _, width = text.lower().partition("x")
    if not all(side.isascii() and side.isdecimal() for side in (height, width or height)):
        raise UsageError(f"`resize` is '{text}'; it must be pixels such as 256, or 224x224")
    return {"resize": int(width or height), "squash": bool(width)}
