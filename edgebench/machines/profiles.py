"""Device profiles: one TOML a device, read strictly, with the source of every figure.

Quantities are written with their unit ("1.8GHz", "4GiB", "2.5GB/s") and held in base units. What latencies are
estimated with comes from the model (estimate/calibrations.py), unless the user has made calibrations of their own.
devices/README.md shows the whole form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edgebench.ground import toml, units
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Precision
from edgebench.machines import device_files, facts

MOST: Final = 10**15  # of anything that a device has
NonNegative = Annotated[float, Meta(ge=0, le=MOST)]
Positive = Annotated[float, Meta(gt=0, le=MOST)]
Spread = Annotated[float, Meta(ge=0, le=5)]  # in ln: 150 times more or less says nothing
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=MOST)]
PROCESSORS: Final = ("cpu", "gpu", "npu")
ALL: Final = "all"  # of the devices
HERE: Final = {"host": "local", "browser": "browser"}  # places on this machine, by their names: how they are reached


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a profile's parts; an unknown key is an error."""


Part = TypeVar("Part", bound=_Part)


class Caches(_Part, frozen=True, kw_only=True, rename={"l1d_bytes": "l1d", "l2_bytes": "l2", "l3_bytes": "l3"}):
    """Data caches in bytes, as one core sees them: a cache that several cores share counts whole."""

    l1d_bytes: Count | None = None
    l2_bytes: Count | None = None
    l3_bytes: Count | None = None

    @property
    def last_level_bytes(self) -> int | None:
        """The largest cache that is known."""
        return max(filter(None, (self.l1d_bytes, self.l2_bytes, self.l3_bytes)), default=None)


class Facts(_Part, frozen=True, kw_only=True, rename={"clock_hz": "clock", "bandwidth_bytes_per_s": "bandwidth"}):
    """What an estimate needs to know of a core: its clock, its memory copy rate, and its caches."""

    clock_hz: Positive | None = None
    bandwidth_bytes_per_s: Positive | None = None
    caches: Caches = Caches()


class Cpu(_Part, frozen=True, kw_only=True, rename={"clock_hz": "clock", "bandwidth_bytes_per_s": "bandwidth"}):
    """The cores that inference runs on (the big ones), their highest clock, and the memory copy rate seen on them."""

    soc: str
    core: str
    cores: Count
    clock_hz: Positive | None = None
    isa: str
    caches: Caches = Caches()
    bandwidth_bytes_per_s: Positive | None = None


class Processor(_Part, frozen=True, kw_only=True):
    """A processor beside the CPU. `unit` says of which kind it is to those who estimate it: hexagon, ane."""

    kind: Literal["gpu", "npu"]
    unit: str = ""
    title: str


class Source(_Part, frozen=True, kw_only=True):
    """Where one figure of the profile was read. `field` is its dotted key."""

    field: str
    source: str
    note: str = ""


class LeftOut(_Part, frozen=True, kw_only=True):
    """How far estimates are off on figures that the fit did not see, in the case that a calibration is.

    `median` and `p90` (the 90th percentile) are of |estimate / published - 1|; `coverage` is the share of published
    figures inside the 90% interval.
    """

    median: NonNegative
    p90: NonNegative
    coverage: Share


class Known(_Part, frozen=True, kw_only=True):
    """The same of networks whose latency on other devices was published, with the half-width of their interval."""

    error: LeftOut
    spread: Spread


class Calibration(_Part, frozen=True, kw_only=True):
    """The constants of one runtime, precision and thread count, with what they come from and their error.

    `spread` is the half-width of the 90% interval of ln(published / estimate). `macs` is the range of the networks that
    the model is fitted on, `seen` the largest share of the time that each term takes in one of them. `rows` and
    `networks` count the device's own figures, `basis` says what they are. `error` and `spread` are those of networks
    that nobody published; `known`, where there is any, of the others.
    """

    runtime: str
    precision: Precision
    threads: Count
    constants: dict[str, NonNegative]
    spread: Spread
    macs: tuple[Positive, Positive]
    rows: Annotated[int, Meta(ge=0, le=MOST)]
    networks: Annotated[int, Meta(ge=0, le=MOST)]
    seen: dict[str, Share]
    error: LeftOut
    known: Known | None = None
    sources: tuple[str, ...]
    basis: str
    note: str = ""

    @property
    def cell(self) -> tuple[str, Precision, int]:
        """(runtime, precision, threads): what it is for."""
        return (self.runtime, self.precision, self.threads)


