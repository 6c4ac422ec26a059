"""Every target: its files are there, say the same as the manifest, and are whole or absent."""

from pathlib import Path

import pytest
from msgspec import json
from projects import TRAINED, Deploy

import edgebench
from edgebench.deployment.target import TARGETS, target
from edgebench.ground.errors import UsageError

FORMATS = {
    "python": ["tflite", "onnx", "ncnn"],
    "web": ["tflite", "onnx"],
    "android": ["tflite"],
    "ios": ["coreml"],
    "cpp": ["tflite", "onnx"],
}


def test_a_target_runs_the_formats_that_say_how() -> None:
    assert {name: target(name).formats() for name in TARGETS} == FORMATS


@pytest.mark.parametrize("name", ["android", "ios"])
def test_an_apps_resources_are_the_network_its_description_and_a_test(deployed: Deploy, name: str) -> None:
    folder, made = deployed(name)
    assets = folder / target(name).assets
    told, expected = (json.decode((assets / file).read_bytes()) for file in ("model.json", "expected.json"))
    assert (assets / told["file"]).exists() and (assets / expected["image"]).is_file()
    assert told["images"]["size"] == [64, 64] and told["input"]["layout"] == {"android": "NHWC", "ios": "NCHW"}[name]
    assert told["labels"] == list(made.artifact.labels) and len(told["labels"]) == 10
    assert expected["scores"] == sorted(expected["scores"], reverse=True) and expected["scores"][0] > 0.5
    readme = (folder / "README.md").read_text()
    assert told["file"] in readme and "$" not in readme.replace("$PWD", "")


def parsed(path: Path) -> list[bytes]:
    """What a parser of the file's language does not understand."""
    tree_sitter = pytest.importorskip("tree_sitter")
    kind = pytest.importorskip("tree_sitter_swift" if path.suffix == ".swift" else "tree_sitter_kotlin")
    tree = tree_sitter.Parser(tree_sitter.Language(kind.language())).parse(path.read_bytes())
    nodes, wrong = [tree.root_node], []
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children)
        if node.is_error or node.is_missing:
            wrong.append(node.text[:80])
    return wrong


@pytest.mark.parametrize(("name", "count"), [("android", 8), ("ios", 6)])
def test_sources_are_of_their_language(deployed: Deploy, name: str, count: int) -> None:
    folder, _ = deployed(name)
    sources = [path for path in folder.rglob("*") if path.suffix in (".kt", ".kts", ".swift")]
    assert len(sources) == count
    assert {path.name: parsed(path) for path in sources} == {path.name: [] for path in sources}


def test_a_project_is_replaced_and_nothing_else_is(deployed: Deploy, tmp_path: Path) -> None:
    folder, made = deployed("python")
    edgebench.deploy(made.artifact, "python", output=folder)
    compiled = target("python").project / "__pycache__" / "classify.cpython-311.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch()
    again, _ = deployed("python")
    given = {"README.md", "classify.py", "expected.json", "model.json", "requirements.txt", "test.png"}
    assert {path.name for path in again.iterdir()} == given | {made.description.file}
    with pytest.raises(UsageError, match="is there, and is no project for android that edgebench made"):
        edgebench.deploy(made.artifact, "android", output=folder)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="choose another folder"):
        edgebench.deploy(made.artifact, "python", output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"to": "pyhton"}, "python"),
        ({"to": "web", "format": "ncnn"}, "a project for web runs tflite or onnx, not ncnn"),
        ({"to": "python", "format": ("tflite", "onnx")}, "this is 2 files, and a project runs one"),
        ({"to": "python", "labels": ("cat", "dog")}, "10 outputs, and 2 `labels` are given"),
        ({"to": "python", "image": __file__}, "give another"),
        ({"to": "cpp", "exif": True}, "leave `exif` out"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path, how: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        edgebench.deploy("mobilenetv2", weights=str(TRAINED), output=tmp_path / "app", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "app").exists()


def test_a_file_whose_preparation_is_not_known_says_how_to_say_it(deployed: Deploy, tmp_path: Path) -> None:
    _, made = deployed("python")
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(Path(made.artifact.path).read_bytes())
    with pytest.raises(UsageError, match="wants its images prepared is not known: say how with `preprocess`"):
        edgebench.deploy(bare, "python", output=tmp_path / "app")
    again = edgebench.deploy(bare, "python", output=tmp_path / "app", preprocess="imagenet")
    assert again.description.images.mean == (0.485, 0.456, 0.406)
