"""Evaluating exported files: in every format, after an interrupt, with broken images, and on a device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import edgebench
from edgebench.cli import app
from edgebench.ground import store
from edgebench.ground.errors import DeviceError, EdgebenchWarning, UsageError
from edgebench.ground.records import Artifact
from edgebench.machines import profiles
from edgebench.report import rows
from edgebench.run import classifiers, evaluating, plan
from edgebench.run.evaluator import Evaluation
from edgebench.run.network import ModelArguments

SHAPES = "synthetic:shapes?size=32&images=30"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here: files are exported once. Predictions are found again only for equal images."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def artifact(cache: Path) -> Artifact:
    return edgebench.export("lenet5", output=cache / "edgebench/artifacts")


def evaluate(data: str, model: str = "lenet5", **options: object) -> Evaluation:
    [found] = edgebench.evaluate(model, data, **options)
    return found


@pytest.mark.parametrize("form", ["tflite", "onnx", "torch", "coreml"])
def test_every_format_agrees_with_torch(form: str) -> None:
    pytest.importorskip({"tflite": "ai_edge_litert", "coreml": "coremltools"}.get(form, form))
    found = evaluate(SHAPES, format=form)
    assert found.accuracy is not None
    assert (found.status, found.accuracy.images, found.accuracy.agreed) == ("ok", 30, 30)
    assert found.accuracy.correct == found.accuracy.reference_correct
    assert found.accuracy.dataset == f"{SHAPES}, val"
    assert any("random values" in warning for warning in found.warnings)
    assert any("evaluator" in warning for warning in found.warnings) == (form == "coreml")


def test_int8_says_what_it_was_calibrated_on() -> None:
    pytest.importorskip("ai_edge_litert")
    found = evaluate(SHAPES, precision="int8", samples=8)
    assert found.accuracy is not None
    assert found.accuracy.images == 30
    assert any("generated images" in warning for warning in found.warnings)


def test_a_file_by_its_path_is_compared_with_the_network_of_its_manifest(artifact: Artifact) -> None:
    found = evaluate(SHAPES, artifact.path)
    assert found.accuracy is not None
    assert found.accuracy.agreed == 30


def test_a_file_without_a_manifest_is_not_compared_and_says_what_was_assumed(
    artifact: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "some.tflite").write_bytes(Path(artifact.path).read_bytes())
    found = evaluate(SHAPES, str(tmp_path / "some.tflite"))
    assert found.accuracy is not None
    assert (found.accuracy.agreed, found.accuracy.reference_correct) == (None, None)
    assert "not compared with torch" in " ".join(found.warnings)
    assert "no preprocessing is known" in " ".join(found.warnings)


def test_an_interrupted_evaluation_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = classifiers.of_file

    def counting(stop_after: int) -> Callable[..., classifiers.Classifier]:
        def of_file(artifact: Artifact, batch: int, threads: int = 1) -> classifiers.Classifier:
            real = original(artifact, batch, threads)

            def run(x: np.ndarray) -> np.ndarray:
                if len(seen) == stop_after:
                    raise KeyboardInterrupt
                seen.append(len(x))
                return real.run(x)

            return classifiers.Classifier(run, "counted", real.batch)

        return of_file

    data = "synthetic:textures?size=32&images=40"
    monkeypatch.setattr(classifiers, "of_file", counting(2))
    with pytest.raises(KeyboardInterrupt):
        evaluate(data, batch=8)
    monkeypatch.setattr(classifiers, "of_file", counting(99))
    found = evaluate(data, batch=8)
    assert seen == [8, 8, 8, 8, 8]
    assert found.accuracy is not None
    assert (found.accuracy.images, found.accuracy.agreed) == (40, 40)
    evaluate(data, batch=8)
    assert len(seen) == 5


def test_images_that_cannot_be_read_are_counted_and_named(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / "val" / f"class{number}"
        folder.mkdir(parents=True)
        Image.new("RGB", (40, 40), (20 * number, 90, 10)).save(folder / "good.png")
    (tmp_path / "val/class0/cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "val/class9/empty.png").write_bytes(b"")
    found = evaluate(str(tmp_path))
    assert found.accuracy is not None
    assert (found.accuracy.images, found.accuracy.unreadable) == (10, 2)
    assert sorted(Path(path).name for path in found.unreadable) == ["cut.jpg", "empty.png"]
    assert any("2 images cannot be read" in warning and "empty.png" in warning for warning in found.warnings)


def test_images_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"class{number}").mkdir()
        (tmp_path / f"class{number}/x.png").write_bytes(b"no")
    with pytest.warns(EdgebenchWarning, match="no folders"), pytest.raises(UsageError, match="none of the 10 images"):
        evaluate(str(tmp_path))


def test_other_classes_than_the_networks_are_refused_before_anything_is_exported() -> None:
    with pytest.raises(UsageError, match=r"mobilenetv2.* has 1000 classes and synthetic:shapes has 10"):
        evaluate(SHAPES, "mobilenetv2")


def test_a_file_of_other_classes_is_refused(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match=r"\.tflite has 10 classes and synthetic:shapes has 12"):
        evaluate("synthetic:shapes?classes=12", artifact.path)


def test_a_file_that_fails_says_so_and_fails_the_command_at_its_end(artifact: Artifact) -> None:
    images, _ = evaluating.dataset(SHAPES)
    host = profiles.load("host")
    cells = plan.cells([artifact.path, "lenet5"], ModelArguments(), plan.export_specs(["tflite"], ["fp32"]))
    done = evaluating.run(cells, images, host, method=evaluating.method(host))
    assert [one.status for one in done] == ["ok", "ok"]

    def fail(*arguments: object) -> None:
        raise DeviceError("the engine fell over")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "of_file", fail)
        done = evaluating.run(cells, images, host, method=evaluating.method(host))
    assert [one.error for one in done] == ["the engine fell over"] * 2
    with pytest.raises(DeviceError, match="2 of 2 evaluations failed"):
        evaluating.check(done)


def test_which_images_are_taken(tmp_path: Path) -> None:
    assert len(evaluating.dataset(SHAPES, limit=7)[0]) == 7
    with pytest.raises(UsageError, match="`limit` is 0"):
        evaluating.dataset(SHAPES, limit=0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{number}.png")
    whole, notes = evaluating.dataset(str(tmp_path))
    assert (len(whole), whole.split) == (10, "all")
    assert "`split='val'`" in notes[0]
    held, notes = evaluating.dataset(str(tmp_path), "val")
    assert (len(held), notes) == (2, [])


def test_where_files_run() -> None:
    assert evaluating.method(profiles.load("host")).mode == "measure"
    assert evaluating.method(profiles.load("rpi4")).mode == "emulate"
    assert evaluating.method(profiles.load("rpi4"), connect="pi@board").mode == "reach"
    with pytest.raises(UsageError, match="`via='estimate'` runs nothing"):
        evaluating.method(profiles.load("rpi4"), "estimate")


def test_profile_keeps_the_accuracy_beside_the_latency(tmp_path: Path) -> None:
    options = {"device": "rpi4", "format": ["tflite", "onnx"], "results": tmp_path}
    done = edgebench.profile("lenet5", data=SHAPES, limit=20, **options)
    assert [(one.accuracy.images, one.accuracy.agreed) for one in done if one.accuracy] == [(20, 20), (20, 20)]
    assert "+0.0" in repr(done)
    assert rows.profile(done[0])["accuracy"]["top1"].value == done[0].accuracy.correct / 20
    assert [record.accuracy for record in store.read(tmp_path)] == [one.accuracy for one in done]
    assert edgebench.profile("lenet5", **options)[0].accuracy is None


def test_profile_refuses_other_classes_before_it_measures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 1000 classes"):
        edgebench.profile("mobilenetv2", data=SHAPES, device="rpi4", results=tmp_path)


def test_the_command_prints_one_document(artifact: Artifact) -> None:
    done = CliRunner().invoke(app, ["evaluate", artifact.path, "--data", SHAPES, "--limit", "10", "--json"])
    assert done.exit_code == 0
    [row] = json.loads(done.stdout)
    assert (row["model"], row["format"], row["accuracy"]["images"]) == ("lenet5", "tflite", 10)
    assert "random values" in done.stderr


@pytest.mark.parametrize(
    "options", [["--calibrate", SHAPES], ["--precision", "int8"], ["--fmt", "onnx", "--samples", "8"]]
)
def test_what_a_ready_file_cannot_take_is_refused(options: list[str], artifact: Artifact) -> None:
    done = CliRunner().invoke(app, ["evaluate", artifact.path, "--data", SHAPES, *options])
    assert isinstance(done.exception, UsageError)
    assert f"is a ready file and stays what it was exported as: {', '.join(options[::2])} would" in str(done.exception)


def test_a_class_without_images_in_the_split_is_noted(tmp_path: Path) -> None:
    for folder in ("train/cat", "train/dog", "train/owl", "val/cat", "val/dog"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    _, [note] = evaluating.dataset(str(tmp_path))
    assert "has no images of owl in its split val" in note
    assert evaluating.dataset(str(tmp_path), "train")[1] == []


GREY = """
import torch
from torch import nn

