"""Lazy registries: a name maps to "module:attribute", and nothing is imported until the name is asked for.

The networks, the formats and the runtimes are listed at the end of this file, a line each; formats and runtimes are
named nowhere else outside their own folders.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from edgebench.ground.errors import MissingPackage, UsageError, unknown


class Registry(Mapping[str, str]):
    """A fixed table of names. Listing imports nothing; `load` imports one entry.

    Raises UsageError for an unknown name (nearest names offered) and MissingPackage when an optional package that the
    entry needs is absent.
    """

    def __init__(self, kind: str, entries: dict[str, str], extras: dict[str, str] | None = None) -> None:
        self.kind = kind
        self._entries = entries
        self._extras = extras or {}

    def __getitem__(self, name: str) -> str:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def resolve(self, name: str) -> str:
        """Returns the registry's own spelling of `name`: case, dashes and underscores do not matter."""
        if name in self._entries:
            return name
        folded = {_fold(known): known for known in self._entries}
        known = folded.get(_fold(name))
        if known is None:
            raise unknown(self.kind, name, self._entries)
        return known

    def load(self, name: str) -> Any:
        """Imports and returns the object behind `name`."""
        name = self.resolve(name)
        return load_reference(self._entries[name], f"{self.kind} {name}", self._extras.get(name))


def load_reference(reference: str, wanted: str, extra: str | None = None) -> Any:
    """Imports and returns what "module:attribute" refers to; `wanted` says what for.

    Raises MissingPackage, or UsageError without an `extra`, when a package that the module needs is absent.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "edgebench":
            raise
        if extra is None:
            raise UsageError(f"{wanted} needs the package {package}: pip install {package}") from error
        raise MissingPackage(package, extra, wanted) from error


def _fold(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


# The first is what is meant where no format is named.
FORMATS = Registry(
    "format",
    {
        "tflite": "edgebench.formats.tflite:FORMAT",
        "onnx": "edgebench.formats.onnx:FORMAT",
        "coreml": "edgebench.formats.coreml:FORMAT",
        "torch": "edgebench.formats.torch:FORMAT",
        "ncnn": "edgebench.formats.ncnn:FORMAT",
        "openvino": "edgebench.formats.openvino:FORMAT",
        "mnn": "edgebench.formats.mnn:FORMAT",
        "executorch": "edgebench.formats.executorch:FORMAT",
    },
)
DEFAULT_FORMAT = next(iter(FORMATS))

# Where several run a format, the first does unless another is asked for. A bundle's version depends on the order.
RUNTIMES = Registry(
    "runtime",
    {
        "onnxruntime": "edgebench.runtimes.onnxruntime:RUNTIME",
        "litert": "edgebench.runtimes.litert:RUNTIME",
        "torch": "edgebench.runtimes.torch:RUNTIME",
        "coreml": "edgebench.runtimes.coreml:RUNTIME",
        "ncnn": "edgebench.runtimes.ncnn:RUNTIME",
        "openvino": "edgebench.runtimes.openvino:RUNTIME",
        "mnn": "edgebench.runtimes.mnn:RUNTIME",
        "executorch": "edgebench.runtimes.executorch:RUNTIME",
        "fake": "edgebench.runtimes.fake:RUNTIME",
    },
)

_FAMILIES: dict[str, tuple[str, ...]] = {
    "lenet:FAMILY": ("lenet5",),
    "alexnet:FAMILY": ("alexnet", "alexnet_owt"),
    "vgg:FAMILY": ("vgg16", "vgg19", "vgg16_bn", "vgg19_bn"),
    "resnet:FAMILY": (
        *(f"resnet{layers}" for layers in (18, 34, 50, 101, 152, 20, 56)),
        *(f"plain{layers}" for layers in (18, 34, 20, 56)),
    ),
    "nin:FAMILY": ("nin",),
    "googlenet:FAMILY": ("googlenet",),
    "mobilenetv1:FAMILY": ("mobilenetv1",),
    "mobilenetv2:FAMILY": ("mobilenetv2",),
    "mobilenetv3:FAMILY": ("mobilenetv3_small", "mobilenetv3_large"),
    "mobilenetv4:FAMILY": tuple(f"mobilenetv4_conv_{size}" for size in ("small", "medium", "large")),
    "mnasnet:FAMILY": ("mnasnet_b1", "mnasnet_a1"),
    "shufflenetv2:FAMILY": ("shufflenetv2",),
    "squeezenet:FAMILY": ("squeezenet1_0", "squeezenet1_1"),
    "efficientnet:FAMILY": ("efficientnet", *(f"efficientnet_b{size}" for size in range(8))),
    "efficientnet:LITE": ("efficientnet_lite", *(f"efficientnet_lite{size}" for size in range(5))),
    "efficientnetv2:FAMILY": ("efficientnetv2", *(f"efficientnetv2_{size}" for size in ("b0", "b1", "b2", "b3", "s"))),
}
UNLISTED = ("efficientnet", "efficientnet_lite", "efficientnetv2")
"""Accepted wherever a network is named, to be scaled by phi. Unscaled they are the smallest: lists leave them out."""

NETWORKS = Registry(
    "model", {name: f"edgebench.models.{where}" for where, names in _FAMILIES.items() for name in names}
)


def networks() -> list[str]:
    """The names of the zoo's networks, family by family."""
    return [name for name in NETWORKS if name not in UNLISTED]
