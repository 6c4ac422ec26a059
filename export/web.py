"""The formats whose files run in a web page, by the engine in their own folder `deploy`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from edgebench.formats.format import Format, every
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
            found[form.name] = WebEngine(folder / SCRIPT, package, partial(_content, form))
    return found


def _content(form: Format, path: Path) -> bytes:
    """What a page loads of a file."""
    content: bytes = form.load("single")(path) if form.single else path.read_bytes()
    return content
