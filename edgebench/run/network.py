"""What a user can say of a network, and the spec that it makes."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Self

from edgebench.ground.errors import UsageError, warn
from edgebench.ground.options import Flag, Options

if TYPE_CHECKING:
    from edgebench.ground.records import ModelSpec
    from edgebench.models.trained import Trained

Switches = Mapping[str, int | float | bool | str]


class Network(Options, kw_only=True):
    """What a user can say of a network: its scaling point, where None keeps the family's own value, and its weights."""

    width: Annotated[float | None, "Width multiplier: scales channels."] = None
    depth: Annotated[float | None, "Depth multiplier: scales block repeats."] = None
    resolution: Annotated[int | None, "Input height and width in pixels."] = None
    phi: Annotated[float | None, "Compound coefficient: sets width, depth and resolution together."] = None
    input: Annotated[str | None, "Input of your own network, such as 3x224x224."] = None
    options: Annotated[
        Switches,
        Flag("NAME=VALUE: a switch of a network (groups=2), or an argument of your factory. Repeatable.", "--option"),
    ] = MappingProxyType({})
    weights: Annotated[
        str | Path | None,
        "Weights: a .pth (tensors only) or .safetensors file, or https://... with `sha256`; in another library's "
        "names as torchvision:FILE, timm:FILE or timm-tf:FILE.",
    ] = None
    sha256: Annotated[str | None, "SHA-256 that the weights must have."] = None


class ModelArguments(Network, kw_only=True):
    """A network, and how many classes it tells apart.

    Of a network whose `weights` edgebench has trained, None keeps what it was trained as.
    """

    classes: Annotated[int | None, "Number of output classes."] = None

    @classmethod
    def of(cls, asked: Network) -> Self:
        """What the options of a command say of the network, with the weights fetched: see models.layouts.reference.

        Raises UsageError as that does; what a user should know of the weights is warned of.
        """
        from edgebench.models.layouts.reference import obtain

        weights = None if asked.weights is None else str(asked.weights)
        return cls(**{**asked.values(of=cls), "weights": obtain(weights, asked.sha256, tell=warn), "sha256": None})

    @property
    def file(self) -> Path | None:
        """The file of the weights."""
        return None if self.weights is None else Path(self.weights)

    def resolve(self, name: str) -> "ModelSpec":
        """Returns the spec of `name` at this scaling point; UsageError names what is wrong."""
        from edgebench.models import trained
        from edgebench.models.user import parse_input
        from edgebench.models.zoo import resolve

        if self.file is not None and (found := trained.read(self.file)):
            return self.replace(weights=None, **_left_open(found, name, self)).resolve(name)
        size = parse_input(self.input) if self.input else None
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


def _left_open(found: "Trained", name: str, given: ModelArguments) -> dict[str, Any]:
    """Returns the arguments that the user left open, as the network `name` was trained with.

    Raises UsageError where another network was trained.
    """
    from edgebench.models.user import is_user_network
    from edgebench.models.zoo import NETWORKS

    spec = found.model
    if name != spec.name and (is_user_network(name) or NETWORKS.resolve(name) != spec.name):
        raise UsageError(f"the weights {given.weights} are those of {spec.key}, not of {name}: name that network")
    known: dict[str, Any] = {"options": {**spec.options, **given.options}}
    if given.phi is None and given.input is None:
        height, width = (given.resolution or side for side in (spec.height or spec.resolution, spec.resolution))
        known["input"] = f"{spec.channels}x{height}x{width}"
    if is_user_network(name):
        return known
    points = () if given.phi is not None else ("width", "depth")
    return known | {
        point: getattr(spec, point) if getattr(given, point) is None else getattr(given, point)
        for point in (*points, "classes")
    }
