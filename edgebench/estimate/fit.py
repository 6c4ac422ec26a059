"""Fits the model to all published tables and writes what estimates need of it: python -m edgebench.estimate.fit

Some minutes; the same tables give the same files. They lie in data/: constants.csv, named_constants.csv, effects.csv,
seen.csv, errors.csv, memory.csv, and of processors that are no CPU accelerated_constants.csv, _effects.csv and
_errors.csv.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from edgebench.estimate import crossvalidation, peaks, posterior, reference
from edgebench.estimate.accelerated import fit as accelerators
from edgebench.estimate.form import Floats
from edgebench.estimate.posterior import Posterior, Sample
from edgebench.estimate.reference import ZOO
from edgebench.estimate.terms import COMPUTE, TERMS
from edgebench.ground.paths import write_atomically

_VISIBLE: Final = 0.002  # smaller effects are left out of the file
_SHARE: Final = 0.01  # and smaller shares of the time


def main(folder: Path | None = None) -> None:
    """Fits, leaves out and writes all nine files."""
    found = posterior.fitted(reference.samples())
    named = posterior.by_name(found)
    errors = crossvalidation.cases(crossvalidation.residuals(found))
    where = folder or Path(__file__).with_name("data")
    for name, lines in {
        "constants.csv": constants(found),
        "named_constants.csv": constants(named.solved),
        "effects.csv": effects(named.solved),
        "seen.csv": seen(found),
        "errors.csv": [msgspec.to_builtins(each) for each in errors],
        "memory.csv": list(peaks.constants()),
        "accelerated_constants.csv": list(accelerators.constants()),
        "accelerated_effects.csv": list(accelerators.effects()),
        "accelerated_errors.csv": [msgspec.to_builtins(each) for each in accelerators.cases()],
    }.items():
        write_atomically(where / name, _table(lines))


def constants(found: Posterior) -> list[dict[str, Any]]:
    """A line for each group: what is added to ln of each constant. Tables of one name are one group, by their mean."""
    lines = [{"level": "common", "group": "all"} | _terms(found.common())]
    for level, vectors in found.levels().items():
        groups: dict[str, list[Floats]] = {}
        for name, vector in zip(found.design.names[f"level {level}"], vectors, strict=True):
            groups.setdefault(name.partition("#")[0], []).append(vector)
        lines += [
            {"level": level, "group": name} | _terms(np.mean(members, axis=0)) for name, members in groups.items()
        ]
    return lines


def effects(named: Posterior) -> list[dict[str, Any]]:
    """A line for each network of the zoo and group: what is added to ln of its latency."""
    return [
        {"effect": effect, "group": name, "value": round(value, 4)}
        for effect, values in named.effects().items()
        for name, value in zip(named.design.names[f"effect {effect}"], values.tolist(), strict=True)
        if name.split()[0] in ZOO.values() and (abs(value) >= _VISIBLE or effect == "runtime")
    ]


def seen(found: Posterior) -> list[dict[str, Any]]:
    """A line for each runtime and precision: the fitted networks' MACs, and each term's largest share of the time."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    shares: dict[tuple[str, str], list[Floats]] = {}
    for sample, logarithms in zip(found.design.samples, found.constants, strict=True):
        key, macs = (sample.at.runtime, sample.at.precision), sample.macs
        line = lines.setdefault(key, {"runtime": key[0], "precision": key[1], "least_macs": macs, "most_macs": macs})
        line["least_macs"], line["most_macs"] = min(line["least_macs"], macs), max(line["most_macs"], macs)
        shares.setdefault(key, []).append(_shares(sample, np.exp(logarithms)))
    for key, line in lines.items():
        most = np.max(shares[key], axis=0)
        line |= {term: round(share, 3) if share >= _SHARE else "" for term, share in zip(TERMS, most, strict=True)}
    return [lines[key] for key in sorted(lines)]


def _shares(sample: Sample, constants: Floats) -> Floats:
    """Each term's share of the time, before computing and moving data overlap."""
    rates = np.full(len(TERMS), sample.machine.clock_hz)
    rates[len(COMPUTE) : -1] = 2 * sample.machine.copy_bytes_per_s
    times: Floats = np.append(sample.counts @ sample.units, sample.counts.sum()) * constants / rates
    whole: Floats = times / times.sum()
    return whole


def _terms(vector: Floats) -> dict[str, Any]:
    return {term: round(value, 3) or "" for term, value in zip(TERMS, vector.tolist(), strict=True)}


def _table(lines: Sequence[dict[str, Any]]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _short(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else value


if __name__ == "__main__":
    main()
