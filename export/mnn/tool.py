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
from typing import Final

from edgebench.ground.errors import ExportError

PROGRAM: Final = "import sys, _tools; sys.exit(not _tools.mnnconvert(['convert', *sys.argv[1:]]))"
PATIENCE_S: Final = 1800.0
FILE_TOO_LARGE: Final = -getattr(signal, "SIGXFSZ", 0)
LACKING: Final = re.compile(r"(?:Unsupported|Not Support|not support)\w*\W+(?:for )?\W*(.+)", re.IGNORECASE)


def run(made: Path, *arguments: str) -> None:
    """Runs the converter until it has `made` a file. Raises ExportError, with what it said, where it has not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
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
