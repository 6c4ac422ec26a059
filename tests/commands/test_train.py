"""`edgebench train` and `edgebench augment` as commands, and the way of trained weights into an exported file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import edgebench
from edgebench.cli import app
from edgebench.ground.errors import UsageError

SET = "synthetic:textures?size=16&classes=3&images=32"
SMALL = ["resnet20", "--width", "0.25", "--depth", "0.34", "--resolution", "16", "--data", SET, "--epochs", "1"]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_trained_weights_are_exported_with_their_classes_and_preprocessing(tmp_path: Path) -> None:
    done = _run("train", *SMALL, "-o", str(tmp_path / "run"), "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["model"]["classes"] == 3 and len(outcome["epochs"]) == 1
    assert (tmp_path / "run" / "curves.png").is_file()
    assert "few to train from scratch" in done.stderr
    exported = _run("export", "resnet20", "--weights", outcome["weights"], "-o", str(tmp_path / "files"))
    assert exported.exit_code == 0, exported.output
    [manifest] = (tmp_path / "files").glob("*.tflite.json")
    told = json.loads(manifest.read_bytes())
    assert told["outputs"][0]["shape"] == [None, 3] and told["model"]["resolution"] == 16
    assert told["preprocessing"] == outcome["preprocessing"]


def test_the_table_says_how_well_and_where(tmp_path: Path) -> None:
    done = _run("train", *SMALL, "-o", str(tmp_path / "run"), "--augment", "none")
    assert "of 32" in done.stdout and f"wrote {tmp_path / 'run' / 'best.safetensors'}" in done.stdout


def test_freezing_what_was_never_trained_is_warned_of(tmp_path: Path) -> None:
    done = _run("train", *SMALL, "-o", str(tmp_path / "run"), "--freeze", "all-but-head", "--json")
    assert done.exit_code == 0 and "--freeze all-but-head without --weights keeps initial values" in done.stderr


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("edgebench.training.trainer.Trainer._step", "interrupted; there was no finished epoch to keep: run the same"),
        ("edgebench.training.run.start", "interrupted; no epoch was begun: run the same command again"),
    ],
)
def test_an_interrupt_before_the_first_epoch_ends_says_so(
    place: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    done = _run("train", *SMALL, "-o", str(tmp_path / "run"))
    assert done.exit_code == 130
    assert sentence in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_interrupt_says_which_epoch_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.training.trainer import Trainer

    whole = Trainer._step

    def interrupted(self: Trainer, batch: object, augmentation: object) -> dict[str, float]:
        if self.epoch == 1:
            raise KeyboardInterrupt
        return whole(self, batch, augmentation)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_step", interrupted)
    done = _run("train", *SMALL, "--epochs", "2", "-o", str(tmp_path / "run"))
    assert done.exit_code == 130
    assert f"interrupted; epoch 1 is kept in {tmp_path / 'run' / 'last.pt'}; go on with --resume" in done.stderr


def test_python_trains_too(tmp_path: Path) -> None:
    small = {"width": 0.25, "depth": 0.34, "resolution": 16}
    outcome = edgebench.train("resnet20", SET, output=tmp_path, epochs=1, batch=16, augment="mirror", **small)  # type: ignore[arg-type]
    network = edgebench.build("resnet20", weights=outcome.weights)
    assert network.get_parameter("fc.weight").shape == (3, 16)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--epochs", "0"], "--epochs: expected int >= 1"),
        (["--augment", "flip"], "unknown augmentation 'flip'"),
        (["--freeze", "layer9"], "unknown module to freeze up to 'layer9'; did you mean layer"),
        (["--on", "tpu"], "unknown place to train on 'tpu'"),
        (["--weights", "gone.pth"], "no weights file gone.pth"),
        (["--data", "nowhere"], "the data set 'nowhere' does not exist"),
        (["--resume"], "there is no checkpoint"),
        (["--seed", "99999999999999999999"], "--seed is 99999999999999999999; it must be 0 or more and below 2**63"),
        (["--seed", "-1"], "--seed is -1;"),
    ],
)
def test_bad_input_is_one_sentence(extra: list[str], message: str, tmp_path: Path) -> None:
    done = _run("train", *SMALL, "-o", str(tmp_path / "run"), *extra)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_augment_writes_a_picture_with_a_row_a_kind(tmp_path: Path) -> None:
    shown = tmp_path / "shown.png"
    done = _run("augment", "--data", SET, "--preview", str(shown), "--kinds", "mirror,warp", "--resolution", "16")
    assert done.exit_code == 0, done.output
    with Image.open(shown) as picture:
        assert picture.size == (8 * 20 + 4, 4 * (14 + 16 + 8))  # as they are, mirrored, warped, both


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--seed", "99999999999999999999"], "--seed is 99999999999999999999; it must be 0 or more"),
        (["--preview", "p.txt"], "--preview is p.txt; the picture is a PNG"),
        (["--resolution", "1"], "--resolution is 1; it must be from 8 to 1024"),
        (["--resolution", "100000"], "--resolution is 100000; it must be from 8 to 1024"),
        (["--columns", "1000000"], "--columns is 1000000; it must be from 1 to 64"),
    ],
)
def test_what_augment_cannot_do_is_one_sentence(extra: list[str], message: str, tmp_path: Path) -> None:
    done = _run("augment", "--data", SET, "--preview", str(tmp_path / "shown.png"), *extra)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
