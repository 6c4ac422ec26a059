"""For Linux in C++17: a program that CMake builds with libjpeg, libpng and the engine's library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from edgebench.deployment.app import App
from edgebench.deployment.target import Target, Texts
from edgebench.formats.format import form
from edgebench.ground.errors import UsageError

_FETCH = "engine.sh"  # beside a format's engine: how its library is got
HEADER = """\
// What the network takes and gives; made by edgebench from the file's manifest.
#pragma once
#include <string>
#include <vector>

namespace model {
"""


def _made(app: App) -> Texts:
    """What is known of the network, as constants: a program has no reader of JSON."""
    if app.description.images.upright:
        raise UsageError("a program in C++ does not turn images as their EXIF orientation says: leave `exif` out")
    lines = (f"inline const {kind} {name} = {value};\n" for kind, name, value in _constants(app))
    fetch = TARGET.snippet(form(app.artifact.export.format)).with_name(_FETCH)
    return {"model.hpp": f"{HEADER}{''.join(lines)}}}  // namespace model\n", _FETCH: fetch}


def _constants(app: App) -> Iterator[tuple[str, str, str]]:
    """The type, name and value of each."""
    told, images, expected = app.description, app.description.images, app.expected
    for name, text in {"FILE_NAME": told.file, "INTERPOLATION": images.interpolation, "TEST": expected.image}.items():
        yield "std::string", name, _text(text)
    whole = {
        "HEIGHT": images.size[0],
        "WIDTH": images.size[1],
        "COVER_HEIGHT": images.cover[0],
        "COVER_WIDTH": images.cover[1],
        "CHANNELS": images.channels,
        "CLASSES": app.artifact.outputs[0].values,
    }
    for name, number in whole.items():
        yield "int", name, str(number)
    switches = {
        "SQUASH": images.squash,
        "BGR": images.bgr,
        "CHANNELS_LAST": told.input.layout == "NHWC",
        "SOFTMAX": told.softmax,
    }
    for name, on in switches.items():
        yield "bool", name, str(on).lower()
    for end, tensor in {"INPUT": told.input, "OUTPUT": told.output}.items():
        yield "std::string", f"{end}_NAME", _text(tensor.name)
        yield "std::string", f"{end}_TYPE", _text(tensor.type)
        yield "float", f"{end}_SCALE", repr(tensor.scale or 0.0)
        yield "int", f"{end}_ZERO", str(tensor.zero_point)
    yield "std::vector<float>", "MEAN", _list(images.mean or ())
    yield "std::vector<float>", "STD", _list(images.std or ())
    yield "std::vector<std::string>", "LABELS", _list(map(_text, told.labels))
    yield "std::vector<int>", "EXPECTED_CLASSES", _list(expected.classes)
    yield "std::vector<double>", "EXPECTED_SCORES", _list(expected.scores)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(values: Iterable[object]) -> str:
    return f"{{{', '.join(map(str, values))}}}"


TARGET = Target(
    name="cpp",
    engine="engine.hpp",
    made=_made,
    run="sh engine.sh && cmake -B build && cmake --build build && build/classify",
)
