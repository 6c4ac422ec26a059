import shutil
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgebench.formats.foreign import load_artifact
from edgebench.formats.inspect import read
from edgebench.formats.onnx.convert import convert
from edgebench.formats.tflite.graph import read_graph
from edgebench.formats.tflite.writer import write
from edgebench.graph.operators import Conv, Dense, GlobalPool, Graph, Input
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, Scenario
from edgebench.measure import measure
from edgebench.runtimes.litert import engine as litert
from edgebench.runtimes.onnxruntime import engine as onnxruntime

RANDOM = np.random.default_rng(0)
IMAGE = ["batch", 3, 32, 24]


def small_graph() -> Graph:
    weight = RANDOM.standard_normal((8, 3, 3, 3), dtype=np.float32)
    dense = RANDOM.standard_normal((5, 8), dtype=np.float32)
    return Graph(
        (
            Input(name="image", inputs=(), shape=(1, 3, 32, 24)),
            Conv(
                name="conv",
                inputs=("image",),
                shape=(1, 8, 30, 22),
                in_channels=3,
                kernel=(3, 3),
                weight=weight,
                bias=np.zeros(8, np.float32),
            ),
            GlobalPool(name="pool", inputs=("conv",), shape=(1, 8)),
            Dense(
                name="logits", inputs=("pool",), shape=(1, 5), in_features=8, weight=dense, bias=np.zeros(5, np.float32)
            ),
        ),
        ("logits",),
    )


