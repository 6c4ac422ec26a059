"""The Python face: the commands' work, as records."""

from pathlib import Path

import pytest
import torch

import edgebench
from edgebench.ground.errors import EdgebenchWarning, UsageError
from edgebench.report.profiled import Results


def test_build_takes_a_networks_options() -> None:
    grouped = edgebench.build("alexnet", options={"groups": 2}, width=0.125)
    plain = edgebench.build("alexnet", width=0.125)
    assert not grouped.training
    assert sum(map(torch.numel, grouped.parameters())) < sum(map(torch.numel, plain.parameters()))


def test_export_returns_the_manifest(tmp_path: Path) -> None:
    artifact = edgebench.export("lenet5", options={"modern": True}, output=tmp_path)
    assert Path(artifact.path).stat().st_size == artifact.size_bytes
    assert artifact.parity is not None and artifact.parity.passed
    assert edgebench.export("lenet5", options={"modern": True}, output=tmp_path).cached


class Tiny(torch.nn.Sequential):
    def __init__(self, out: int = 5) -> None:
        super().__init__(
            torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, out)
        )


def test_a_module_in_hand_is_exported_and_what_export_returned_is_taken(tmp_path: Path) -> None:
    module = Tiny().train()
    artifact = edgebench.export(module, input=(3, 16, 16), output=tmp_path)
    assert module.training
    assert Path(artifact.path).name == "Tiny-r16-fp32.tflite"
    assert artifact.model.name.endswith(":Tiny") and artifact.model.digest
    assert artifact.outputs[0].shape[-1] == 5
    assert edgebench.inspect(artifact).path == artifact.path
    again = edgebench.export(module, example_inputs=torch.zeros(1, 3, 16, 16), output=tmp_path)
    assert (again.path, again.cached) == (artifact.path, False)
    other = edgebench.export(Tiny(6), input="3x16x16", output=tmp_path)
    assert Path(artifact.path).is_file() and Path(other.path).name.startswith("Tiny-r16-")
    assert other.path != artifact.path and other.model.key != artifact.model.key


def test_what_a_module_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r":Tiny' is your own network: say what it is fed"):
        edgebench.export(Tiny(), output=tmp_path)
    with pytest.raises(UsageError, match="two of the modules are a Tiny-r16 with the same layers"):
        edgebench.profile([Tiny(), Tiny()], input=(3, 16, 16), results=tmp_path)
    with pytest.raises(UsageError, match="`options` are for a name"):
        edgebench.export(Tiny(), input=(3, 16, 16), options={"out": 3}, output=tmp_path)
    with pytest.raises(UsageError, match="`inspect` looks into files"):
        edgebench.inspect(Tiny())
    with pytest.raises(UsageError, match="`scale` chooses in a family of the zoo"):
        edgebench.scale("rpi4", Tiny(), max_latency="50ms")
    with pytest.raises(UsageError, match="`noise` runs one file"):
        edgebench.noise(Tiny())


def test_a_module_is_trained_and_its_weights_are_those_of_a_copy(tmp_path: Path) -> None:
    module = Tiny(4)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    data = "synthetic:shapes?size=16&classes=4&images=40"
    outcome = edgebench.train(module, data, input=(3, 16, 16), epochs=1, augment="none", output=tmp_path / "run")
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    artifact = edgebench.export(module, input=(3, 16, 16), weights=outcome.weights, output=tmp_path)
    assert artifact.preprocessing == outcome.preprocessing


def test_export_in_int8_is_calibrated_on_a_data_set(tmp_path: Path) -> None:
    artifact = edgebench.export(
        "lenet5", precision="int8", calibrate="synthetic:shapes?size=32", samples=16, output=tmp_path
    )
    assert artifact.quantization is not None
    assert (artifact.quantization.calibration_images, artifact.quantization.held_out) == (12, 4)
    assert artifact.warnings == ()
    again = edgebench.export(
        "lenet5", precision="int8", calibrate="synthetic:shapes?size=32", samples=16, output=tmp_path
    )
    assert again.cached
    assert again.quantization == artifact.quantization


def test_profile_returns_records_that_show_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = edgebench.profile("lenet5", device="rpi4", results=tmp_path / "results")
    assert isinstance(found, Results)
    assert [record.model.name for record in found] == ["lenet5"]
    assert "estimated" in repr(found)


@pytest.mark.parametrize(
    ("asked", "message"), [({"format": "tflight"}, "did you mean tflite"), ({"precision": "fp8"}, "unknown precision")]
)
def test_bad_input_is_a_usage_error(asked: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        edgebench.export("lenet5", output=tmp_path, **asked)  # type: ignore[arg-type]


THREADED = {
    "profile": lambda folder: edgebench.profile("lenet5", threads=2, results=folder),
    "evaluate": lambda folder: edgebench.evaluate("lenet5", "synthetic:shapes", threads=2),
    "train": lambda folder: edgebench.train("lenet5", "synthetic:shapes", threads=2, output=folder / "run"),
    "ab": lambda folder: edgebench.ab("a.onnx", "b.onnx", threads=2),
    "noise": lambda folder: edgebench.noise("lenet5", threads=2, output=folder / "noise.toml"),
    "calibrate": lambda folder: edgebench.device_calibrate("host", threads=2),
}


@pytest.mark.parametrize("command", THREADED)
def test_more_threads_than_this_process_may_use_are_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebench.machines.facts.usable_cores", lambda: 1)
    with pytest.raises(UsageError, match="2 threads on this machine: give 1 to 1, what this process may use"):
        THREADED[command](tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_that_goes_on_says_how_many_cells_it_had(tmp_path: Path) -> None:
    options = {"device": "rpi4", "results": tmp_path}
    [first] = edgebench.profile("lenet5", **options)
    with pytest.warns(EdgebenchWarning, match="had 1 of 2 cells already"):
        again = edgebench.profile("lenet5", format=["tflite", "onnx"], resume=True, **options)
    assert again[0] == first
