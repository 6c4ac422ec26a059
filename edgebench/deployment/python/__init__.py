"""For a Raspberry Pi or any Linux, Windows or Mac: one script."""

from __future__ import annotations

from typing import Final

from edgebench.deployment.app import App
from edgebench.deployment.target import Target, Texts
from edgebench.formats.format import form
from edgebench.runtimes import runtime, runtime_of

SCRIPT: Final = "classify.py"
_ENGINE: Final = "runtime.py"
_IMPORT: Final = "from runtime import load\n"  # instead of which the function itself is put
_FIRST: Final = "def prepare("  # before this one


def _made(app: App) -> Texts:
    """The script with the format's engine in it, and the packages that it needs."""
    found = form(app.artifact.export.format)
    engine = runtime(runtime_of(found.name))
    script = (TARGET.project / SCRIPT).read_text("utf-8").replace(_IMPORT, "")
    load = TARGET.snippet(found).read_text("utf-8")
    packages = [engine.wheel or engine.distribution, "numpy>=1.24", "pillow>=9.1"]
    return {
        SCRIPT: script.replace(_FIRST, f"{load}\n\n{_FIRST}"),
        "requirements.txt": "".join(f"{package}\n" for package in packages),
    }


TARGET = Target(name="python", engine=_ENGINE, sources=None, made=_made, run=f"python3 {SCRIPT} photo.jpg")