def write_onnx(path: Path, inputs: dict[str, list[int | str]], dtype: int = TensorProto.FLOAT, **save: object) -> Path:
    """A network that adds its inputs to a constant of 2000 elements."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    constant = onnx.numpy_helper.from_array(np.zeros((500, 4), helper.tensor_dtype_to_np_dtype(dtype)), "constant")
    nodes = [helper.make_node("Sum", list(inputs), ["logits"])]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, next(iter(inputs.values())))
    graph = helper.make_graph(nodes, "net", values, [output], [constant])
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path, **save)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory, network) -> dict[str, Path]:
    """A real network in each format, without a manifest."""
    folder = tmp_path_factory.mktemp("ready")
    convert(network, ExportSpec(format="onnx", precision="fp16"), folder / "net.onnx")
    write(small_graph(), folder / "net.tflite", "fp32")
    return {"onnx": folder / "net.onnx", "tflite": folder / "net.tflite"}


def test_onnx_file_says_what_it_is(files):
    artifact = load_artifact(files["onnx"])
    assert (artifact.model.name, artifact.model.family, artifact.model.input_shape) == ("net", "file", (1, 3, 32, 32))
    assert artifact.model.classes == 10
    assert (artifact.export.format, artifact.export.precision) == ("onnx", "fp16")
    assert artifact.inputs[0].shape == (None, 3, 32, 32)
    assert artifact.operators["Conv"] == 4
    assert artifact.parity is None
    assert artifact.size_bytes == files["onnx"].stat().st_size


def test_tflite_file_says_what_it_is(files):
    artifact = load_artifact(files["tflite"])
    assert (artifact.model.name, artifact.model.family, artifact.model.input_shape) == ("net", "file", (1, 3, 32, 24))
    assert artifact.model.classes == 5
    assert (artifact.export.format, artifact.export.precision) == ("tflite", "fp32")
    assert artifact.inputs[0].shape == (None, 32, 24, 3)
    assert artifact.inputs[0].layout == "NHWC"
    assert artifact.operators["CONV_2D"] == 1
    assert artifact.operators["FULLY_CONNECTED"] == 1


def test_own_file_is_read_from_its_manifest(spec, torch_program, builds, tmp_path):
    from edgebench.formats.pipeline import export_model

    made = export_model(spec, torch_program, tmp_path)
    assert load_artifact(Path(made.path)) == made


@pytest.mark.parametrize(("dtype", "precision"), [(TensorProto.FLOAT, "fp32"), (TensorProto.INT8, "int8")])
def test_precision_is_that_of_most_weights(tmp_path, dtype, precision):
    path = write_onnx(tmp_path / "net.onnx", {"image": IMAGE}, dtype)
    assert load_artifact(path).export.precision == precision


def test_channels_last_onnx_is_recognised(tmp_path):
    artifact = load_artifact(write_onnx(tmp_path / "net.onnx", {"image": [1, 32, 24, 3]}))
    assert artifact.inputs[0].layout == "NHWC"
    assert artifact.model.input_shape == (1, 3, 32, 24)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"tokens": [1, 128]}, r"takes no image, which has four sizes.*: tokens is 1x128"),
        ({"image": ["batch", 3, -1, "width"]}, r"leaves the size of its image open \(image is \?x3x\?x\?\): say it"),
    ],
)
def test_network_that_takes_something_else_is_refused(tmp_path, inputs, message):
    with pytest.raises(UsageError, match=message):
        load_artifact(write_onnx(tmp_path / "net.onnx", inputs))


@pytest.mark.parametrize(
    ("shape", "fixed"), [(["batch", 3, "h", "w"], (None, 3, 32, 24)), ([4, -1, -1, 3], (4, 32, 24, 3))]
)
def test_sizes_that_a_file_leaves_open_are_fixed_in_a_copy_of_it(tmp_path, shape, fixed):
    path = write_onnx(tmp_path / "net.onnx", {"image": shape})
    artifact = load_artifact(path, (3, 32, 24))
    assert artifact.inputs[0].shape == artifact.outputs[0].shape == fixed
    assert (artifact.model.name, artifact.model.input_shape) == ("net", (1, 3, 32, 24))
    assert Path(artifact.path).parent.name.endswith("32x24" if shape[0] == "batch" else "32x24x3")
    assert load_artifact(path, (3, 32, 24)) == artifact
    with pytest.raises(UsageError, match="takes images of 3x16x24, not of 1x16x24: leave it out"):
        load_artifact(path, (1, 16, 24))


def test_other_inputs_than_the_image_are_fed_zeros(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", {"bias": [4], "image": [1, 3, 32, 4]})
    assert [each.name for each in load_artifact(path).inputs] == ["image", "bias"]
    session = onnxruntime.load(str(path))
    image = RANDOM.standard_normal((1, 3, 32, 4), dtype=np.float32)
    assert np.array_equal(session.run(image), image)


def test_weights_beside_an_onnx_file_are_part_of_it(tmp_path):
    beside = {"save_as_external_data": True, "size_threshold": 0, "location": "net.data"}
    path = write_onnx(tmp_path / "net.onnx", {"image": IMAGE}, **beside)
    whole, data = load_artifact(path), tmp_path / "net.data"
    assert whole.size_bytes == path.stat().st_size + data.stat().st_size
    data.write_bytes(bytes(reversed(range(256))) * 32)
    assert load_artifact(path).sha256 != whole.sha256
    data.unlink()
    with pytest.raises(UsageError, match=r"keeps weights \(constant\) in net.data, which is not there"):
        load_artifact(path)


@pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "link"])
def test_weights_outside_the_folder_of_an_onnx_file_are_not_read(tmp_path, location):
    path = write_onnx(tmp_path / "net.onnx", {"image": IMAGE}, save_as_external_data=True, size_threshold=0)
    model = onnx.load_model(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    (tmp_path / "link").symlink_to("/etc/passwd")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="which is outside its folder"):
        load_artifact(path)


def test_the_runtime_has_the_last_word_on_an_onnx_file(tmp_path):
    """onnx's checker wants every domain imported, and onnxruntime knows its own; neither takes opset 99."""
    path = write_onnx(tmp_path / "net.onnx", {"image": IMAGE})
    model = onnx.load_model(path)
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "QuickGelu"
    path.write_bytes(model.SerializeToString())
    assert load_artifact(path).operators == {"QuickGelu": 1}
    model.opset_import[0].version = 99
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match=r"is not a network that runs: .*; and onnxruntime does not load it: "):
        load_artifact(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>\n", "is a text file, not a network"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer: run git lfs pull"),
        (b"PK\x03\x04\0\0\0\0\0\0", "is not"),
    ],
)
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_file_of_another_kind_is_refused(tmp_path, suffix, content, message):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_artifact(path)


