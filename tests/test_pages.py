"""What README.md and the pages show in blocks of shell and Python is run, in a project that has the files they name.

Those that take more than a few seconds are run each week: `pytest -m weekly`. Those of `ELSEWHERE` are not run.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from PIL import Image
from test_docs import BLOCK, PAGES, ROOT

from edgebench.cli import app

ELSEWHERE = re.compile(r"--weights|--connect|--data imagenet|device run|device setup|model\.tflite|\.venv/bin")
"""What speaks of weights from the web, a board, a data set or a virtual environment that no test brings."""
WEEKLY = re.compile(r"--via emulator|edgebench (train|scale|profile|report)|export (mobilenetv2|net)")
DECIDES = ("compare",)
"""Commands whose exit code is an answer: 1 or 3 is as good."""
NETS = """\
from torch import nn

def make(hidden=8):
    features = nn.Conv2d(3, hidden, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(hidden, 3))

make_net = make
"""


def shown() -> list[str]:
    """Every line of the blocks, without its comment, in order."""
    blocks = [block for path in PAGES for kind, block in BLOCK.findall(path.read_text("utf-8")) if kind == "sh"]
    lines = [re.split(r"\s#\s", line)[0].strip() for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [each for each in dict.fromkeys(lines) if each.startswith("edgebench ") and not ELSEWHERE.search(each)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "nets.py").write_text(NETS)
    (folder / "classes.txt").write_text("cat\ndog\nowl\n")
    shutil.copytree(ROOT / "results", folder / "results")  # to which commands add theirs
    for number in range(12):
        path = folder / "photos" / ("cat", "dog", "owl")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 240), (20 * number, 90, 250 - 20 * number)).save(path)
    return folder


@pytest.fixture(scope="module")
def files(project: Path) -> Path:
    """The project with results, and with what its network was exported to."""
    made = ["export", f"{project / 'nets.py'}:make", "--input", "3x224x224", "--fmt", "onnx,tflite", "-o", str(project)]
    estimated = ["profile", "mobilenetv2", "--device", "rpi4", "--results", str(project / "new")]
    for command in (made, estimated):
        assert CliRunner().invoke(app, command).exit_code == 0
    for name in ("net.onnx", "some.tflite", "trained.tflite"):
        (project / name).write_bytes((project / f"make-r224-fp32{Path(name).suffix}").read_bytes())
    model = onnx.load(project / "net.onnx")
    for size, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], ("height", "width"), strict=True):
        size.dim_param = name
    onnx.save(model, project / "detector.onnx")
    return project


@pytest.mark.parametrize(
    "line", [pytest.param(each, marks=[pytest.mark.weekly] * bool(WEEKLY.search(each))) for each in shown()]
)
def test_what_a_page_shows_runs(line: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    for part in line.split("&&"):
        words = shlex.split(part.partition(" > ")[0])[1:]
        done = CliRunner().invoke(app, words)
        code = getattr(done.exception, "exit_code", done.exit_code)
        assert code in ((0, 1, 3) if words[0] in DECIDES else (0,)), f"{part}\n{done.output}\n{done.exception}"
        assert done.stdout.strip()


@pytest.mark.filterwarnings("default::edgebench.ground.errors.EdgebenchWarning")
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=path.stem, marks=[pytest.mark.weekly] * ("train(" in block))
        for path in PAGES
        for kind, block in BLOCK.findall(path.read_text("utf-8"))
        if kind == "python"
    ],
)
def test_what_a_page_shows_of_python_runs(block: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module` is a user's, whose three classes are those of the project's photographs, and `batch` an image for it."""
    import torch

    monkeypatch.chdir(files)
    nets = {}
    exec(NETS, nets)
    exec(block, {"module": nets["make"]().eval(), "batch": torch.zeros(1, 3, 224, 224)})


@pytest.mark.weekly
def test_a_stranger_classifies_a_photograph_by_the_readmes_commands(tmp_path: Path) -> None:
    """From a clone to what the emulated Pi's own script says of a daisy, with weights and names from PyPI."""
    images = pytest.importorskip("sklearn.datasets", reason="scikit-learn ships a photograph")
    readme = (ROOT / "README.md").read_text()
    first = re.search(r"^python3 -m venv .*edgebench profile.*$", readme, re.MULTILINE)
    [others] = [block for kind, block in BLOCK.findall(readme) if kind == "sh" and "device run" in block]
    assert first is not None
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    Image.fromarray(images.load_sample_image("flower.jpg")).save(tmp_path / "clone" / "photo.jpg")
    for commands in (first[0], others):
        walk = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(walk, cwd=tmp_path / "clone", capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-6:]  # what pip says stands before
    assert said[0] == "photo.jpg" and said[1].endswith("%  daisy")