class Grey(nn.Sequential):  # the nearest level: 2 l x - l l is largest
    def __init__(self, levels=12):
        head = nn.Linear(3, levels)
        super().__init__(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
        level = torch.arange(levels) * 20 / 255
        self[0].weight.data = torch.eye(3)[..., None, None]
        head.weight.data = 50 * 2 / 3 * level[:, None].repeat(1, 3)
        head.bias.data = -50 * level**2
"""


def grey_folder(folder: Path, names: list[str]) -> Path:
    """A class of images for each grey level 0, 20, 40 ..., in folders of these names."""
    for number, name in enumerate(names):
        (folder / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40), (20 * number,) * 3).save(folder / "photos" / name / "a.png")
    (folder / "grey.py").write_text(GREY)
    return folder / "photos"


def test_a_network_of_ones_own_is_evaluated_with_as_many_classes_as_it_has(tmp_path: Path) -> None:
    data = grey_folder(tmp_path, [f"level {number:02}" for number in range(12)])
    own = {"model": f"{tmp_path / 'grey.py'}:Grey", "input": (3, 32, 32), "split": "all"}
    found = evaluate(str(data), **own, preprocess="none")
    assert found.accuracy is not None
    assert (found.accuracy.correct, found.accuracy.agreed, found.model.classes) == (12, 12, 12)
    assert not any("no preprocessing is known" in warning for warning in found.warnings)
    found = evaluate(str(data), **own, mean="0.5", std="0.25")
    assert found.accuracy is not None and found.accuracy.correct < 12
    unknown = evaluate(str(data), **own)
    assert any("say how with `preprocess`" in warning for warning in unknown.warnings)


def test_labels_say_which_output_a_folder_is(tmp_path: Path) -> None:
    names = [f"level {number:02}" for number in range(12)]
    data = grey_folder(tmp_path, names)
    artifact = edgebench.export(
        f"{tmp_path / 'grey.py'}:Grey",
        input="3x32x32",
        options={"levels": 13},
        labels=[*names, "white"],
        preprocess="none",
        output=tmp_path,
    )
    assert artifact.labels == (*names, "white") and artifact.model.classes == 13
    assert artifact.preprocessing is not None and artifact.preprocessing.mean == (0.0,) * 3
    (data / "level 03").rename(data / "another")
    with pytest.raises(UsageError, match=r"unknown class among the labels of .*'another'"):
        evaluate(str(data), artifact.path, split="all")
    (data / "another").rename(data / "level 03")
    found = evaluate(str(data), artifact.path, split="all")
    assert found.accuracy is not None and found.accuracy.correct == 12
    with pytest.raises(UsageError, match="is a background class, name all outputs"):
        evaluate(str(data), f"{tmp_path / 'grey.py'}:Grey", input="3x32x32", options={"levels": 13}, split="all")
    with pytest.raises(UsageError, match="has 13 outputs, and 2 `labels` are given"):
        edgebench.export(
            f"{tmp_path / 'grey.py'}:Grey",
            input="3x32x32",
            options={"levels": 13},
            labels=["a", "b"],
            output=tmp_path / "no",
        )