@pytest.mark.parametrize("name", ["net.pt2", "net.mlpackage", "net.xyz"])
def test_other_formats_need_their_manifest(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(UsageError, match=r"has no manifest of edgebench beside it; ready files are \.onnx or \.ort or"):
        load_artifact(tmp_path / name)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        load_artifact(tmp_path / "net.onnx")


def check_refused_or_read(path: Path, content: bytes) -> None:
    """Anything but an Artifact or a UsageError fails the test that calls this."""
    path.write_bytes(content)
    try:
        artifact = load_artifact(path)
    except UsageError as error:
        assert str(path) in str(error)
    else:
        assert len(artifact.inputs) == 1


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("form", ["onnx", "tflite"])
@given(content=st.binary(max_size=300), marked=st.booleans())
@FUZZ
def test_random_bytes_are_refused(tmp_path, form, content, marked):
    check_refused_or_read(tmp_path / f"net.{form}", b"\x1c\0\0\0TFL3" + content if marked else content)


@pytest.mark.parametrize("form", ["onnx", "tflite"])
@given(data=st.data())
@FUZZ
def test_damaged_file_is_refused_or_read(tmp_path, files, form, data):
    content = bytearray(files[form].read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    check_refused_or_read(tmp_path / f"net.{form}", bytes(content))


@pytest.mark.parametrize("form", ["onnx", "tflite"])
@given(share=st.floats(0, 0.999))
@FUZZ
def test_cut_file_is_refused(tmp_path, files, form, share):
    content = files[form].read_bytes()
    path = tmp_path / f"net.{form}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UsageError):
        load_artifact(path)


def test_copy_of_an_own_file_without_manifest_is_read(files, tmp_path):
    copied = Path(shutil.copy(files["onnx"], tmp_path / "other.onnx"))
    assert load_artifact(copied).model.name == "other"


@pytest.mark.parametrize(("size", "batch"), [("batch", 1), (4, 4)])
def test_a_batch_that_a_file_has_fixed_is_measured_as_it_is(tmp_path, size, batch):
    artifact = load_artifact(write_onnx(tmp_path / "net.onnx", {"image": [size, *IMAGE[1:]]}))
    quick = Scenario(processes=1, warmup_runs=1, warmup_s=0, min_runs=2, min_s=0)
    measured = measure(artifact, "onnxruntime", quick)
    assert (measured.status, measured.scenario.batch) == ("ok", batch), measured.error


def test_onnxruntime_s_own_format_is_read_as_what_it_was_made_of(files, tmp_path):
    settings = onnxruntime.options(1)
    settings.optimized_model_filepath = str(tmp_path / "net.ort")
    settings.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.onnxruntime.InferenceSession(str(files["onnx"]), settings, providers=onnxruntime.PROVIDERS)
    found, of = load_artifact(tmp_path / "net.ort"), load_artifact(files["onnx"])
    assert (found.export.format, found.model) == ("onnx", of.model)
    assert found.inputs == of.inputs
    assert found.operators["Gemm"] == 1
    (tmp_path / "cut.ort").write_bytes((tmp_path / "net.ort").read_bytes()[:200])
    with pytest.raises(UsageError, match="onnxruntime does not load"):
        load_artifact(tmp_path / "cut.ort")


@pytest.fixture
def free(files, tmp_path) -> Path:
    """The .tflite file with height and width left open, as a converter leaves them."""
    content = bytearray(files["tflite"].read_bytes())
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    for tensor in map(graph.Tensors, range(graph.TensorsLength())):
        if tensor.ShapeSignatureLength() == 4:
            tensor.ShapeSignatureAsNumpy()[1:3] = -1
            tensor.ShapeAsNumpy()[1:3] = 1
    path = tmp_path / "free.tflite"
    path.write_bytes(content)
    return path


def test_sizes_that_a_tflite_file_leaves_open_are_fixed_in_a_copy_of_it(free, files):
    with pytest.raises(UsageError, match=r"leaves the size of its image open .* say it"):
        load_artifact(free)
    found = load_artifact(free, (3, 20, 28))
    assert (found.model.height, found.model.resolution, found.inputs[0].shape) == (20, 28, (None, 20, 28, 3))
    graph = read_graph(Path(found.path))
    assert graph.computed[0].shape == (1, 8, 18, 26)
    whole = load_artifact(free, (3, 32, 24))
    image = RANDOM.standard_normal((1, 32, 24, 3), dtype=np.float32)
    expected, again = (litert.load(str(path)).run(image) for path in (files["tflite"], whole.path))
    np.testing.assert_array_equal(again, expected)


def test_a_size_that_does_not_fit_is_refused(free):
    with pytest.raises(UsageError, match=r"does not take images of 2x2x3 \(height, width, channels\): nothing is left"):
        load_artifact(free, (3, 2, 2))


def test_a_tflite_file_with_operators_of_tensorflow_is_refused(files, tmp_path):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files["tflite"].read_bytes(), 0))
    custom = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[-1].builtinCode = model.operatorCodes[-1].deprecatedBuiltinCode = custom
    model.operatorCodes[-1].customCode = b"FlexErf"
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "flex.tflite"
    path.write_bytes(builder.Output())
    with pytest.raises(UsageError, match=r"needs operators of TensorFlow itself \(FlexErf\)"):
        load_artifact(path)
    assert "CUSTOM" in {each.kind for each in read(path).operators}


def test_a_newer_version_is_refused_in_one_sentence(files, tmp_path):
    model = onnx.load(files["onnx"])
    model.ir_version = 99
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="does not load it: Unsupported model IR version: 99, max supported"):
        load_artifact(tmp_path / "net.onnx")
