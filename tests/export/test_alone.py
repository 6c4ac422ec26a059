"""Every format is written, run and checked with the network away and a home that cannot be written."""

import os
import shutil
import subprocess
import sys

import pytest

from edgebench.ground.registry import FORMATS

PROGRAM = """
import os, sys
folder, temporary = sys.argv[1], os.environ["TMPDIR"]

def watch(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "os.system") or (
        event == "subprocess.Popen" and "pip" in " ".join(map(str, given[1]))
    ):
        os.write(2, f"{event} {given}".encode())
        os._exit(3)
    if event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+") and isinstance(given[0], str):
        path = os.path.abspath(given[0])
        if not path.startswith((folder, temporary, "/dev/", "/proc/")):
            os.write(2, f"wrote {path}".encode())
            os._exit(4)

sys.dont_write_bytecode = True
sys.addaudithook(watch)
from pathlib import Path
from torch import nn
from edgebench.formats.native import session
from edgebench.formats.pipeline import export_models
from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.ground.registry import FORMATS
from edgebench.models.given import Given
from edgebench.runtimes import runtime_of, unavailable

spec = ModelSpec(name="nets.py:Own", family="user", resolution=8)
given = Given(modules={spec.key: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()})
exports = [ExportSpec(format=name) for name in FORMATS]
for export, made in export_models(spec, exports, Path(folder), given=given):
    assert made.parity.passed, made
    if not unavailable(runtime_of(export.format)):
        assert session(runtime_of(export.format), made.path).version
    print(export.format)
"""


@pytest.mark.slow
def test_nothing_calls_home_installs_or_writes_elsewhere(tmp_path):
    alone = ["unshare", "-rn"]  # a network namespace of its own, where this system lets a user have one
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        alone = []
    (tmp_path / "temporary").mkdir()
    home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc/no-home")
    done = subprocess.run(
        [*alone, sys.executable, "-c", PROGRAM, str(tmp_path / "files")],
        env={**os.environ, **home, "TMPDIR": str(tmp_path / "temporary")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in done.stdout.splitlines() if line in FORMATS] == list(FORMATS)
