"""The script runs without torch and edgebench, and feeds the network what edgebench feeds it."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from projects import Deploy

import edgebench
from edgebench.data import images
from edgebench.data.images import INTERPOLATIONS, prepare
from edgebench.ground.records import Preprocessing
from edgebench.places.bundle.bundle import Bundle

LONGEST = 80  # lines of the script
ALONE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print([name for name in ("torch", "edgebench") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("form", "how", "taken"),
    [
        ("tflite", {}, "float32"),
        ("onnx", {"bake": True}, "uint8"),
        ("ncnn", {}, "float32"),
        ("tflite", {"precision": "int8", "float_io": False}, "int8"),
    ],
)
def test_it_tests_itself_alone(deployed: Deploy, tmp_path: Path, form: str, how: dict[str, object], taken: str) -> None:
    folder, made = deployed("python", format=form, **how)
    script = folder / "classify.py"
    assert len(script.read_text().splitlines()) <= LONGEST
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.stdout.splitlines()[0].startswith("self-test passed"), done.stderr
    assert done.stdout.splitlines()[1] == "[]"
    assert made.description.input.type == taken
    requirements = (folder / "requirements.txt").read_text().split()
    assert len(requirements) == 3 and "==" in requirements[0]


def test_it_runs_on_an_emulated_pi(deployed: Deploy, bundle: Bundle) -> None:
    folder, made = deployed("python")
    done = edgebench.device_run("rpi4", folder / "classify.py")
    assert done.output.startswith("self-test passed") and done.code == 0, done.errors
    shown = edgebench.device_run("rpi4", folder / "classify.py", [str(folder / "test.png")])
    assert shown.output.splitlines()[1].split(maxsplit=1)[1] == made.description.labels[made.expected.classes[0]]


def test_a_damaged_network_fails_its_test(deployed: Deploy) -> None:
    folder, _ = deployed("python")
    expected = json.loads((folder / "expected.json").read_text())
    expected["scores"][0] -= 0.1
    (folder / "expected.json").write_text(json.dumps(expected))
    done = subprocess.run([sys.executable, folder / "classify.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "self-test FAILED: scores differ by 0.1" in done.stdout


@pytest.fixture(scope="module")
def script(deployed: Deploy) -> ModuleType:
    """The script as a module."""
    folder, _ = deployed("python")
    spec = spec_from_file_location("classify", folder / "classify.py")
    assert spec is not None and spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    resize=st.integers(40, 64),
    interpolation=st.sampled_from(sorted(INTERPOLATIONS)),
    squash=st.booleans(),
    order=st.sampled_from(["rgb", "bgr"]),
    channels=st.sampled_from([1, 3]),
)
def test_its_input_is_edgebenchs(
    script: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    resize: int,
    interpolation: str,
    squash: bool,
    order: str,
    channels: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.png"
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    means = {"mean": (0.4, 0.5, 0.6)[:channels], "std": (0.2, 0.3, 0.4)[:channels]}
    said = Preprocessing(resize=resize, crop=40, interpolation=interpolation, squash=squash, channels=order, **means)  # type: ignore[arg-type]
    script.MODEL["images"] |= {
        "size": (40, 32), "cover": images.cover(said, 40, 32), "channels": channels, "interpolation": interpolation,
        "squash": squash, "bgr": order == "bgr", **means,
    }  # fmt: skip
    wanted = prepare(pixels, said, (channels, 40, 32))
    np.testing.assert_array_equal(script.prepare(path)[0], wanted.transpose(1, 2, 0))