class Reach(_Part, frozen=True, kw_only=True):
    """How a measurement gets to a device: over SSH to an `address` such as "pi@raspberrypi.local", or through adb to a
    phone's serial number. `python` is one on the device, with the runtimes; without it the bundle is sent there."""

    via: Literal["ssh", "adb", "local"] | None = None
    address: str | None = None
    python: str | None = None


class DeviceProfile(_Part, frozen=True, kw_only=True, rename={"memory_bytes": "memory"}):
    """A device: what it is, where that is known from, and what its latencies are estimated with.

    `reach` says how a measurement gets there: "local" is this machine, "browser" a page in its Chromium; None has no
    way yet, so only estimates unless one is told.
    """

    name: str
    title: str
    cpu: Cpu
    processors: tuple[Processor, ...] = ()
    memory_bytes: Count | None = None
    reach: Literal["local", "browser"] | Reach | None = None
    sources: tuple[Source, ...] = ()
    calibrations: tuple[Calibration, ...] = ()

    @property
    def npu(self) -> bool:
        """Whether it has one."""
        return any(each.kind == "npu" for each in self.processors)

    def calibration(self, runtime: str, precision: str, threads: int) -> Calibration | None:
        """The user's own for exactly this runtime, precision and thread count, or None."""
        return next((each for each in self.calibrations if each.cell == (runtime, precision, threads)), None)


_QUANTITIES: Final[dict[str, Callable[[str], float]]] = {
    "clock": units.hertz,
    "memory": units.size_bytes,
    "bandwidth": units.bytes_per_second,
    "l1d": units.size_bytes,
    "l2": units.size_bytes,
    "l3": units.size_bytes,
}


names = device_files.names


def several(wanted: str) -> list[DeviceProfile]:
    """The profiles of names with commas between them, each once; "all" are other machines. Raises UsageError."""
    known = names()
    given = [name for name in known if name not in HERE] if wanted == ALL else wanted.split(",")
    return [_load(name.strip(), known) for name in dict.fromkeys(given)]


def search(core: str = "", *, npu: bool = False) -> list[DeviceProfile]:
    """The devices whose core's name has `core` in it, and those with an NPU. Raises UsageError where none is found."""
    known = names()
    every = [_load(name, known) for name in known]
    found = [each for each in every if core.lower() in each.cpu.core.lower() and (not npu or each.npu)]
    if not found:
        cores = ", ".join(sorted({each.cpu.core for each in every if each.npu or not npu}))
        raise UsageError(f"no device has a core '{core}'{' and an NPU' if npu else ''}: there are {cores}")
    return found


def load(name: str) -> DeviceProfile:
    """Reads a profile by name, the user's own first, or any profile by the path of its .toml file.

    Raises UsageError for an unknown name (nearest names offered) and for a file that is not a valid profile, naming
    the file, the key and what belongs there.
    """
    return _load(name, names())


def _load(name: str, known: Collection[str]) -> DeviceProfile:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"no device file '{name}': give an existing .toml, or one of {', '.join(known)}")
        return parse(path.read_bytes(), path.stem, name)
    if name not in known:
        raise unknown("device", name, known)
    data, file = device_files.find(name)
    profile = parse(data, name, file)
    own = own_calibrations(name)
    return calibrated(profile, own) if own else profile


class OwnCalibrations(_Part, frozen=True, kw_only=True):
    """What `edgebench device calibrate` wrote beside a device's file. `cpu` has the facts that the file lacks."""

    name: str
    cpu: Facts = Facts()
    calibrations: tuple[Calibration, ...]


