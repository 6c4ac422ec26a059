"""ONNX files as networks: each operator against onnxruntime's own, and whole files through other formats."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import edgebench
from edgebench.formats.onnx.source import module, read_graph
from edgebench.formats.onnx.torch_operators import OPERATORS
from edgebench.ground.errors import ExportError, UsageError
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

RANDOM = np.random.default_rng(0)
SHAPE = (4, 6, 8)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def longs(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


W = floats(6, 2, 3, 3)
ROIS = [np.zeros(0, np.float32)]
SIZES = [*ROIS, np.zeros(0, np.float32)]
OTHER = floats(1, *SHAPE)
HALF = np.float32(0.5)

PLAIN = [  # of the image alone
    "Abs", "Ceil", "Celu", "Cos", "Dropout", "Elu", "Erf", "Exp", "Floor", "Flatten", "GlobalAveragePool",
    "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "LogSoftmax", "Mish", "Neg", "Reciprocal",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Tanh", "ReduceL1",
    "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Transpose",
]  # fmt: skip
PAIRED = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"]  # of the image and another

# (operator, further inputs, attributes); the first input is the image
CASES: list[tuple[str, list, dict]] = [
    *((name, [], {}) for name in PLAIN),
    *((name, [OTHER], {}) for name in PAIRED),
    ("Mod", [OTHER], {"fmod": 1}),
    ("Gelu", [], {"approximate": "tanh"}),
    ("HardSigmoid", [], {"alpha": 1 / 6, "beta": 0.5}),
    ("Conv", [W, floats(6)], {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ("Conv", [floats(6, 4, 2, 2)], {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    (
        "ConvTranspose", [floats(4, 3, 3, 2), floats(3)],
        {"strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [1, 0]},
    ),
    ("ConvTranspose", [floats(4, 3, 3, 3)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2}),
    ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 0, 0, 2]}),
    ("AveragePool", [], {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("BatchNormalization", [floats(4), floats(4), floats(4), abs(floats(4))], {"epsilon": 1e-3}),
    ("InstanceNormalization", [floats(4), floats(4)], {}),
    ("LayerNormalization", [floats(8), floats(8)], {}),
    ("LRN", [], {"size": 3, "alpha": 0.1}),
    ("PRelu", [floats(4, 1, 1)], {}),
    ("Clip", [np.float32(-0.3), np.float32(0.4)], {}),
    ("Clip", [np.float32(0), np.float32(6)], {}),
    ("Pow", [np.float32(2)], {}),
    ("MatMul", [floats(8, 5)], {}),
    ("Einsum", [OTHER], {"equation": "nchw,nchv->nhwv"}),
    ("Expand", [longs(3, 1, 1, 1, 1)], {}),
    ("Tile", [longs(1, 2, 1, 3)], {}),
    ("Concat", [OTHER], {"axis": 2}),
    ("Reshape", [longs(0, -1, 12)], {}),
    ("Squeeze", [longs(0)], {}),
    ("Unsqueeze", [longs(-1, 1)], {}),
    ("Slice", [longs(1, -1), longs(2**40, -9), longs(1, 3), longs(2, -2)], {}),
    ("Gather", [np.array([[2, 0], [-1, 1]])], {"axis": 1}),
    ("Split", [longs(1, 3)], {"axis": 1}),
    ("Pad", [longs(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}),
    ("Pad", [longs(0, 1, 1, 2, 0, 0, 0, 1), np.float32(3)], {}),
    ("Pad", [longs(2, 1, 0, 1), None, longs(2, 3)], {"mode": "edge"}),
    ("DepthToSpace", [], {"blocksize": 2}),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", [], {"blocksize": 2}),
    ("ArgMax", [], {"axis": 1}),
    ("TopK", [longs(2)], {"axis": 2}),
    ("TopK", [longs(1)], {"axis": 1, "largest": 0}),
    ("Softmax", [], {"axis": 1}),
    ("ReduceMean", [longs(1, 3)], {"keepdims": 0}),
    ("QuantizeLinear", [np.float32(0.1), np.uint8(7)], {}),
    *(
        ("Resize", [*SIZES, longs(1, 4, height, width)], {"mode": mode, "coordinate_transformation_mode": grid})
        for mode, grid, height, width in (
            ("nearest", "asymmetric", 12, 24), ("nearest", "half_pixel", 9, 5), ("linear", "half_pixel", 9, 5),
            ("linear", "align_corners", 9, 5), ("linear", "asymmetric", 12, 16), ("cubic", "half_pixel", 12, 16),
        )
    ),
    (
        "Resize", [*ROIS, np.array([1, 1, 1.7, 2], np.float32)],
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    ),
]  # fmt: skip

# Operators that are tried in networks of several, below.
TOGETHER = {
    "And", "Cast", "ConstantOfShape", "DequantizeLinear", "Equal", "Gemm", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Log", "Not", "Or", "Range", "Shape", "Size", "Sqrt", "Where", "Xor", "Upsample",
    "com.microsoft.Gelu", "com.microsoft.QuickGelu",
}  # fmt: skip


def written(path: Path, nodes: list, constants: dict[str, np.ndarray], opset: int = 20, outputs: int = 1) -> Path:
    """A file with `nodes` from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_empty_tensor_value_info(name) for name in ["y", "z"][:outputs]],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def agree(path: Path) -> bool:
    image = floats(1, *SHAPE)
    session = onnxruntime.InferenceSession(str(path), options(1, exact=True), providers=PROVIDERS)
    (expected, *_) = session.run(None, {"x": image})
    with torch.no_grad():
        found = module(path)(torch.from_numpy(image)).numpy()
    assert found.shape == expected.shape
    return np.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "further", "attributes"), CASES, ids=lambda part: part if isinstance(part, str) else ""
)
def test_operator_is_onnxruntimes_own(kind, further, attributes, tmp_path):
    names = ["x", *("" if each is None else f"c{number}" for number, each in enumerate(further))]
    constants = {name: each for name, each in zip(names[1:], further, strict=True) if name}
    outputs = ["y", "z"] if kind in ("Split", "TopK") else ["y"]
    nodes = [helper.make_node(kind, names, outputs, **attributes)]
    assert agree(written(tmp_path / "one.onnx", nodes, constants, outputs=len(outputs)))


