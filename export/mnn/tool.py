"""MNN's converter, in a process of its own: it prints, and ends the process where it meets what it does not know.

The program that the package offers, MNN.tools.mnnconvert, installs a logging package by itself and reports each use;
the compiled converter beneath it does neither, and is what runs here.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from onnx import ModelProto

from edgebench.formats.onnx.convert import save
from edgebench.ground.errors import ExportError

PROGRAM: Final = "import sys, _tools; sys.exit(not _tools.mnnconvert(['convert', *sys.argv[1:]]))"
PATIENCE_S: Final = 1800.0
FILE_TOO_LARGE: Final = -getattr(signal, "SIGXFSZ", 0)
LACKING: Final = re.compile(r"(?:Unsupported|Not Support|not support)\w*\W+(?:for )?\W*(.+)", re.IGNORECASE)
SAID: Final = "edgebench"  # the bizCode of a file, where nothing is to be read from it


def converted(model: ModelProto, made: Path, *options: str, said: str = SAID) -> None:
    """Writes an ONNX network for one image as `made`. Raises ExportError for what the converter refuses."""
    for source in model.graph.input:
        source.type.tensor_type.shape.dim[0].dim_value = 1
    with TemporaryDirectory(prefix=".mnn-", dir=made.parent) as folder:
        file = Path(folder) / "network.onnx"
        save(model, file)
        run("ONNX", file, made, *options, said=said)


def run(kind: str, source: Path, made: Path, *options: str, said: str = SAID) -> None:
    """Writes a `source` of some kind, ONNX or MNN, as `made`. Raises ExportError, with what the converter said."""
    asked = ("-f", kind, "--modelFile", str(source), "--MNNModel", str(made), "--bizCode", said, *options)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *asked],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"MNN's converter took longer than {PATIENCE_S:.0f} s, and was ended") from error
    if done.returncode == FILE_TOO_LARGE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    if done.returncode or not made.exists():  # it may fail and call that a success
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        lacking = next((found[0] for line in lines if (found := LACKING.search(line))), "")
        raise ExportError(f"MNN cannot convert the network: {lacking or (lines or ['it does not say why'])[-1]}")
