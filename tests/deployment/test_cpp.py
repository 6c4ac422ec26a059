"""The program, built and run."""

import importlib.util
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from projects import Deploy, needed

LIBRARIES = {"tflite": "ai_edge_litert/libLiteRt.so", "onnx": "onnxruntime/capi/libonnxruntime.so.*"}


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"format": "tflite"}, id="tflite", marks=pytest.mark.weekly),
        pytest.param({"format": "tflite", "precision": "int8", "float_io": False}, id="int8"),
        pytest.param({"format": "onnx"}, id="onnx"),
    ],
)
def test_it_is_built_and_gives_what_the_file_gives(deployed: Deploy, tmp_path: Path, how: dict[str, object]) -> None:
    needed("cmake", "g++")
    folder, made = deployed("cpp", **how)
    pattern = LIBRARIES[made.artifact.export.format]
    # What the project's own engine.sh takes from the package, which is installed here.
    fetch = (folder / "engine.sh").read_text()
    assert pattern in fetch
    spec = importlib.util.find_spec(pattern.partition("/")[0])
    assert spec is not None and spec.submodule_search_locations is not None
    [library] = Path(spec.submodule_search_locations[0]).parent.glob(pattern)
    (folder / "engine").mkdir()
    name = f"{library.name.partition('.so')[0]}.so{'.1' if '.so.1' in fetch else ''}"
    (folder / "engine" / name).symlink_to(library)
    for command in (["-B", "build", "-DCMAKE_CXX_FLAGS=-Werror"], ["--build", "build"]):
        built = subprocess.run(["cmake", *command], cwd=folder, capture_output=True, text=True, timeout=300)
        assert built.returncode == 0, built.stdout + built.stderr
    program = folder / "build" / "classify"
    tested = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert tested.stdout.startswith("self-test passed"), tested.stderr
    Image.open(folder / "test.png").save(tmp_path / "test.jpg", quality=95)
    shown = subprocess.run([program, tmp_path / "test.jpg"], capture_output=True, text=True, timeout=120)
    assert shown.stdout.splitlines()[1].split(maxsplit=1)[1] == made.description.labels[made.expected.classes[0]]
    broken = subprocess.run([program, folder / "README.md"], capture_output=True, text=True, timeout=120)
    assert broken.returncode == 1 and "is neither a JPEG nor a PNG file" in broken.stderr
