"""What trained weights say of themselves, and that networks are resolved by it."""

from pathlib import Path

import msgspec
import pytest
from safetensors.torch import save_file

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.models import layouts, trained
from edgebench.models.build import build
from edgebench.models.trained import Trained, metadata, read
from edgebench.run.network import ModelArguments

PREPARED = Preprocessing(resize=40, crop=32, interpolation="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
SPEC = models.resolve("mobilenetv2", width=0.35, resolution=32, classes=3)


def _write(path: Path, spec: ModelSpec = SPEC, **changed: object) -> Trained:
    made = Trained(model=spec, classes=("a", "b", "c"), preprocessing=PREPARED)
    text = msgspec.json.encode({**msgspec.to_builtins(made), **changed}).decode()
    save_file(build(spec).state_dict(), path, {**metadata(made), trained.KEY: text})
    return made


def test_it_comes_back(tmp_path: Path) -> None:
    made = _write(tmp_path / "w.safetensors")
    assert read(tmp_path / "w.safetensors") == made


def test_other_files_say_nothing(tmp_path: Path) -> None:
    save_file(build(SPEC).state_dict(), tmp_path / "plain.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\xff" * 99)
    for name in ("plain.safetensors", "damaged.safetensors", "none.safetensors", "w.pth"):
        assert read(tmp_path / name) is None


def test_what_is_not_understood_is_one_sentence(tmp_path: Path) -> None:
    _write(tmp_path / "w.safetensors", model={"name": 3})
    with pytest.raises(UsageError, match="says of itself what this edgebench cannot read"):
        read(tmp_path / "w.safetensors")


def test_a_network_is_resolved_as_it_was_trained(tmp_path: Path) -> None:
    _write(tmp_path / "w.safetensors")
    arguments = ModelArguments(weights=tmp_path / "w.safetensors")
    assert arguments.resolve("mobilenet_v2") == SPEC
    larger = ModelArguments(resolution=64, weights=tmp_path / "w.safetensors").resolve("mobilenetv2")
    assert larger == msgspec.structs.replace(SPEC, resolution=64)


def test_channels_and_options_are_kept(tmp_path: Path) -> None:
    grey = models.resolve("lenet5", options={"modern": True})
    _write(tmp_path / "w.safetensors", grey)
    assert ModelArguments(weights=tmp_path / "w.safetensors").resolve("lenet5") == grey


def test_another_network_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"are those of mobilenetv2-w0\.35-d1-r32-k3, not of resnet18"):
        ModelArguments(weights=tmp_path / "w.safetensors").resolve("resnet18")


def test_preprocessing_is_carried_over_to_the_resolution(tmp_path: Path) -> None:
    _write(tmp_path / "w.safetensors")
    assert layouts.preprocessing(SPEC, tmp_path / "w.safetensors") == PREPARED
    larger = layouts.preprocessing(models.resolve("mobilenetv2", resolution=64), tmp_path / "w.safetensors")
    assert larger is not None
    assert (larger.resize, larger.crop, larger.mean) == (80, 64, PREPARED.mean)
