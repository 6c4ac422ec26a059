"""For a browser: a page that opens from its folder, offline too; the engine is a package of npm, written into it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgspec

from edgebench.deployment.app import App
from edgebench.deployment.target import Target, Texts
from edgebench.formats.web import SCRIPT, web_engines
from edgebench.ground.errors import UsageError
from edgebench.places.browser.npm import fetched


def _made(app: App) -> Texts:
    """All that a page opened from a folder may not read by itself, as scripts: browsers let it load no other files."""
    engine = web_engines()[app.artifact.export.format]
    given = app.description.input.type
    if engine.package.types and given not in engine.package.types:
        takes = " or ".join(engine.package.types)
        raise UsageError(f"{engine.package.name} takes {takes}, and {app.artifact.path} {given}: leave `float_io` on")
    runtime = {name: _text(held) for name, held in fetched(engine.package).items()}
    told = {"MODEL": app.description, "EXPECTED": app.expected}
    lines = [f"const {name} = {msgspec.json.encode(each).decode()};\n" for name, each in told.items()]
    return {
        "model.js": "".join([*lines, _constant("TEST", app.test.read_bytes())]),
        "network.js": _constant("NETWORK", engine.content(Path(app.artifact.path))),
        "runtime.js": f"const RUNTIME = {json.dumps(runtime)};\n",
    }


def _constant(name: str, content: bytes) -> str:
    return f'const {name} = "{_text(content)}";\n'


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


TARGET = Target(name="web", engine=SCRIPT, made=_made, run="open index.html in a browser")
