"""A device's constants from a user's own figures: one latency a network, measured there, counted, or typed in.

The model's constants of the place are where it starts. What the model does not know of it, the levels of which it has
no group, may be anything that their widths allow; the figures then say what (a maximum a posteriori estimate, by Gauss
and Newton's method). So one figure sets the scale, and more of them the single terms.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
import numpy as np

from edgebench.estimate import calibrations, counts, errors, hierarchy, known
from edgebench.estimate.errors import quantile
from edgebench.estimate.form import Floats
from edgebench.estimate.hierarchy import Place
from edgebench.estimate.posterior import Sample, conditioned, form, sample
from edgebench.estimate.published import table_name
from edgebench.estimate.work import works
from edgebench.ground import units
from edgebench.ground.errors import UsageError, reason
from edgebench.ground.paths import check_no_pipe
from edgebench.ground.records import Measurement, ModelSpec, Precision
from edgebench.ground.toml import show
from edgebench.machines.profiles import Calibration, DeviceProfile, Known, LeftOut
from edgebench.models import resolve
from edgebench.models.sketch import sketch

ENOUGH: Final = 9  # the fewest figures of which a 90% quantile is not simply beyond their maximum
_CONTRADICTS: Final = 5.0  # times what is expected: another governor, or other cores
_IMPOSSIBLE: Final = 50.0  # another unit
_WIDER: Final = 1.5  # an interval around figures that contradict the profile
_AGREEING: Final = ", in agreement with what was published of such a board"
ALONE: Final = 8  # the fewest figures for a core of which the model knows nothing


@dataclass(frozen=True)
class Figure:
    """A zoo network's latency on the device."""

    model: ModelSpec
    latency_s: float


@dataclass(frozen=True)
class Basis:
    """What the figures are: in words, and how far they themselves are off where they are not a clock's.

    `typed` says that nobody saw them being taken. `median` is that error, `spread` the half-width of its 90% interval
    in ln; both are zero for measured figures.
    """

    source: str
    note: str = ""
    median: float = 0.0
    spread: float = 0.0
    typed: bool = False


def calibrate(
    device: DeviceProfile, runtime: str, precision: Precision, threads: int, figures: Sequence[Figure], basis: Basis
) -> Calibration:
    """The constants that `figures` make of the model's.

    Raises UsageError without a figure, with fewer than ALONE for a core that the model knows nothing of, when the
    profile lacks a fact that the form needs, and for a figure that was typed in another unit.
    """
    at = hierarchy.place(device, runtime, precision, threads)
    fewest = 1 if at.core in hierarchy.KIND else ALONE
    if len(figures) < fewest:
        raise UsageError(
            f"{len(figures)} networks ran, and a calibration needs {fewest} on {at.core}: see what failed, and repeat"
        )
    samples = [_sample(device, at, each) for each in figures]
    start, unknown = calibrations.start(at), calibrations.missing_levels(at)
    effects = np.array([calibrations.off(device, each.model, at) for each in figures])
    doubt = contradiction(start, samples, basis) if fewest == 1 else ""
    published = _published(device, at)
    off = "" if published is None else _off(published, samples, effects)
    constants, wider = conditioned(start, unknown, samples, effects), _WIDER if doubt else 1.0
    # The figures' own error and that of the model are independent, so they add as squares.
    found = [_error(start, unknown, samples, effects, is_known=is_known) for is_known in (False, True)]
    found = [
        msgspec.structs.replace(
            each, spread=math.hypot(each.spread * wider, basis.spread), median=math.hypot(each.median, basis.median)
        )
        for each in found
    ]
    if published is not None and not off:
        before = [errors.case("measured", is_known, runtime, precision, threads) for is_known in (False, True)]
        if before[0].spread <= found[0].spread:  # few figures are off by more than the board's own table leaves unknown
            constants, found = published, before
    new, of_known = ((LeftOut(median=each.median, p90=each.p90, coverage=each.coverage), each.spread) for each in found)
    return Calibration(
        runtime=runtime,
        precision=precision,
        threads=threads,
        constants=calibrations.named(runtime, np.exp(constants)),
        spread=new[1],
        macs=calibrations.seen(runtime, precision).macs,
        rows=len(figures),
        networks=len({each.model.key for each in figures}),
        seen=calibrations.seen(runtime, precision).shares,
        error=new[0],
        known=Known(error=of_known[0], spread=of_known[1]),
        sources=(basis.source,),
        basis=f"{basis.source}{_AGREEING if constants is published else ''}, and published latencies of other devices",
        note="; ".join(filter(None, (basis.note, doubt or off))),
    )


