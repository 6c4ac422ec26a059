"""Peak memory that was seen, and the constants fitted to it: data/peaks.csv and data/memory.csv.

The peaks are those of an emulated guest (a Cortex-A72; tests/benchmarks/estimate_memory.py). `fit` writes the
constants, with how far they are off on designs left out. Linear in what is held, none below zero, by relative errors,
and near what was first found on an x86-64 machine (data/memory_prior.csv; where int8 holds activations in float, its
arena counts four times): few designs cannot tell all of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np

from edgebench.estimate import footprint
from edgebench.estimate.errors import quantile
from edgebench.estimate.footprint import TERMS, Held
from edgebench.estimate.form import Floats
from edgebench.estimate.published import text
from edgebench.ground.records import Precision
from edgebench.ground.tables import read_csv
from edgebench.models import resolve
from edgebench.models.sketch import sketch

# How far a constant is from there, as a share of it: what a runtime takes for itself hardly differs.
_WIDTHS: Final = np.array([0.15, 0.5, 0.5, 0.5, 0.5])
_NOISE: Final = 0.08  # of an estimate


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The peak of one network above the process that had imported the runtime, in bytes."""

    network: str
    width: float
    resolution: int
    runtime: str
    precision: Precision
    peak_bytes: int


@cache
def peaks() -> tuple[Peak, ...]:
    """Reads the peaks, in the file's order."""
    return tuple(read_csv(text("peaks.csv"), Peak))


def constants() -> Iterator[dict[str, Any]]:
    """A line for each runtime and precision: its constants, and how far they are off on networks left out."""
    for runtime, precision in sorted({(each.runtime, each.precision) for each in peaks()}):
        seen = [each for each in peaks() if (each.runtime, each.precision) == (runtime, precision)]
        off = np.abs(left_out(seen))
        yield {
            "runtime": runtime,
            "precision": precision,
            **dict(zip(TERMS, _fitted(seen).tolist(), strict=True)),
            "files": _files(seen[0]),
            "networks": len(seen),
            "median": float(np.median(np.expm1(off))),
            "spread": quantile(off.tolist()),
        }


def left_out(seen: Sequence[Peak]) -> Floats:
    """ln(estimate / peak) of each network, with its whole design left out."""
    found = []
    for each in seen:
        fitted = _fitted([other for other in seen if other.network != each.network])
        estimate = float(_row(each) @ fitted) + _files(each) * _held(each).file_bytes
        found.append(math.log(estimate / each.peak_bytes))
    return np.array(found)


def _fitted(seen: Sequence[Peak]) -> Floats:
    from scipy.optimize import nnls

    peak = np.array([float(each.peak_bytes) for each in seen])
    held = np.array([_row(each) for each in seen])
    kept = np.array([_files(each) * _held(each).file_bytes for each in seen])
    line = _prior()[seen[0].runtime, seen[0].precision]
    prior = np.array([float(line[term]) for term in TERMS])
    table = np.vstack([held * prior / peak[:, None] / _NOISE, np.diag(1 / _WIDTHS)])
    aim = np.append((peak - kept) / peak / _NOISE, 1 / _WIDTHS)
    found: Floats = nnls(table, aim)[0] * prior
    return found


def _files(peak: Peak) -> float:
    """Copies of the file that a runtime keeps, none where it reads it instead of mapping it: no question of the fit."""
    return float(_prior()[peak.runtime, peak.precision]["files"])


@cache
def _prior() -> Mapping[tuple[str, str], Mapping[str, str]]:
    lines = csv.DictReader(text("memory_prior.csv").splitlines())
    return {(line["runtime"], line["precision"]): line for line in lines}


@cache
def _row(peak: Peak) -> Floats:
    return np.array(footprint.terms(_held(peak), peak.precision), dtype=float)


@cache
def _held(peak: Peak) -> Held:
    graph = sketch(resolve(peak.network, width=peak.width, resolution=peak.resolution))
    return footprint.held(graph, peak.runtime, peak.precision)
