import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from edgebench.formats import describe, native, pipeline
from edgebench.formats import format as formats
from edgebench.formats.format import form
from edgebench.formats.manifest import content_sha256
from edgebench.formats.network import Network
from edgebench.formats.pipeline import export_model, export_models, file_name, one_sentence
from edgebench.ground.errors import ExportError, MissingPackage, UsageError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Quantization
from edgebench.ground.registry import FORMATS


def test_file_and_manifest_agree(spec, torch_program, builds, tmp_path):
    artifact = export_model(spec, torch_program, tmp_path)
    file = Path(artifact.path)
    stored = msgspec.json.decode((tmp_path / f"{file.name}.json").read_bytes(), type=Artifact)
    assert file == tmp_path / "small-w1-d1-r32-k10-fp32.pt2"
    assert stored == msgspec.structs.replace(artifact, path=file.name)
    assert artifact.sha256 == content_sha256(file)
    assert artifact.size_bytes == file.stat().st_size
    assert artifact.parity.passed
    assert artifact.parity.inputs == 4
    assert artifact.parameters == 958
    assert artifact.macs == 147744
    assert artifact.preprocessing.mean == (0.485, 0.456, 0.406)
    assert artifact.tool_versions["torch"]


def test_second_call_is_cached_and_builds_nothing(spec, torch_program, builds, tmp_path):
    first = export_model(spec, torch_program, tmp_path)
    second = export_model(spec, torch_program, tmp_path)
    assert second == msgspec.structs.replace(first, cached=True)
    assert len(builds) == 1


def test_cached_call_does_not_import_torch(spec, torch_program, builds, tmp_path):
    export_model(spec, torch_program, tmp_path)
    program = f"""
import sys
from pathlib import Path
from edgebench.formats.pipeline import export_model
from edgebench.ground.records import ExportSpec, ModelSpec
spec = ModelSpec(name="small", family="test", resolution=32, classes=10)
artifact = export_model(spec, ExportSpec(format="torch"), Path({str(tmp_path)!r}))
sys.exit(not artifact.cached or "torch" in sys.modules or "numpy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("change", ["file", "manifest", "seed", "force"])
def test_anything_that_changed_is_exported_again(spec, torch_program, builds, tmp_path, change):
    artifact = export_model(spec, torch_program, tmp_path)
    file = Path(artifact.path)
    if change == "file":
        file.write_bytes(file.read_bytes()[:-1])
    elif change == "manifest":
        file.with_name(f"{file.name}.json").write_text("{")
    again = export_model(spec, torch_program, tmp_path, seed=int(change == "seed"), force=change == "force")
    assert not again.cached
    assert len(builds) == 2
    assert content_sha256(Path(again.path)) == again.sha256


def test_users_factory_is_never_cached(torch_program, builds, tmp_path):
    own = ModelSpec(name="nets.py:small", family="user", resolution=32, classes=10)
    export_model(own, torch_program, tmp_path)
    assert not export_model(own, torch_program, tmp_path).cached
    assert len(builds) == 2


def test_several_formats_share_one_network_and_a_failure_stops_none(spec, builds, tmp_path, monkeypatch):
    broken = ExportSpec(format="onnx")
    writers = {"onnx": "math:sqrt", "torch": form("torch").write}
    monkeypatch.setattr(pipeline, "form", lambda name: replace(form(name), write=writers[name]))
    outcomes = export_models(spec, [broken, ExportSpec(format="torch")], tmp_path)
    found = {export.key: outcome for export, outcome in outcomes}
    assert isinstance(found["onnx-fp32"], ExportError)
    assert str(found["onnx-fp32"]).startswith("onnx fp32 export failed: TypeError: ")
    assert isinstance(found["torch-fp32"], Artifact)
    assert len(builds) == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".pt2"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError("no")])
def test_interrupted_export_leaves_nothing(spec, torch_program, builds, tmp_path, monkeypatch, error):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(describe, "verify", fail)
    with pytest.raises((KeyboardInterrupt, ExportError)):
        export_model(spec, torch_program, tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_failed_export_keeps_the_file_that_was_there(spec, torch_program, builds, tmp_path, monkeypatch):
    artifact = export_model(spec, torch_program, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(describe, "verify", lambda *args: 1 / 0)
    with pytest.raises(ExportError, match="ZeroDivisionError"):
        export_model(spec, torch_program, tmp_path, force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert json.loads(before[f"{Path(artifact.path).name}.json"])["sha256"] == artifact.sha256


def test_file_that_computes_something_else_is_refused(spec, torch_program, builds, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "to_native", lambda x, layout: x[..., ::-1].copy())
    with pytest.raises(ExportError, match="the written file differs from torch: max abs error"):
        export_model(spec, torch_program, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (ExportSpec(format="torch", precision="int8"), "unknown precision for torch 'int8'"),
        (ExportSpec(quantization=Quantization()), "calibration is for int8, and the precision is fp32"),
        (ExportSpec(precision="int8", converter="litert-torch"), "converter litert-torch writes no int8"),
        (ExportSpec(format="torch", precision="fp16"), "unknown precision for torch 'fp16'"),
        (ExportSpec(format="onnx", converter="litert-torch"), "unknown converter for onnx 'litert-torch'"),
    ],
)
def test_combination_that_nobody_writes_is_refused_before_any_work(spec, export, message, builds, tmp_path):
    with pytest.raises(UsageError, match=message):
        export_model(spec, export, tmp_path)
    assert builds == []


@pytest.mark.parametrize(
    ("export", "absent", "message"),
    [
        (
            ExportSpec(format="coreml"),
            "coremltools",
            r"needs the package coremltools: pip install 'edgebench\[coreml\]'",
        ),
        (ExportSpec(converter="litert-torch"), "litert-torch", r"pip install 'edgebench\[oracle\]'"),
    ],
)
def test_missing_package_is_named_before_any_work(spec, export, absent, message, builds, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "installed_version", lambda package: None if package == absent else "1")
    with pytest.raises(MissingPackage, match=message):
        export_model(spec, export, tmp_path)
    assert builds == []


class Heads(torch.nn.Module):
    """Three outputs in a dictionary and a tuple in it, the last one an image."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = torch.nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        mask = self.mask(x)
        return {"mask": mask, "ends": (mask.mean((2, 3)), 100 * mask.amax((2, 3)))}


