"""Options that several commands share, and their parsing."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from edgebench.ground.errors import UsageError, unknown

EXACT = 2**53  # JSON keeps whole numbers below it as they are

Width = Annotated[float | None, typer.Option(help="Width multiplier: scales channels.")]
Depth = Annotated[float | None, typer.Option(help="Depth multiplier: scales block repeats.")]
Resolution = Annotated[int | None, typer.Option(help="Input height and width in pixels.")]
Phi = Annotated[float | None, typer.Option(help="Compound coefficient: sets width, depth and resolution together.")]
Classes = Annotated[int | None, typer.Option(help="Number of output classes.")]
Input = Annotated[str | None, typer.Option("--input", help="Input of your own network, such as 3x224x224.")]
Option = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE: a switch of a network (groups=2), or an argument of your factory. Repeatable."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Weights: a .pth (tensors only) or .safetensors file, or https://... with --sha256; in another library's "
        "names as torchvision:FILE, timm:FILE or timm-tf:FILE."
    ),
]
Sha256 = Annotated[str | None, typer.Option("--sha256", help="SHA-256 that the weights must have.")]
Calibrate = Annotated[
    str,
    typer.Option(help="int8: a data set to calibrate on: a folder or synthetic:NAME; without it, random images."),
]
Samples = Annotated[int, typer.Option(help="int8: images to calibrate on; a quarter is held out to judge by.")]
Calibrator = Annotated[
    str, typer.Option(help="int8: minmax, moving, percentile, entropy or mse; auto keeps the one with the least error.")
]
Scheme = Annotated[str, typer.Option(help="int8: static, dynamic (ranges at run time), or weights only.")]
Int8Io = Annotated[bool, typer.Option("--int8-io", help="int8: take and give int8 tensors, not float32.")]
ErrorBudget = Annotated[
    float | None,
    typer.Option(help="int8: relative error of the outputs above which the worst layers stay float, such as 0.05."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Threads = Annotated[int, typer.Option(help="Threads of the runtime.")]
Via = Annotated[str | None, typer.Option(help="How to get to the device: ssh, adb, emulator or local.")]
Connect = Annotated[
    str | None, typer.Option(help="Where it is: pi@host or pi@host:port for SSH, a serial number for adb.")
]
Python = Annotated[
    str | None, typer.Option(help="A Python on the device that has the runtimes; without it, edgebench brings its own.")
]
Device = Annotated[str, typer.Option(help="Device profile; see `edgebench devices`.")]


def listed(text: str | None, kind: str, choices: Iterable[str]) -> tuple[str, ...]:
    """Splits a comma-separated option; raises UsageError for an unknown or empty entry."""
    if text is None:
        return ()
    known = tuple(choices)
    values = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for value in values:
        if value not in known:
            raise unknown(kind, value, known)
    return values


def weights_file(reference: str | None, sha256: str | None) -> Path | None:
    """The file that --weights names, fetched where it is on the web; see models.layouts.reference.obtain."""
    from edgebench.models.layouts.reference import obtain
    from edgebench.report import output

    return obtain(reference, sha256, tell=output.warn)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Splits comma-separated whole numbers above zero; raises UsageError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise UsageError(f"{option} is '{text}'; it must be whole numbers such as 1,4")
    return tuple(dict.fromkeys(positive(int(part), option) for part in parts))


def positive(value: int, option: str) -> int:
    """Returns `value`, or raises UsageError when it is below one."""
    if value < 1:
        raise UsageError(f"{option} is {value}; it must be 1 or more")
    return value


def switches(pairs: Iterable[str] | None) -> dict[str, int | float | bool | str]:
    """Parses NAME=VALUE; a value is true, false, a number, or else text. Raises UsageError without a name or a "="."""
    found: dict[str, int | float | bool | str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise UsageError(f"--option {pair} is not NAME=VALUE, such as groups=2")
        found[name] = _value(value)
    return found


def _value(text: str) -> int | float | bool | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(text)
            if abs(number) < EXACT:  # and so neither infinite nor nan
                return number
    return text
