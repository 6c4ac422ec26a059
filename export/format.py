"""What the rest asks of a format: its entry, `FORMAT` in its folder; ground/registry.py has one line for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from edgebench.ground.errors import MissingPackage, UsageError, unknown
from edgebench.ground.records import Artifact, ExportSpec, Precision, QuantizationScheme
from edgebench.ground.registry import FORMATS, load_reference

if TYPE_CHECKING:
    from edgebench.places.emulator.by_operator import Prefix

Part = Literal["write", "foreign", "inspect", "graph", "shorten", "evaluate", "source", "tensors", "sized", "single"]
NETWORKS: Final = "torch"  # the package that networks are written with, whatever becomes of them


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format's entry: all that others must know of it. Making one imports nothing.

    `packages` write and check its files, beside torch, `int8_packages` those in int8 too, and `extra` is the extra of
    edgebench that installs them. `converters` are other ways to write it, by their packages, with the extra of each.
    `write` and the last eight are references, "module:function", empty for what it has not:

    write     (network, spec, path) -> Conversion: writes `path` and nothing else
    foreign   (path) -> Contents: what a file says that edgebench did not make
    inspect   (path) -> Inspected: its operators, and what each computes in
    graph     (path) -> Graph, without weights
    shorten   (path, folder) -> list of Prefix: files that end after each operator
    evaluate  (path) -> what runs it on any system, for a runtime that this system may not have
    source    (path, shape (C, H, W) or None) -> torch.nn.Module that computes what the file does
    tensors   (path) -> function of an input (1, C, H, W) that gives (name, values) of all that is computed, in order
    sized     (path, input, sizes) -> bytes: the file with the sizes that an input leaves open fixed, but for the batch
    single    (path) -> bytes: the file with a batch of one, for an engine that takes no other; else it is as it is
    """

    name: str
    suffix: str
    further: tuple[str, ...] = ()  # suffixes of files that are read, not written
    precisions: tuple[Precision, ...]
    write: str
    packages: tuple[str, ...] = ()
    is_folder: bool = False
    several: bool = False  # inputs: an image and others beside it
    int8_packages: tuple[str, ...] = ()
    schemes: tuple[QuantizationScheme, ...] = ("static",)  # of int8
    int8_io: bool = False  # whether int8 files may take and give that too
    extra: str | None = None
    converters: Mapping[str, str] = field(default_factory=dict)
    activations: Callable[[str], Literal["uint8", "int8"]] | None = None  # int8's fast signedness by cpu.isa, if chosen
    foreign: str = ""
    inspect: str = ""
    graph: str = ""
    shorten: str = ""
    evaluate: str = ""
    source: str = ""
    tensors: str = ""
    sized: str = ""
    single: str = ""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All that its files may end in."""
        return (self.suffix, *self.further)

    def able(self, precisions: Collection[str], scheme: str = "static") -> list[str]:
        """Those of some precisions that it can be written in, with int8 by a scheme."""
        known = set(self.precisions) if scheme in self.schemes else set(self.precisions) - {"int8"}
        return [each for each in precisions if each in known]

    def without(self, scheme: str) -> str:
        """The sentence that says that it has no int8 by a scheme; empty where it has."""
        known = " or ".join(f"`scheme='{each}'`" for each in self.schemes)
        return "" if scheme in self.schemes else f"{self.name} has no int8 by `scheme='{scheme}'`: ask for {known}"

    def load(self, part: Part) -> Any:
        """The function behind a reference. Raises MissingPackage for a package that it needs."""
        return load_reference(getattr(self, part), f"format {self.name}", self.extra)


@cache
def form(name: str) -> Format:
    """The entry of a format. Raises UsageError for an unknown one."""
    found: Format = FORMATS.load(name)
    return found


def every() -> list[Format]:
    """All entries, in the registry's order."""
    return [form(name) for name in FORMATS]


def by_suffix(path: Path) -> Format | None:
    """The format that a file's name says, None where it says none."""
    return next((each for each in every() if path.suffix in each.suffixes), None)


def prefixes(artifact: Artifact, folder: Path) -> list[Prefix]:
    """Writes files that end after each operator of a file into `folder`, the shortest first; the last is the whole.

    Raises UsageError for a format whose files cannot be parted.
    """
    found = form(artifact.export.format)
    if not found.shorten:
        parted = ", ".join(each.name for each in every() if each.shorten)
        raise UsageError(f"{found.name} files are not counted by operator: {parted} are")
    parts: list[Prefix] = found.load("shorten")(Path(artifact.path), folder)
    return parts


def check(spec: ExportSpec) -> None:
    """Raises UsageError for a combination that no exporter writes, MissingPackage for a package that it needs."""
    found = form(spec.format)
    converters = ("default", *found.converters)
    if spec.precision not in found.precisions:
        raise unknown(f"precision for {spec.format}", spec.precision, found.precisions)
    if spec.converter not in converters:
        raise unknown(f"converter for {spec.format}", spec.converter, converters)
    if spec.precision == "int8" and spec.converter != "default":
        raise UsageError(f"converter {spec.converter} writes no int8; leave the converter out")
    if spec.quantization is not None and spec.precision != "int8":
        raise UsageError(f"calibration is for int8, and the precision is {spec.precision}: ask for int8")
    _check_scheme(found, spec)
    if absent := missing(spec):
        raise absent


def missing(spec: ExportSpec) -> MissingPackage | None:
    """What a package that the spec's file needs, and that is not installed, is to be reported as."""
    found = form(spec.format)
    for package in packages(spec):
        if installed_version(package) is None:
            return MissingPackage(
                package, found.converters.get(package, found.extra or "all"), f"export to {spec.format}"
            )
    return None


def _check_scheme(found: Format, spec: ExportSpec) -> None:
    wanted = spec.quantization
    if wanted is None:
        return
    if lacking := found.without(wanted.scheme):
        raise UsageError(lacking)
    if not (wanted.float_io or found.int8_io):
        able = ", ".join(each.name for each in every() if each.int8_io)
        raise UsageError(f"{found.name} files take and give float32 (`float_io=False` is for {able}): leave it out")


def packages(spec: ExportSpec) -> tuple[str, ...]:
    """Returns the packages that write and check the spec's file."""
    found = form(spec.format)
    converter = () if spec.converter == "default" else (spec.converter,)
    return (NETWORKS, *found.packages, *converter, *(found.int8_packages if spec.precision == "int8" else ()))


@cache
def installed_version(package: str) -> str | None:
    """Returns a package's version from the installed metadata, without importing it; None where it is absent."""
    from importlib.metadata import PackageNotFoundError, version  # the slowest import of `edgebench devices`

    try:
        return version(package)
    except PackageNotFoundError:
        return None
