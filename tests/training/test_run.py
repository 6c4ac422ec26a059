"""Whole runs: what is written, that a killed one goes on to the same bits, and what is refused."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edgebench import models
from edgebench.ground.errors import TrainingError, UsageError
from edgebench.ground.progress import Step
from edgebench.models import trained
from edgebench.models.build import build
from edgebench.models.given import Given
from edgebench.models.preparation import Preparation
from edgebench.training import records as metrics
from edgebench.training.checkpoint import BEST, LAST, METRICS
from edgebench.training.run import TrainingRequest, train

Make = Callable[..., TrainingRequest]

KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from conftest import SET, SMALL
from edgebench.training.run import TrainingRequest, train
from edgebench.training.settings import settings
def told(step):
    print(step.title, step.detail, flush=True)
chosen = settings({settings!r})
train(TrainingRequest(SMALL, SET, chosen, Path({folder!r}), resume={resume!r}), told)
"""


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    """All values of a run: those that are kept, and those of the checkpoint."""
    state = torch.load(folder / LAST, weights_only=True)
    return {**state["model"], **{f"average.{key}": value for key, value in state["average"]["values"].items()}}


def test_a_run_learns_and_writes_what_it_says(request_for: Make) -> None:
    request = request_for(epochs=5, lr=0.01, augment="none", warmup=0)
    outcome = train(request)
    assert outcome.epochs[-1].train_loss < 0.9 * outcome.epochs[0].train_loss
    assert outcome.best_epoch == max(outcome.epochs, key=lambda row: row.val_accuracy).epoch
    assert sorted(path.name for path in request.folder.iterdir()) == sorted([BEST, LAST, METRICS])
    assert metrics.read(request.folder / METRICS) == list(outcome.epochs)
    found = trained.read(request.folder / BEST)
    assert found is not None
    assert found.classes == outcome.classes and len(found.classes) == 3
    assert found.accuracy == outcome.val_accuracy and found.preprocessing == outcome.preprocessing


def test_the_kept_weights_are_those_that_were_evaluated(request_for: Make) -> None:
    from edgebench import data

    request = request_for(epochs=3, lr=0.01)
    outcome = train(request)
    network = build(outcome.model, weights=request.folder / BEST)
    dataset = data.load(request.data, split="val")
    [batch] = data.batches(dataset, outcome.preprocessing, (3, 16, 16), 48, lambda error: pytest.fail(str(error)))
    with torch.inference_mode():
        right = (network(torch.from_numpy(batch.x)).argmax(1) == torch.from_numpy(batch.labels)).float().mean()
    assert right.item() == pytest.approx(outcome.val_accuracy)


def test_the_same_seed_gives_the_same_bits_and_torchs_random_state_is_left_alone(
    request_for: Make, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(request_for(epochs=1, seed=seed, folder=tmp_path / name))
    a, b, c = (_weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["conv1.weight"], c["conv1.weight"])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "extra", [{}, {"quantization_aware": True, "optimizer": "sgd", "ema": 0.9}], ids=["plain", "int8"]
)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, request_for: Make, extra: dict[str, object]) -> None:
    chosen = {"epochs": 4, "batch": 16, "threads": 1, "augment": "mirror,crop,jitter,pca", **extra}
    folder = tmp_path / "killed"
    code = KILLED.format(tests=str(Path(__file__).parent), settings=chosen, folder=str(folder), resume=False)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "epoch 3" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert 2 <= len(metrics.read(folder / METRICS)) < 4
    resumed = train(request_for(**chosen, folder=folder, resume=True))
    whole = train(request_for(**chosen, folder=tmp_path / "whole"))
    first, second = _weights(folder), _weights(tmp_path / "whole")
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    best = (load_file(path / BEST) for path in (folder, tmp_path / "whole"))
    assert all(torch.equal(*pair) for pair in zip(*(found.values() for found in best), strict=True))
    timeless = [[replace_times(row) for row in found.epochs] for found in (resumed, whole)]
    assert timeless[0] == timeless[1]


def replace_times(row: metrics.Epoch) -> metrics.Epoch:
    import msgspec

    return msgspec.structs.replace(row, images_per_s=0.0, seconds=0.0)


