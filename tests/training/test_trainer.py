"""One run's state, and where it computes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing
from edgebench.training.images import Normalize
from edgebench.training.settings import settings
from edgebench.training.start import Frozen
from edgebench.training.trainer import Trainer, hardware

PREPARED = Preprocessing(resize=8, crop=8, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)


def _trainer(**given: object) -> Trainer:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    return Trainer(network, Frozen(), settings(given), Normalize(PREPARED), hardware("cpu"))


def test_batch_norms_and_ranges_are_held_for_the_last_third() -> None:
    trainer = _trainer(quantization_aware=True, epochs=6)
    norm = trainer.network.get_submodule("1")
    assert trainer.rounding is not None
    for epoch, held in ((0, False), (3, False), (4, True), (5, True)):
        trainer.epoch = epoch
        trainer._mode(training=True)
        assert norm.training is not held
        assert bool(trainer.rounding.image.follows) is not held


def test_one_epoch_is_never_held_from_its_beginning() -> None:
    trainer = _trainer(quantization_aware=True, epochs=1)
    trainer._mode(training=True)
    assert trainer.network.get_submodule("1").training


def test_side_branches_count_with_their_weight() -> None:
    trainer = _trainer(side_weight=0.3, label_smoothing=0.0)
    main, side, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    alone = [float(nn.functional.cross_entropy(each, labels)) for each in (main, side)]
    found = float(trainer._criterion(main, [side, side], labels))
    assert abs(found - (alone[0] + 0.6 * alone[1])) < 1e-6


def test_a_restored_trainer_takes_the_very_same_step() -> None:
    from edgebench.training.images import Batch

    batch = Batch(torch.randint(0, 256, (8, 3, 8, 8), dtype=torch.uint8), torch.randint(0, 2, (8,)))
    first, second = _trainer(epochs=3), _trainer(epochs=3, seed=1)
    first._step(batch, nn.Identity())
    second.restore(copy.deepcopy(first.state()))
    rows = [each._step(batch, nn.Identity()) for each in (first, second)]
    assert rows[0] == rows[1]
    values = [each.network.state_dict() for each in (first, second)]
    assert all(torch.equal(values[0][key], values[1][key]) for key in values[0])


def test_a_cpu_computes_in_float32() -> None:
    found = hardware("cpu")
    assert found.half is None
    with found.autocast():
        assert torch.nn.functional.linear(torch.ones(1, 2), torch.ones(1, 2)).dtype == torch.float32


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hardware("auto").device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert hardware("auto").half is torch.bfloat16
    assert hardware("auto", mixed_precision=False).half is None


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch finds no cuda on this machine"):
        hardware("cuda")
    with pytest.raises(UsageError, match="unknown place to train on 'gpu'"):
        hardware("gpu")