node = helper.make_node
TOGETHERS = {
    "sizes become constants": (
        [
            node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["batch"]), node("Gather", ["s", "one"], ["c"]),
            node("Concat", ["batch", "c", "rest"], ["to"], axis=0), node("Reshape", ["x", "to"], ["y"]),
        ],
        {"zero": longs(0), "one": longs(1), "rest": longs(-1)},
    ),
    "masks": (
        [
            node("Greater", ["x", "half"], ["a"]), node("LessOrEqual", ["x", "half"], ["b"]), node("Not", ["b"], ["c"]),
            node("And", ["a", "c"], ["d"]), node("Less", ["x", "third"], ["e"]), node("Or", ["d", "e"], ["f"]),
            node("GreaterOrEqual", ["x", "third"], ["g"]), node("Xor", ["f", "g"], ["h"]),
            node("Where", ["h", "x", "half"], ["i"]), node("Equal", ["i", "half"], ["j"]),
            node("Cast", ["j"], ["k"], to=TensorProto.FLOAT), node("Add", ["i", "k"], ["y"]),
        ],
        {"half": HALF, "third": np.float32(-0.3)},
    ),
    "positions": (
        [
            node("Shape", ["x"], ["s"]), node("Size", ["x"], ["n"]), node("Div", ["n", "six"], ["m"]),
            node("Range", ["zero", "m", "one"], ["r"]), node("Cast", ["r"], ["f"], to=TensorProto.FLOAT),
            node("Reshape", ["f", "to"], ["t"]), node("Add", ["x", "t"], ["u"]),
            node("ConstantOfShape", ["s"], ["v"], value=numpy_helper.from_array(np.array([2], np.float32))),
            node("Mul", ["u", "v"], ["y"]),
        ],
        {"six": np.int64(6), "zero": np.int64(0), "one": np.int64(1), "to": longs(1, 4, 1, 8)},
    ),
    "logarithms and roots": (
        [
            node("Abs", ["x"], ["a"]), node("Add", ["a", "half"], ["b"]), node("Log", ["b"], ["c"]),
            node("Sqrt", ["b"], ["d"]), node("Mul", ["c", "d"], ["y"]),
        ],
        {"half": HALF},
    ),
    "dense": (
        [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["y"], alpha=0.5, beta=2.0, transB=1)],
        {"w": floats(5, 192), "b": floats(5)},
    ),
    "eight bits": (
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
            node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], axis=0), node("Conv", ["d", "w"], ["y"]),
        ],
        {"s": np.float32(0.05), "z": np.int8(3), "wq": RANDOM.integers(-128, 127, (2, 4, 1, 1), np.int8),
         "ws": np.array([0.1, 0.2], np.float32), "wz": np.zeros(2, np.int8)},
    ),
    "Microsoft's own": (
        [
            node("QuickGelu", ["x"], ["a"], domain="com.microsoft", alpha=1.702),
            node("Gelu", ["a"], ["y"], domain="com.microsoft"),
        ],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHERS)
