"""Files that a command cannot write or read: refused before it works, in one sentence and with exit code 2."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from edgebench import api, cli, models
from edgebench.formats.quantize import images
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Quantization

OUTPUTS = {
    "noise": lambda path: api.noise(output=path / "x.toml"),
    "plot": lambda path: api.plot(output=path / "x.toml", kind="pareto"),
    "report": lambda path: api.report(output=path / "x.toml"),
    "profile": lambda path: api.profile("lenet5", trace=path / "x.toml"),
    "scale": lambda path: api.scale("rpi4", "mobilenetv1", sweep=path / "x.toml"),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_folder_in_place_of_an_output_is_found_before_the_work(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "x.toml" / "kept"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write .*x\.toml: it is a folder"):
        OUTPUTS[command](tmp_path)
    assert (kept.read_text(), sorted(tmp_path.iterdir())) == ("mine", [kept.parent])


@pytest.mark.parametrize("name", ["noise.jsonl", "noise"])
def test_a_noise_file_that_fail_on_would_not_take_is_not_learned(name: str) -> None:
    with pytest.raises(UsageError, match=r"give a name in \.toml"):
        api.noise(output=name)


LONG = "n" * 300
TOO_LONG = {
    "export": ["lenet5", "-o", LONG],
    "profile": [f"{LONG}.onnx"],
    "inspect": [f"{LONG}.tflite"],
    "evaluate": ["lenet5", "--data", LONG],
    "train": ["lenet5", "--data", "synthetic:shapes", "-o", LONG],
    "augment": ["--data", LONG],
    "sweep": [LONG],
    "compare": [LONG, LONG],
    "gate": ["--budgets", LONG],
    "query": ["SELECT 1", "--results", LONG],
    "report": [LONG],
    "devices": [f"{LONG}.toml"],
}


def said(command: str, *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which a command refuses."""
    monkeypatch.setattr(sys, "argv", ["edgebench", command, *arguments])
    assert cli._run() == 2
    told = capsys.readouterr()
    assert told.out == ""
    [sentence] = [line for line in told.err.splitlines() if line.startswith(("edgebench: ", "Error: "))]
    return sentence


@pytest.mark.parametrize("command", TOO_LONG)
def test_a_name_that_the_system_does_not_take(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = said(command, *TOO_LONG[command], monkeypatch=monkeypatch, capsys=capsys)
    assert LONG in sentence and ("too long" in sentence or "unknown device" in sentence)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["inspect", os.fsdecode(b"caf\xe9.onnx")], r"'caf\xe9.onnx', which is not text in UTF-8"),
        (["train", "lenet5", "--data", os.fsdecode(b"caf\xe9")], r"--data is 'caf\xe9', which is not"),
        (["export", "a\nb\x1b[31m"], r"unknown model 'a\nb\x1b[31m'"),
        (["a\nb"], r"No such command 'a\nb'"),
        (["sweep", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["compare", "pipe.onnx", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["gate", "--budgets", "/dev/zero"], "/dev/zero is a pipe or a device, not a file"),
        (["history", "--results", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["report", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["report", "--accuracy", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["ab", "", "pipe.onnx"], ". has no manifest of edgebench beside it"),
        (["inspect", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["profile", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["ab", "pipe.onnx", "pipe.onnx"], "pipe.onnx is a pipe or a device, not a file"),
        (["evaluate", "pipe.onnx", "--data", "synthetic:shapes"], "pipe.onnx is a pipe or a device, not a file"),
    ],
)
def test_what_names_no_file_is_refused_in_one_line(
    arguments: list[str],
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.onnx")
    assert shown in said(*arguments, monkeypatch=monkeypatch, capsys=capsys)


def test_images_whose_names_are_no_text_and_pipes_among_images(tmp_path: Path) -> None:
    """In the four places where images are read; the pipe would be waited for."""
    for number, kind in enumerate((b"c\xe4t", b"dog")):
        folder = os.fsencode(tmp_path / "photos") + b"/" + kind
        os.makedirs(folder)
        for count in range(8):
            with open(folder + b"/caf\xe9-%d.png" % count, "wb") as file:
                Image.radial_gradient("L").rotate(30 * count).convert("RGB").resize((40, 40 + number)).save(file, "PNG")
        os.mkfifo(folder + b"/pipe.png")
    with open(folder + b"/unre\xe4dable.png", "wb") as file:
        file.write(b"no image")
    data = tmp_path / "photos"
    trained = api.train("lenet5", data, epochs=1, batch=4, augment="none", output=tmp_path / "run")
    assert trained.classes == (r"c\xe4t", "dog") and trained.train_images + trained.val_images == 16
    [judged] = api.evaluate("lenet5", data, split="all", weights=trained.weights, format="torch")
    assert judged.accuracy is not None and judged.accuracy.images == 16
    assert [Path(path).name for path in judged.unreadable] == [r"unre\xe4dable.png"]
    assert api.augment(data, preview=tmp_path / "shown.png", kinds="none", columns=2).is_file()
    wanted = Quantization(calibration=str(data), samples=8)
    calibrated = images.load(models.resolve("lenet5"), None, wanted)
    assert calibrated.given == 7