def _published(device: DeviceProfile, at: Place) -> Floats | None:
    """ln of the constants by the board's own published table; None where there is none."""
    if not known.tables_of(device, at.runtime, at.precision, at.threads):
        return None
    return calibrations.start(replace(at, table=table_name(device.name, at.runtime, at.precision, at.threads)))


def _off(published: Floats, samples: Sequence[Sample], effects: Floats) -> str:
    """The sentence to say where a figure is outside the interval that the board's published table gives it, or ""."""
    at = samples[0].at
    ratios = [
        each.latency_s / math.exp(form(each, np.exp(published))[0] + effect)
        for each, effect in zip(samples, effects.tolist(), strict=True)
    ]
    ratio, worst = max(zip(ratios, samples, strict=True), key=lambda pair: abs(math.log(pair[0])))
    if abs(math.log(ratio)) <= errors.case("measured", False, at.runtime, at.precision, at.threads).spread:
        return ""
    return f"{worst.network} takes {ratio:.2f} times what was published of such a board: the interval is wider"


def left_out(start: Floats, unknown: Collection[str], samples: Sequence[Sample], effects: Floats) -> list[float]:
    """ln(estimate / figure) of each sample with its whole design left out."""
    found = []
    for each, effect in zip(samples, effects, strict=True):
        others = [number for number, other in enumerate(samples) if other.family != each.family]
        seen = [samples[number] for number in others]
        constants = conditioned(start, unknown, seen, effects[others]) if others else start
        found.append(form(each, np.exp(constants))[0] + float(effect) - math.log(each.latency_s))
    return found


def toml(made: Iterable[Calibration]) -> str:
    """Calibrations as TOML, their numbers with four significant digits."""
    tables = [dict(_rounded(msgspec.to_builtins(each))) for each in made]
    return show(
        {"calibrations": [{key: value for key, value in table.items() if value not in ("", None)} for table in tables]}
    )


def measured(results: Sequence[Measurement]) -> tuple[list[Figure], Basis]:
    """The medians over processes of what was timed on the device."""
    figures = [Figure(each.model, median(map(median, each.latency_s))) for each in results if each.latency_s]
    day = max((each.time[:10] for each in results), default="")
    return figures, Basis(f"{_latencies(figures)} measured on the device itself, {day}")


def typed(path: Path) -> tuple[list[Figure], Basis]:
    """The figures of a CSV: the columns model and latency ("33ms"), and width, depth or resolution where they differ.

    Raises UsageError for a file that cannot be read or is none, a column or network that is not known, and a latency
    without a unit or not above zero, each with its line.
    """
    figures = []
    for number, line in enumerate(csv.DictReader(_text(path).splitlines()), 2):
        unknown_columns = set(line) - {"model", "latency", "width", "depth", "resolution", None}
        if not {"model", "latency"} <= set(line) or unknown_columns or None in line:
            raise UsageError(
                f"{path}: the columns are model and latency, and width, depth or resolution, with commas between"
                f" them, not '{','.join(name or '' for name in line)}'"
            )
        try:
            width, depth = (float(line[name]) if line.get(name) else None for name in ("width", "depth"))
            pixels = int(line["resolution"]) if line.get("resolution") else None
            spec = resolve(line["model"], width=width, depth=depth, resolution=pixels)
            figures.append(Figure(spec, units.seconds(line["latency"] or "")))
        except (UsageError, ValueError) as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
    if not figures:
        raise UsageError(f"{path} holds no figure: give a line a network, such as mobilenetv2,33ms")
    return figures, Basis(f"{_latencies(figures)} from {path.name}", typed=True)