def own_calibrations(name: str) -> OwnCalibrations | None:
    """What the user calibrated for a device, if anything. Raises UsageError for a file that does not hold that."""
    found = device_files.find_calibrations(name)
    if found is None:
        return None
    data, file = found
    own = _convert(_table(data, file), file, OwnCalibrations)
    if own.name != name:
        raise UsageError(f'{file}: name = "{own.name}" must be the device\'s name, "{name}"')
    return own


def calibrated(profile: DeviceProfile, own: OwnCalibrations) -> DeviceProfile:
    """The profile with a user's own calibrations, which go before its own for the same cell."""
    taken = {each.cell for each in own.calibrations}
    kept = (each for each in profile.calibrations if each.cell not in taken)
    cpu = replace(
        profile.cpu,
        clock_hz=profile.cpu.clock_hz or own.cpu.clock_hz,
        bandwidth_bytes_per_s=profile.cpu.bandwidth_bytes_per_s or own.cpu.bandwidth_bytes_per_s,
        caches=profile.cpu.caches if profile.cpu.caches.last_level_bytes else own.cpu.caches,
    )
    return replace(profile, cpu=cpu, calibrations=(*own.calibrations, *kept))


def parse(text: bytes | str, stem: str, file: str) -> DeviceProfile:
    """Builds a profile from TOML `text`; `stem` is the name it must have, `file` what messages call it."""
    converted = _table(text, file)
    if converted.get("reach") in HERE.values():
        converted = facts.facts() | converted
    profile = _convert(converted, file, DeviceProfile)
    if profile.name != stem:
        raise UsageError(f'{file}: name = "{profile.name}" must be the file\'s own name, "{stem}"')
    return profile


@lru_cache(maxsize=256)
def _table(text: bytes | str, file: str) -> dict[str, Any]:
    """What a profile says, in base units; nobody changes it."""
    table: dict[str, Any] = _quantities(toml.parse(text, file), file)
    return table


def _quantities(value: Any, file: str, path: str = "") -> Any:
    """Replaces every quantity in a TOML value by its number in base units."""
    if isinstance(value, list):
        return [_quantities(item, file, path) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _quantity(key, item, file, f"{path}.{key}".lstrip(".")) for key, item in value.items()}


def _quantity(key: str, value: Any, file: str, path: str) -> Any:
    parser = _QUANTITIES.get(key)
    if parser is None or path.startswith(("sources", "calibrations")):
        return _quantities(value, file, path)
    if not isinstance(value, str):
        raise UsageError(f'{file}: {path} = {value!r} has no unit: write it in quotes with one, such as "1.8GHz"')
    try:
        return parser(value)
    except UsageError as error:
        raise UsageError(f"{file}: {path}: {error}") from error


def _convert(table: dict[str, Any], file: str, kind: type[Part]) -> Part:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: {_explained(str(error))}") from error


def _explained(message: str) -> str:
    """msgspec's message in the words of someone who writes a TOML: the key, and the keys that belong there."""
    reason, _, path = message.partition(" - at `$")
    where = path.rstrip("`").strip(".")
    where = f" in [{where}]" if where else ""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        return f"unknown key '{match[1]}'{where}; known: {', '.join(_keys(path.rstrip('`')))}"
    if match := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return f"the key '{match[1]}' is missing{where}"
    return f"{reason[0].lower()}{reason[1:]}{where}"


def _keys(path: str) -> tuple[str, ...]:
    """The keys that belong at msgspec's `path`, such as ".cpu.caches" or ".sources[...]"."""
    parts = {
        ".cpu.caches": Caches,
        ".cpu": Cpu,
        ".processors": Processor,
        ".sources": Source,
        ".calibrations": Calibration,
        ".reach": Reach,
    }
    part = next((part for prefix, part in parts.items() if path.startswith(prefix)), DeviceProfile)
    if path.endswith(".error"):
        part = LeftOut
    return part.__struct_encode_fields__
