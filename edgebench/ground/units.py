"""Quantities with units: parsed from what people write, printed in what people read; base units in between."""

import math
import re
from collections.abc import Callable

from edgebench.ground.errors import UsageError

_TIME = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_RATE = {f"{unit}/s": factor for unit, factor in _BYTES.items()}
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z/%]*)\s*")


def seconds(text: str) -> float:
    """Parses a duration such as "50ms" to seconds; a bare number is refused, since its unit would be a guess."""
    return _parse(text, _TIME, "duration", "50ms")


def size_bytes(text: str) -> int:
    """Parses a size such as "64MB" or "1MiB" to bytes."""
    return round(_parse(text, _BYTES, "size", "64MB"))


def hertz(text: str) -> float:
    """Parses a frequency such as "1.8GHz" to hertz."""
    return _parse(text, _HERTZ, "frequency", "1.8GHz")


def bytes_per_second(text: str) -> float:
    """Parses a bandwidth such as "2.5GB/s" to bytes per second."""
    return _parse(text, _RATE, "bandwidth", "2.5GB/s")


def points(text: str) -> float:
    """Parses points of a percentage such as "0.5pt"."""
    return _parse(text, {"pt": 1.0, "%": 1.0, "": 1.0}, "number of points", "0.5pt")


def _parse(text: str, units: dict[str, float] | dict[str, int], kind: str, example: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or match[2] not in units:
        known = ", ".join(filter(None, units))
        raise UsageError(f"'{text}' is not a {kind}: write a number and one of {known}, such as {example}")
    value = float(match[1]) * units[match[2]]
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"'{text}' is not a {kind} above zero: write for example {example}")
    return value


def show_seconds(value: float | None) -> str:
    """Prints seconds with three significant digits in ns, us, ms or s; nothing measured is a dash."""
    if value is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(value) >= factor:
            return f"{_significant(value / factor)} {unit}"
    return f"{_significant(value / 1e-9)} ns"


def show_interval(low: float | None, high: float | None, show: Callable[[float | None], str] = show_seconds) -> str:
    """Prints seconds from low to high as 61.1-88.1 ms; both units where they differ: 82.1 us-1.50 ms.

    `show` prints another quantity.
    """
    if low is None or high is None:
        return "-"
    (number, _, unit), end = show(low).partition(" "), show(high)
    return f"{number}-{end}" if end.endswith(f" {unit}") else f"{number} {unit}-{end}"


def show_bytes(value: float | None) -> str:
    """Prints bytes in decimal units (1 MB = 10^6 bytes), three significant digits."""
    return _decimal(value, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)), "B")


def show_memory(value: int | None) -> str:
    """Prints a device's RAM, which is sold in powers of two."""
    return "-" if value is None else f"{value / 2**30:.3g} GiB"


def show_count(value: float | None) -> str:
    """Prints a count (parameters, MACs) as 3.50 M, 301 M, 4.09 G."""
    return _decimal(value, (("G", 1e9), ("M", 1e6), ("k", 1e3)), "")


def _decimal(value: float | None, scales: tuple[tuple[str, float], ...], bare: str) -> str:
    if value is None:
        return "-"
    for unit, factor in scales:
        if abs(value) >= factor:
            return f"{_significant(value / factor)} {unit}"
    return f"{value:.0f} {bare}".rstrip()


def _significant(value: float) -> str:
    """Three significant digits without an exponent; more only where the integer part has more."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(float(f"{abs(value):.2e}"))))
    return f"{value:.{min(digits, 3)}f}"