@pytest.mark.parametrize("form", FORMATS)
def test_several_outputs_keep_their_names_and_order_and_are_held_each_against_its_own_range(
    form, spec, tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline, "_build", lambda *given: Network(spec, Heads().eval()))
    made = export_model(spec, ExportSpec(format=form), tmp_path)
    assert [output.name for output in made.outputs] == ["mask", "ends_0", "ends_1"]
    assert [output.values for output in made.outputs] == [2 * 32 * 32, 2, 2]
    assert list(made.parity.outputs) == ["mask", "ends_0", "ends_1"]
    assert max(made.parity.outputs.values()) == made.parity.range_error < 1e-5


def test_wrong_one_of_several_outputs_is_named(spec, torch_program, tmp_path, monkeypatch):
    network, other = Network(spec, Heads().eval()), Network(spec, Heads().eval())
    vars(network)["program"] = other.program
    monkeypatch.setattr(pipeline, "_build", lambda *given: network)
    with pytest.raises(ExportError, match="output 'mask': the written file differs from torch"):
        export_model(spec, torch_program, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_network_without_a_tensor_is_refused(spec, torch_program, tmp_path, monkeypatch):
    module = torch.nn.Identity().eval()
    module.forward = lambda x: {"size": x.shape[2]}
    monkeypatch.setattr(pipeline, "_build", lambda *given: Network(spec, module))
    with pytest.raises(ExportError, match="returns no tensor, so there is nothing to export"):
        export_model(spec, torch_program, tmp_path)


def test_folder_that_is_a_file_is_refused(spec, torch_program, builds, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"cannot write into .*taken: file exists; choose another folder"):
        export_model(spec, torch_program, tmp_path / "taken")


def test_file_names_tell_weights_apart(spec):
    names = {file_name(spec.key, ExportSpec(format="onnx"), sha) for sha in (None, "a" * 64, "b" * 64)}
    names |= {file_name(spec.key, ExportSpec(format="onnx", precision="fp16"), None, 7)}
    assert names == {
        "small-w1-d1-r32-k10-fp32.onnx",
        "small-w1-d1-r32-k10-fp32-aaaaaaaa.onnx",
        "small-w1-d1-r32-k10-fp32-bbbbbbbb.onnx",
        "small-w1-d1-r32-k10-fp16-seed7.onnx",
    }


def test_one_sentence_is_the_innermost_cause():
    inner = ValueError("\n  conv has no weight\n  and more")
    outer = RuntimeError("pages of advice")
    outer.__cause__ = inner
    assert one_sentence(outer) == "ValueError: conv has no weight"
    assert one_sentence(KeyError()) == "KeyError"
    assert one_sentence(RuntimeError("[MIL FileWriter]: Unknown error")).endswith("Unknown error (is the disk full?)")


def wrapped(number: int) -> Exception:
    try:
        raise RuntimeError("enforce fail") from OSError(number, "no")
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no"), OSError(errno.EFBIG, "no"), wrapped(errno.ENOSPC)])
def test_a_full_disk_is_said_in_one_sentence(spec, torch_program, builds, tmp_path, monkeypatch, error):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(describe, "verify", fail)
    with pytest.raises(ExportError, match=r"^cannot write .*-fp32\.pt2: the disk is full \(or a .*; make room and run"):
        export_model(spec, torch_program, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_image_as_output_is_compared_as_torch_has_it(tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
    network = Network(ModelSpec(name="segment", family="test", resolution=16), module)
    artifact = pipeline._export(network, ExportSpec(), tmp_path / "segment.tflite", "", {})
    assert artifact.outputs[0].shape[1:] == (16, 16, 4) and artifact.outputs[0].layout == "NHWC"
    assert artifact.parity.passed


@pytest.mark.parametrize(("samples", "says"), [(4, "; only 4 images were calibrated on: give 8 or more"), (8, "$")])
def test_a_gate_that_fails_after_few_images_says_how_few(network, monkeypatch, samples, says):
    def fail(*args: object) -> None:
        raise ExportError("the gate")

    monkeypatch.setattr(describe, "_engine", lambda *given: describe.Engine(lambda x: x, "engine"))
    monkeypatch.setattr(describe, "verify", fail)
    wanted = Quantization(samples=samples)
    with pytest.raises(ExportError, match=f"^the gate{says}"):
        describe.describe(network.calibrated(wanted), ExportSpec(precision="int8"), Path("net.tflite"), None)


def test_an_exporter_that_wrote_no_int8_is_refused(spec, builds, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "form", lambda name: replace(form(name), write=form("torch").write))
    with pytest.raises(ExportError, match="ncnn is not written in int8 yet"):
        export_model(spec, ExportSpec(format="ncnn", precision="int8"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_of_that_name_that_edgebench_did_not_make_is_kept(spec, torch_program, builds, tmp_path):
    target = tmp_path / file_name(spec.key, torch_program)
    target.write_text("somebody's own")
    with pytest.raises(UsageError, match="edgebench did not make it"):
        export_model(spec, torch_program, tmp_path)
    assert target.read_text() == "somebody's own"
    assert builds == []
    assert export_model(spec, torch_program, tmp_path, force=True).path == str(target)
