"""What a user can say of a network, or give of it, and the spec that it makes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self

from edgebench.ground.errors import UsageError, warn
from edgebench.ground.options import Flag, Options, many
from edgebench.run.preparing import Images, Outputs

if TYPE_CHECKING:
    from torch import nn

    from edgebench.ground.records import ModelSpec
    from edgebench.models.given import Given
    from edgebench.models.trained import Trained
    from edgebench.models.user import Inputs

Switches = Mapping[str, int | float | bool | str]


class InHand(Protocol):
    """A torch.nn.Module, or a torch.export.ExportedProgram."""

    @property
    def state_dict(self) -> Any:
        """Its values."""


class Written(Protocol):
    """What `export` returned."""

    @property
    def path(self) -> str:
        """The file."""


Model = str | Path | InHand | Written
Wanted = Model | Sequence[Model]


def named(model: Model) -> str | None:
    """The name of a network or the path of a file; None for a network in hand."""
    ready = isinstance(model, str | Path) or hasattr(model, "sha256")
    return str(getattr(model, "path", model)) if ready else None


class Network(Options, kw_only=True):
    """What a user can say of a network: its scaling point, where None keeps the family's own value, and its weights."""

    width: Annotated[float | None, "Width multiplier: scales channels."] = None
    depth: Annotated[float | None, "Depth multiplier: scales block repeats."] = None
    resolution: Annotated[int | None, "Input height and width in pixels."] = None
    phi: Annotated[float | None, "Compound coefficient: sets width, depth and resolution together."] = None
    input: Annotated[
        str | Sequence[int] | None,
        Flag(
            "Input of your own network, or of a file that leaves its size open, such as 3x224x224; further inputs of a "
            "network behind commas: 3x224x224,10.",
            python="One image for your own network, or for a file that leaves its size open: (3, 224, 224). Further "
            "inputs of a network in a string: '3x224x224,10'.",
        ),
    ] = None
    example_inputs: Annotated[
        Any, Flag(python="A batch (N, C, H, W) for your own network, in place of `input`; a tuple of all its inputs.")
    ] = None
    options: Annotated[
        Switches,
        Flag(
            "NAME=VALUE: a switch of a network (groups=2), or an argument of your factory. Repeatable.",
            "--option",
            python='Switches of a network, such as {"groups": 2}, or arguments of your factory.',
        ),
    ] = MappingProxyType({})
    weights: Annotated[
        str | Path | None,
        "Weights: a .pth (tensors only) or .safetensors file, or https://... with `sha256`; in another library's "
        "names as torchvision:FILE, timm:FILE, timm-tf:FILE or lukemelas:FILE.",
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

    def taken(
        self, models: Wanted, images: Images, outputs: Outputs | None = None
    ) -> "tuple[list[str | ModelSpec], Given]":
        """Names of networks and files, and specs of networks in hand; with what is given of them, and said of images.

        Raises UsageError for what is none of these, and for two modules that nothing tells apart.
        """
        from edgebench.models.given import Given

        found: list[str | ModelSpec] = []
        modules: dict[str, nn.Module] = {}
        given: tuple[Model, ...] = many(models)
        for model in given:
            if name := named(model):
                found.append(name)
                continue
            spec, module = self._of_module(model)
            if modules.get(spec.key, module) is not module:
                raise UsageError(f"two of the modules are a {spec.title} with the same layers: give one at a time")
            modules[spec.key] = module
            found.append(spec)
        return found, Given(self.file, modules, images.preparation, outputs.names if outputs else ())

    def _of_module(self, model: object) -> "tuple[ModelSpec, nn.Module]":
        from msgspec.structs import replace

        from edgebench.models import in_hand

        module = in_hand.opened(model)
        digest = in_hand.digest_of(module)
        known = in_hand.input_of(module, self.example_inputs)
        if self.options:
            raise UsageError("`options` are for a name: a module is made already")
        return replace(self.resolve(in_hand.name_of(module), known), digest=digest), module

    def resolve(self, name: str, known: "Inputs | None" = None) -> "ModelSpec":
        """Returns the spec of `name` at this scaling point; UsageError names what is wrong.

        `known` is its input where it tells that itself.
        """
        from msgspec.structs import replace

        from edgebench.models import trained
        from edgebench.models.user import parse_inputs
        from edgebench.models.zoo import resolve

        if self.file is not None and (found := trained.read(self.file)):
            return self.replace(weights=None, **_left_open(found, name, self)).resolve(name)
        size, beside = parse_inputs(self.input) if self.input else known or (None, ())
        if size is not None and not self.input:
            height, width = (self.resolution or side for side in (size.height, size.width))
            size = size._replace(height=height, width=width)
        spec = resolve(
            name,
            width=self.width,
            depth=self.depth,
            resolution=size.width if size else self.resolution,
            phi=self.phi,
            classes=self.classes,
            channels=size.channels if size else None,
            height=size.height if size else None,
            options=self.options,
        )
        if beside and spec.family != "user":
            raise UsageError(f"{spec.name} has one input, an image: say its size alone in `input`")
        return replace(spec, beside=beside)


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
