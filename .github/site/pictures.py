"""README's pictures, made anew by hand of what edgebench prints: python .github/site/pictures.py"""

import io
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / ".github" / "pictures"
NETWORKS = ["mobilenetv1", "mobilenetv2", "mobilenetv3_small", "efficientnet_b0", "efficientnet_lite0", "resnet18"]

sys.path.append(str(ROOT / "tests" / "report"))

from browser import Browser, program  # noqa: E402


def edgebench(folder: Path, *words: str) -> str:
    """What a command prints in `folder` on a terminal, in its colours."""
    asked = {**os.environ, "COLUMNS": "100", "FORCE_COLOR": "1"}
    command = [Path(sys.executable).with_name("edgebench"), *words]
    return subprocess.run(command, env=asked, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(folder: Path) -> None:
    words = ["profile", *NETWORKS[:4], "--device", "rpi4"]
    shown = Text.from_ansi(f"$ edgebench {' '.join(words)}\n{edgebench(folder, *words)}")
    widest = max(line.cell_len for line in shown.split())
    console = Console(record=True, width=widest, file=io.StringIO(), force_terminal=True)
    console.print(shown)
    console.save_svg(str(PICTURES / "table.svg"), title="edgebench")


def report(folder: Path) -> None:
    edgebench(folder, "profile", *NETWORKS, "--device", "rpi4", "--fmt", "tflite,onnx,ncnn", "--results", "runs")
    edgebench(folder, "report", "runs", "-o", "page.html")
    browser = Browser(program(), folder / "browser")
    browser.open(folder / "page.html", width=1200, height=900).screenshot(PICTURES / "report.png", whole=False)
    browser.close()


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as temporary:
        table(Path(temporary))
        report(Path(temporary))
