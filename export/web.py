"""The formats whose files run in a web page, by the engine in their own folder `deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from edgebench.formats.format import every
from edgebench.places.browser.npm import Package, WebEngine

SCRIPT: Final = "engine.js"
_PACKAGE: Final = "engine.json"  # beside it: the package of npm, its version, and the files that are needed


def web_engines() -> dict[str, WebEngine]:
    """The engines by the names of the formats."""
    found = {}
    for form in every():
        folder = Path(__file__).parent / form.name / "deploy"
        if (folder / SCRIPT).is_file():
            package = msgspec.json.decode((folder / _PACKAGE).read_bytes(), type=Package)
            content = form.load("single") if form.single else Path.read_bytes
            found[form.name] = WebEngine(folder / SCRIPT, package, content)
    return found