def contradiction(start: Floats, samples: Sequence[Sample], basis: Basis) -> str:
    """The sentence to say where a figure is more than five times off what the model expects of the place, or "".

    Raises UsageError for one that was typed in and is off by more than a board can be.
    """
    ratios = [each.latency_s / math.exp(form(each, np.exp(start))[0]) for each in samples]
    ratio, worst = max(zip(ratios, samples, strict=True), key=lambda pair: abs(math.log(pair[0])))
    if 1 / _CONTRADICTS < ratio < _CONTRADICTS:
        return ""
    of_what = f"{ratio:,.1f} times" if ratio > 1 else f"a {1 / ratio:,.0f}th of"
    expected = (
        f"{worst.network} takes {units.show_seconds(worst.latency_s)}, {of_what} what its core and clock let expect"
    )
    if basis.typed and not 1 / _IMPOSSIBLE < ratio < _IMPOSSIBLE:
        raise UsageError(f"{expected}, and no board is so far off: look at the unit of {basis.source}")
    return f"{expected}: look at its governor, at which cores ran it, and at the profile's facts"


def counted(
    device: DeviceProfile, runtime: str, precision: Precision, results: Sequence[tuple[ModelSpec, counts.Counts]]
) -> tuple[list[Figure], Basis]:
    """Times of instructions that were counted under emulation, by the device's own constants or the nearest there are.

    Raises UsageError where no published latency says what an instruction takes on this core.
    """
    constants, clock_hz = counts.nearest(device, runtime, precision), device.cpu.clock_hz
    if constants is None or clock_hz is None:
        raise UsageError(
            f"nothing says how long {precision} instructions take on {device.name} ({device.cpu.core}): connect a board"
        )
    figures = [Figure(model, counts.seconds(each, constants, clock_hz)) for model, each in results if each]
    own = (constants.device, constants.runtime) == (device.name, runtime)
    scale = 1.0 if own else counts.BORROWED
    note = (
        f"not measured: counted instructions, with {constants.runtime} {constants.precision}'s constants of "
        f"{constants.device}, which are off by {constants.median:.0%} (median)"
    )
    if not own:
        note += "; how far they are off for this runtime or device is not known, and the interval allows for twice that"
    words = f"times of counted instructions of {len(figures)} networks"
    return figures, Basis(words, note, scale * constants.median, scale * constants.spread)


def _text(path: Path) -> str:
    try:
        check_no_pipe(path)
        return path.read_text("utf-8-sig")  # spreadsheets write a mark in front
    except OSError as error:
        raise UsageError(f"cannot read the figures {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the figures {path} are no UTF-8 text") from error


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(held) for held in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _latencies(figures: Sequence[Figure]) -> str:
    return f"{len(figures)} latenc{'y' if len(figures) == 1 else 'ies'}"


def _error(
    start: Floats, unknown: Collection[str], samples: Sequence[Sample], effects: Floats, *, is_known: bool
) -> errors.Case:
    """By the figures themselves where there are enough; else by what as many figures are known to give elsewhere."""
    at = samples[0].at
    if len(samples) < ENOUGH:
        figures = max(count for count in errors.FIGURES if count <= len(samples))
        return errors.case(str(figures), is_known, at.runtime, at.precision, at.threads)
    found = left_out(start, unknown, samples, effects)
    off = np.abs(np.expm1(found))
    spread = quantile(found)
    return errors.Case(
        case="10",
        known=is_known,
        runtime=at.runtime,
        precision=at.precision,
        threads="1" if at.threads == 1 else "several",
        rows=len(samples),
        median=float(np.median(off)),
        p90=float(np.quantile(off, errors.CONFIDENCE)),
        coverage=sum(abs(error) <= spread for error in found) / len(found),
        spread=spread,
    )


def _sample(device: DeviceProfile, at: Place, figure: Figure) -> Sample:
    machine = calibrations.machine_of(device)
    kernels = works(sketch(figure.model), at.runtime)
    name = figure.model.name if calibrations.is_known(figure.model, at) else figure.model.key
    return sample(replace(at, table="own"), name, figure.model.family, figure.latency_s, machine, kernels)
