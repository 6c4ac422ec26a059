"""Small networks of the zoo through the whole pipeline, in every format and floating-point precision."""

import pytest

from edgebench import models
from edgebench.formats.format import check, every
from edgebench.formats.manifest import content_sha256
from edgebench.formats.pipeline import export_models
from edgebench.ground.errors import JobError, UsageError
from edgebench.ground.records import ExportSpec, Quantization

EXPORTS = [
    ExportSpec(format=form.name, precision=precision)
    for form in every()
    for precision in form.precisions
    if precision != "int8"
]
NETWORKS = [
    models.resolve("lenet5"),
    models.resolve("efficientnet_b0", width=0.25, depth=0.5, resolution=64, classes=10),
    models.resolve("resnet20"),
]
DYNAMIC = {"onnx", "tflite", "torch"}


@pytest.mark.parametrize("spec", NETWORKS, ids=[spec.name for spec in NETWORKS])
def test_every_format_computes_the_network(spec, tmp_path):
    outcomes = {export.key: outcome for export, outcome in export_models(spec, EXPORTS, tmp_path)}
    assert [str(outcome) for outcome in outcomes.values() if isinstance(outcome, JobError)] == []
    for export in EXPORTS:
        artifact = outcomes[export.key]
        assert artifact.parity.passed
        assert artifact.parity.inputs == 4
        assert artifact.parameters == models.parameters(spec)
        assert artifact.macs > 0
        assert artifact.sha256 == content_sha256(tmp_path / artifact.path)
        assert (artifact.inputs[0].shape[0] is None) == (export.format in DYNAMIC)
        assert artifact.warnings == ()
    assert outcomes["tflite-fp32"].delegates == 1
    assert outcomes["tflite-fp32"].delegated_share == 1
    # Only a ReLU can be part of the operator before it.
    assert ("fuse_activation" in outcomes["tflite-fp32"].rewrites) == (spec.name == "resnet20")
    assert (outcomes["tflite-fp32"].transposes, outcomes["tflite-fp32"].moved_bytes) == (0, 0)


def test_half_precision_halves_the_file(tmp_path):
    spec = models.resolve("lenet5")
    outcomes = {export.key: outcome for export, outcome in export_models(spec, EXPORTS, tmp_path)}
    for form in ("tflite", "onnx", "coreml"):
        assert outcomes[f"{form}-fp16"].size_bytes < 0.56 * outcomes[f"{form}-fp32"].size_bytes


@pytest.mark.parametrize(
    ("form", "given", "says"),
    [
        ("ncnn", Quantization(scheme="dynamic"), "ncnn has no int8 by `scheme='dynamic'`: ask for `scheme='static'`"),
        ("coreml", Quantization(scheme="dynamic"), "ask for `scheme='static'` or `scheme='weights'`"),
        ("mnn", Quantization(scheme="dynamic"), "mnn has no int8 by `scheme='dynamic'`"),
        ("onnx", Quantization(scheme="weights"), "onnx has no int8 by `scheme='weights'`"),
        ("onnx", Quantization(float_io=False), "onnx files take and give float32 .* is for tflite"),
    ],
)
def test_what_a_format_does_not_have_in_int8_is_refused_before_any_work(form, given, says):
    with pytest.raises(UsageError, match=says):
        check(ExportSpec(format=form, precision="int8", quantization=given))
