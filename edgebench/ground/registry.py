"""Lazy registries: a name maps to "module:attribute", and nothing is imported until the name is asked for.

The formats and the runtimes are listed at the end of this file, a line each, and named nowhere else outside their own
folders.
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
