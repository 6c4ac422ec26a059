"""Weight files: what loads, and what is refused and how."""

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.build import build
from edgebench.models.weights import read

SPEC = models.resolve("resnet20", width=0.5)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return build(SPEC, seed=11).state_dict()


def _assert_holds(path: Path, state: dict[str, Tensor]) -> None:
    network = build(SPEC, weights=path)
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    loaded = network.state_dict()
    for key, value in state.items():
        assert torch.equal(loaded[key], value), key


@pytest.mark.parametrize("wrap", [dict, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_torch_files_load_plain_and_wrapped(tmp_path: Path, state: dict[str, Tensor], wrap: object) -> None:
    torch.save(wrap(state), tmp_path / "w.pth")  # type: ignore[operator]
    _assert_holds(tmp_path / "w.pth", state)


def test_data_parallel_prefix_is_removed(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "w.pt")
    _assert_holds(tmp_path / "w.pt", state)


def test_safetensors_load(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    _assert_holds(tmp_path / "w.safetensors", state)


def test_half_precision_becomes_float32_and_counters_may_be_missing(tmp_path: Path, state: dict[str, Tensor]) -> None:
    half = {key: value.half() for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(half, tmp_path / "w.pth")
    network = build(SPEC, weights=tmp_path / "w.pth")
    assert all(value.dtype == torch.float32 for value in network.parameters())
    assert torch.equal(network.state_dict()["fc.weight"], half["fc.weight"].float())


def test_published_googlenet_weights_load_without_side_branches(tmp_path: Path) -> None:
    both = models.resolve("googlenet", resolution=64, width=0.25, options={"aux": True})
    torch.save(build(both).state_dict(), tmp_path / "w.pth")
    network = build(models.resolve("googlenet", resolution=64, width=0.25), weights=tmp_path / "w.pth")
    assert not any(key.startswith("aux") for key in network.state_dict())


def test_every_key_that_does_not_fit_is_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    wrong = {key: value for key, value in state.items() if key not in ("conv1.weight", "bn1.bias")}
    wrong |= {"fc.weight": torch.zeros(7, 32), "head.weight": torch.zeros(1), "aux1.x": torch.zeros(1)}
    torch.save(wrong, tmp_path / "w.pth")
    with pytest.raises(UsageError) as caught:
        build(SPEC, weights=tmp_path / "w.pth")
    message = str(caught.value)
    assert "missing: conv1.weight, bn1.bias;" in message
    assert "unexpected: head.weight, aux1.x;" in message
    assert "wrong shape: fc.weight (file (7, 32), network (10, 32))" in message


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    for name, save in (("a.pth", torch.save), ("b.pth", lambda value, path: path.write_bytes(pickle.dumps(value)))):
        save({"x": _Payload(trace)}, tmp_path / name)
        with pytest.raises(UsageError, match="refused"):
            read(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.onnx", b"", "unknown ending"),
        ("w.pth", b"", "refused"),
        ("w.pth", b"not a pickle", "refused"),
        ("w.safetensors", b"", "not a readable safetensors"),
        ("w.safetensors", b"\xff" * 64, "not a readable safetensors"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no weights file .*gone\.pth"):
        read(tmp_path / "gone.pth")


@pytest.mark.parametrize("value", [[1, 2], {}, torch.zeros(3)])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="no state dict"):
        read(tmp_path / "w.pth")


def test_entries_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="no tensors: epoch"):
        read(tmp_path / "w.pth")


def test_a_truncated_file_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match="refused"):
        read(tmp_path / "w.pth")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".pth", ".safetensors"]))
def test_arbitrary_bytes_give_a_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read(path)


def test_a_checkpoint_of_a_training_is_not_taken_for_its_weights(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"model_spec": "{}", "settings": "{}", "model": state, "optimizer": {}}, tmp_path / "last.pt")
    with pytest.raises(UsageError, match=r"last\.pt' are a training checkpoint.*give best\.safetensors beside it"):
        read(tmp_path / "last.pt")