def test_a_full_disk_leaves_the_last_good_checkpoint_to_resume(request_for: Make, tmp_path: Path) -> None:
    request, limits = request_for(epochs=2), resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step: Step) -> None:
        if "epoch 2" in step.title:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(TrainingError, match=r"cannot write .*: file too large; the one before is whole: make room"):
            train(request, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert torch.load(request.folder / LAST, weights_only=True)["epoch"] == 1
    assert trained.read(request.folder / BEST) is not None and load_file(request.folder / BEST)
    assert not list(request.folder.glob(".*"))
    train(replace(request, resume=True))
    train(request_for(epochs=2, folder=tmp_path / "whole"))
    first, second = _weights(request.folder), _weights(tmp_path / "whole")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_loss_of_nan_stops_and_says_where(request_for: Make) -> None:
    request = request_for(epochs=30, lr=1e9, warmup=0, clip=0, optimizer="sgd")
    with pytest.raises(
        TrainingError, match=r"the (loss|gradient) became (nan|inf) at step \d+, in epoch \d+: .*kept|keep"
    ):
        train(request)


def test_after_nan_the_last_good_epoch_is_there(request_for: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.training.trainer import Trainer

    whole = Trainer._step

    def broken(self: Trainer, batch: object, augmentation: object) -> dict[str, float]:
        if self.epoch == 1:
            self._loss = lambda outputs, labels: outputs.sum() * float("nan")  # type: ignore[assignment]
        return whole(self, batch, augmentation)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_step", broken)
    request = request_for(epochs=3)
    with pytest.raises(
        TrainingError, match=r"the loss became nan at step 4, in epoch 2: .* epoch 1 is kept in .*last\.pt"
    ):
        train(request)
    assert torch.load(request.folder / LAST, weights_only=True)["epoch"] == 1
    assert (request.folder / BEST).is_file()


@pytest.mark.parametrize(
    ("loss", "clip", "message"),
    [
        (float("nan"), 5.0, r"validation loss became nan in epoch 2: .* a smaller `clip`.*epoch 1 is kept"),
        (1e4, 0.0, r"validation loss became 10000 in epoch 2: .* or `clip=5`.*epoch 1 is kept"),
        (None, 5.0, r"values of conv1.weight became infinite or nan in epoch 2.*epoch 1 is kept"),
    ],
    ids=["nan", "huge", "weights"],
)
def test_a_diverged_epoch_is_not_saved(
    loss: float | None, clip: float, message: str, request_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgebench.training.trainer import Trainer

    whole = Trainer.evaluate

    def diverged(self: Trainer, images: object) -> tuple[float, float]:
        found = whole(self, images)  # type: ignore[arg-type]
        if self.epoch < 2:
            return found
        if loss is None:
            self.network.state_dict()["conv1.weight"].fill_(float("inf"))
        return (found[0] if loss is None else loss), 1.0

    monkeypatch.setattr(Trainer, "evaluate", diverged)
    request = request_for(epochs=3, clip=clip)
    with pytest.raises(TrainingError, match=message):
        train(request)
    state = torch.load(request.folder / LAST, weights_only=True)
    assert state["epoch"] == 1 and all(value.isfinite().all() for value in load_file(request.folder / BEST).values())
    found = trained.read(request.folder / BEST)
    assert found is not None and found.epochs == 1


def test_resuming_a_finished_run_changes_nothing(request_for: Make) -> None:
    request = request_for(epochs=1)
    outcome = train(request)
    before = (request.folder / LAST).read_bytes()
    assert train(replace(request, resume=True)) == outcome
    assert (request.folder / LAST).read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"spec": models.resolve("plain20", width=0.25, depth=0.34, resolution=16)},
            "is a checkpoint of resnet20.*, not of plain20",
        ),
        ({"data": "synthetic:textures?size=16&classes=3&images=45"}, "was trained on other images"),
        ({"epochs": 3}, r"other settings: epochs 3 \(was 1\)"),
    ],
    ids=["network", "images", "settings"],
)
def test_another_runs_checkpoint_is_one_sentence(request_for: Make, change: dict[str, object], message: str) -> None:
    train(request_for(epochs=1))
    with pytest.raises(UsageError, match=message):
        train(request_for(**{"epochs": 1, "resume": True, **change}))


