"""Node data for Google's Model Explorer, which lays them over the graph of a file: a file of JSON for each quantity.

Its form is that of the package ai-edge-model-explorer, node_data_builder.py (GraphNodeData): values by the names of the
tensors that operators write, with a gradient from the least to the most, or a colour of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edgebench.report import output

if TYPE_CHECKING:
    from edgebench.ground.records import OperatorProfile
    from edgebench.run.inspecting import Inspection

_WARM: Final = "#ffb74d"
_GRADIENT: Final = ({"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": _WARM})
_OWN: Final = "_nchwc"  # what onnxruntime adds to the names of operators that it lays out anew


def write(folder: Path, quantities: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Writes the quantities that have values, and returns the files. Raises UsageError where that is not possible."""
    paths = []
    for name, data in quantities.items():
        if data["results"]:
            named = {"name": name.replace("-", " "), **data}
            paths.append(folder / f"{name}.json")
            output.write(paths[-1], msgspec.json.format(msgspec.json.encode(named)))
    return paths


def of_profile(profile: OperatorProfile) -> dict[str, dict[str, Any]]:
    """The times of a profile's operators in ms, summed over those of one name, and what ran each."""
    times: dict[str, float] = {}
    units: dict[str, str] = {}
    for each in profile.operators:
        if each.time_s:
            name = each.name.removesuffix(_OWN)
            times[name] = times.get(name, 0.0) + median(each.time_s) * 1e3
            units[name] = each.unit.partition(" ")[0]
    return {"time-ms": _shaded(times), "ran-by": _named(units.items())}


def of_file(found: Inspection) -> dict[str, dict[str, Any]]:
    """What int8 costs at each layer of a file, where that is known, and what each operator computes in."""
    layers = found.quantization.layers if found.quantization else ()
    computes = [(name, each.computes) for each in found.operators for name in each.outputs[:1]]
    return {
        "int8-error": _shaded({each.name: each.relative_l2_error for each in layers}),
        "computes-in": _named(computes),
    }


def _shaded(values: Mapping[str, float]) -> dict[str, Any]:
    return {"results": {name: {"value": value} for name, value in values.items()}, "gradient": _GRADIENT}


def _named(values: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Words, with a colour for all but the commonest: what fell back."""
    found = list(values)
    [(usual, _)] = Counter(word for _, word in found).most_common(1) or [("", 0)]
    return {"results": {name: {"value": word, **({} if word == usual else {"bgColor": _WARM})} for name, word in found}}
