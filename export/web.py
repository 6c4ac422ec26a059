"""The formats whose files run in a web page, by the engine in their own folder `deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

import msgspec

from edgebench.formats.format import Format, every
from edgebench.places.browser.npm import Package, WebEngine

SCRIPT: Final = "engine.js"
_PACKAGE: Final = "engine.json"  # beside it: the package of npm, its version, and the files that are needed


@cache
def web_engines() -> Mapping[str, WebEngine]:
    """The engines by the names of the formats."""
    found: dict[str, WebEngine] = {}
    for form in every():
        folder = Path(__file__).parent / form.name / "deploy"
        if (folder / SCRIPT).is_file():
            package = msgspec.json.decode((folder / _PACKAGE).read_bytes(), type=Package)
            found[form.name] = WebEngine(folder / SCRIPT, package, partial(_content, form))
    return found


def _content(form: Format, path: Path) -> bytes:
    """What a page loads of a file."""
    content: bytes = form.load("single")(path) if form.single else path.read_bytes()
    return content