def test_operators_work_together(case, tmp_path):
    assert agree(written(tmp_path / "several.onnx", *TOGETHERS[case]))


def test_older_operator_sets_say_it_by_attributes(tmp_path):
    nodes = [
        node("Unsqueeze", ["x"], ["a"], axes=[2]),
        node("Squeeze", ["a"], ["b"], axes=[2]),
        node("Slice", ["b"], ["c"], starts=[1], ends=[3], axes=[1]),
        node("Pad", ["c"], ["d"], pads=[0, 0, 1, 1, 0, 0, 0, 2], value=0.5),
        node("Clip", ["d"], ["e"], min=-0.5, max=0.5),
        node("Upsample", ["e", "scales"], ["f"], mode="nearest"),
        node("ReduceMean", ["f"], ["g"], axes=[3]),
        node("Softmax", ["g"], ["y"], axis=1),
    ]
    assert agree(written(tmp_path / "old.onnx", nodes, {"scales": np.array([1, 1, 2, 3], np.float32)}, opset=9))


def test_every_operator_is_tried():
    assert {kind for kind, _, _ in CASES} | TOGETHER == OPERATORS.keys()


def test_file_becomes_another_format_and_a_graph(tmp_path):
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("GlobalAveragePool", ["b"], ["c"]),
        node("Flatten", ["c"], ["y"]),
    ]
    path = written(tmp_path / "small.onnx", nodes, {"w": floats(5, 4, 3, 3)})
    made = edgebench.export(path, format="tflite", output=tmp_path / "out")
    assert made.parity is not None
    assert made.parity.passed
    assert Path(made.path).name == "small-r8-h6-c4-fp32.tflite"
    assert read_graph(path).counts()["conv"] == 1


def test_what_cannot_be_read_is_said(tmp_path):
    unknown = written(tmp_path / "unknown.onnx", [node("Det", ["x"], ["y"])], {})
    with pytest.raises(UsageError, match=r"has the operator Det \(y\), which edgebench cannot convert"):
        module(unknown)
    odd = written(tmp_path / "odd.onnx", [node("Reshape", ["x", "to"], ["y"])], {"to": longs(5, 5)})
    with pytest.raises(UsageError, match=r"torch cannot run the ONNX operator Reshape \(y\) on an image of 4x6x8"):
        module(odd)
    with pytest.raises(UsageError, match="takes images of 4x6x8, not of 3x6x8"):
        module(odd, (3, 6, 8))
    odd.write_bytes(odd.read_bytes()[:40])
    with pytest.raises(UsageError, match=r"odd\.onnx is not an ONNX file, or a part of one"):
        module(odd)


def test_a_name_that_is_no_text_is_damage(tmp_path):
    path = written(tmp_path / "net.onnx", [node("Relu", ["x"], ["first"]), node("Relu", ["first"], ["y"])], {})
    path.write_bytes(path.read_bytes().replace(b"first", b"fir\xf5t"))
    with pytest.raises(UsageError, match="has a name that is no text: it is damaged"):
        module(path)


def test_weights_outside_of_the_files_folder_are_refused(tmp_path):
    (tmp_path / "inner").mkdir()
    path = written(tmp_path / "inner" / "net.onnx", [node("Conv", ["x", "w"], ["y"])], {"w": floats(300, 4, 1, 1)})
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert agree(path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../w.bin"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match=r"keeps weights \(w\) in \.\./w\.bin, which is outside its folder"):
        module(path)


def test_networks_that_differ_are_not_taken(tmp_path, monkeypatch):
    path = written(tmp_path / "one.onnx", [node("Relu", ["x"], ["y"])], {})
    monkeypatch.setitem(OPERATORS, "Relu", lambda node, inputs: inputs[0])
    with pytest.raises(ExportError, match="torch computes something else than onnxruntime"):
        module(path)
