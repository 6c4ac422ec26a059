"""The program, built and run."""

import importlib.util
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from projects import Deploy, needed

ENGINE = Path(next(iter(importlib.util.find_spec("ai_edge_litert").submodule_search_locations)))  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("how", [{}, {"precision": "int8", "float_io": False}], ids=["fp32", "int8"])
def test_it_is_built_and_gives_what_the_file_gives(deployed: Deploy, tmp_path: Path, how: dict[str, object]) -> None:
    needed("cmake", "g++")
    folder, made = deployed("cpp", **how)
    for command in (["-B", "build", f"-DENGINE_FOLDER={ENGINE}", "-DCMAKE_CXX_FLAGS=-Werror"], ["--build", "build"]):
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
