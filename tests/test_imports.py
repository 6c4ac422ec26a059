"""Importing edgebench and asking for help stay light."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "scipy", "onnx", "onnxruntime", "ai_edge_litert", "coremltools", "altair"}


def _loaded(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import edgebench",
        "import edgebench.cli",
        "import sys; sys.argv = ['edgebench', '--help']\n"
        "from edgebench.cli import main\n"
        "try: main()\nexcept SystemExit: pass",
        "import sys, io, contextlib; sys.argv = ['edgebench', 'devices', '--json']\n"
        "from edgebench.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try: main()\n"
        "    except SystemExit: pass",
    ],
    ids=["import", "cli", "help", "devices"],
)
def test_no_heavy_package_is_loaded(code: str) -> None:
    assert not _loaded(code) & HEAVY


def test_everything_in_all_exists() -> None:
    import edgebench

    assert all(hasattr(edgebench, name) for name in edgebench.__all__)


def test_the_public_export_is_the_function() -> None:
    code = "from edgebench.formats.network import Network\nimport edgebench\nassert callable(edgebench.export)"
    assert "edgebench.formats.network" in _loaded(code)
