"""Where training computes."""

import pytest
import torch

from edgebench.ground.errors import UsageError
from edgebench.training.hardware import hardware


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
