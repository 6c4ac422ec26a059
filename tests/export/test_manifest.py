import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

from edgebench.formats import manifest
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, TensorSpec


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"content")
    tensor = TensorSpec(name="image", shape=(None, 3, 32, 32), dtype="float32", layout="NCHW")
    made = Artifact(
        model=ModelSpec(name="net", family="test"),
        export=ExportSpec(format="onnx"),
        path=str(file),
        sha256=hashlib.sha256(b"content").hexdigest(),
        size_bytes=7,
        inputs=(tensor,),
        outputs=(tensor,),
    )
    manifest.write(made, manifest.manifest_path(file))
    return made


def test_what_was_written_is_read(artifact):
    assert manifest.read(Path(artifact.path)) == artifact


def test_a_moved_folder_still_reads(artifact, tmp_path):
    moved = shutil.copytree(tmp_path, tmp_path / "moved")
    assert manifest.read(moved / "net.onnx").path == str(moved / "net.onnx")


@pytest.mark.parametrize(
    "damage", ["changed", "gone", "no manifest", "cut manifest", "no text", "other schema", "a list"]
)
def test_what_does_not_describe_the_file_is_none(artifact, damage):
    file = Path(artifact.path)
    beside = manifest.manifest_path(file)
    steps = {
        "changed": lambda: file.write_bytes(b"contenT"),
        "gone": file.unlink,
        "no manifest": beside.unlink,
        "cut manifest": lambda: beside.write_bytes(beside.read_bytes()[:50]),
        "no text": lambda: beside.write_bytes(b'{"\xdf": 1}'),
        "other schema": lambda: manifest.write(msgspec.structs.replace(artifact, schema=99), beside),
        "a list": lambda: beside.write_text("[]"),
    }
    steps[damage]()
    assert manifest.read(file) is None


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_folders_hash_covers_names_and_contents_and_nothing_else(tmp_path):
    files = {"Manifest.json": "{}", "Data/weights/weight.bin": "w", "Data/model": "m"}
    first = manifest.content_sha256(folder(tmp_path / "first", files))
    assert manifest.content_sha256(folder(tmp_path / "second", dict(reversed(files.items())))) == first
    for other in ({**files, "Data/model": "x"}, {**files, "new": ""}, {"Manifest.json": "{}", "Data/model": "m"}):
        assert manifest.content_sha256(folder(tmp_path / str(len(other)) / str(hash(tuple(other)))[1:], other)) != first


def test_sizes(tmp_path):
    root = folder(tmp_path / "package", {"a": "12", "b/c": "345"})
    assert manifest.size_bytes(root) == 5
    assert manifest.size_bytes(root / "b" / "c") == 3
