"""Outputs of a file on a board over SSH and on an emulated one: those of this machine, image by image."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from edgebench.ground.errors import DeviceError
from edgebench.ground.records import Artifact, TensorSpec
from edgebench.machines import profiles
from edgebench.places.bundle.bundle import Bundle
from edgebench.places.emulator.emulator import EmulatorTarget
from edgebench.places.target import Target
from edgebench.run.classifiers import of_file, of_target

if TYPE_CHECKING:
    from conftest import Server

Exported = Callable[..., Artifact]


def agrees(artifact: Artifact, target: Target, batches: int) -> bool:
    here, there = of_file(artifact, 3), of_target(artifact, target, "there", 3)
    random = np.random.default_rng(0)
    for _ in range(batches):
        x = random.standard_normal((3, 1, 32, 32), dtype=np.float32)
        np.testing.assert_allclose(there.run(x), here.run(x), rtol=1e-4, atol=1e-5)
    return True


def test_a_board_gives_this_machines_outputs_for_one_batch_after_another(server: Server, exported: Exported) -> None:
    with server.connect(sys.executable) as target:
        assert agrees(exported("lenet5", "onnx"), target, batches=2)
    assert not list((server.home / "runs").glob("*/outputs*"))


def test_an_emulated_board_gives_this_machines_outputs(bundle: Bundle, exported: Exported) -> None:
    target = EmulatorTarget(profiles.load("rpi4"), bundle)
    assert agrees(exported("lenet5", "tflite"), target, batches=1)


def test_an_engine_that_fails_there_is_a_sentence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    image = TensorSpec(name="image", shape=(None, 3, 8, 8), dtype="float32")
    artifact = replace(server.artifact(fail={"1": "raise"}), inputs=(image,), outputs=(image,))
    monkeypatch.setattr("edgebench.run.classifiers.runtime_of", lambda form: "fake")
    with (
        server.connect() as target,
        pytest.raises(DeviceError, match="fake raised RuntimeError: the fake engine was told to raise"),
    ):
        of_target(artifact, target, "there", 2).run(np.zeros((2, 3, 8, 8), np.float32))