def test_what_a_folder_must_be(request_for: Make, tmp_path: Path) -> None:
    request = request_for(epochs=1)
    with pytest.raises(UsageError, match=r"there is no checkpoint .*last\.pt"):
        train(replace(request, resume=True))
    train(request)
    with pytest.raises(UsageError, match="holds a run already"):
        train(request)
    (request.folder / LAST).write_bytes(b"damaged")
    with pytest.raises(UsageError, match="damaged or no checkpoint"):
        train(replace(request, resume=True))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write into"):
        train(replace(request, folder=tmp_path / "file" / "below"))


def test_transfer_takes_preprocessing_and_trunk_from_the_weights(request_for: Make, tmp_path: Path) -> None:
    first = train(request_for(epochs=1, folder=tmp_path / "first"))
    other = "synthetic:shapes?size=16&classes=4&images=40"
    second = train(
        request_for(
            epochs=1, freeze="all-but-head", data=other, weights=tmp_path / "first" / BEST, folder=tmp_path / "second"
        )
    )
    assert second.preprocessing == first.preprocessing
    assert second.replaced == ("fc",) and second.model.classes == 4
    assert second.trained_parameters == 4 * 16 + 4
    a, b = (load_file(tmp_path / name / BEST) for name in ("first", "second"))
    assert all(torch.equal(a[key], b[key]) for key in a if not key.startswith("fc") and "tracked" not in key)


def test_side_branches_are_trained_and_stay_out_of_evaluation(request_for: Make) -> None:
    spec = models.resolve("googlenet", width=0.125, resolution=32, classes=3, options={"aux": True})
    data = "synthetic:textures?size=32&classes=3&images=16"
    request = request_for(spec=spec, data=data, epochs=1, batch=8, ema=0.0)
    train(request)
    state, begun = torch.load(request.folder / LAST, weights_only=True)["model"], build(spec).state_dict()
    assert not torch.equal(state["aux2.fc2.weight"], begun["aux2.fc2.weight"])


NETS = """
from torch import nn
def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
def wrong():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
"""


def test_a_users_own_network(request_for: Make, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    own = models.resolve(f"{tmp_path}/nets.py:flat", resolution=16, channels=3)
    assert train(request_for(spec=own, epochs=1)).val_images == 48
    wrong = models.resolve(f"{tmp_path}/nets.py:wrong", resolution=16, channels=3)
    with pytest.raises(UsageError, match=r"gives \(2, 5\) for two images, and the data has 3 classes"):
        train(request_for(spec=wrong, folder=tmp_path / "wrong"))


def test_images_are_prepared_as_was_said_and_the_weights_say_so(request_for: Make) -> None:
    said = Preparation(fields={"mean": (0.5,) * 3, "std": (0.25,) * 3, "channels": "bgr", "squash": True})
    outcome = train(request_for(epochs=1, given=Given(preparation=said)))
    expected = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "channels": "bgr", "squash": True, "crop": 16, "resize": 16}
    assert {name: getattr(outcome.preprocessing, name) for name in expected} == expected
    assert Given(weights=Path(outcome.weights)).preprocessing(outcome.model) == outcome.preprocessing


def test_what_does_not_say_the_mean_leaves_it_to_the_data(request_for: Make, tmp_path: Path) -> None:
    order = Given(preparation=Preparation(fields={"channels": "bgr"}))
    bgr, rgb = (
        train(request_for(epochs=1, given=given, folder=tmp_path / name)).preprocessing
        for name, given in (("bgr", order), ("rgb", Given()))
    )
    assert (bgr.channels, bgr.mean, bgr.std) == ("bgr", rgb.mean[::-1], rgb.std[::-1])
    said = Given(preparation=Preparation("imagenet"))
    with pytest.raises(UsageError, match="takes mean and deviation from the images"):
        train(request_for(normalize="data", given=said, folder=tmp_path / "no"))
