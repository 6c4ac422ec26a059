"""Tiny files of each format, written by hand, so that the engines are tested without the exporters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WEIGHTS = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)  # out, height, width, in


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., str]:
    """Writes image (batch, 3, 8, 8) -> conv -> relu -> logits; `inputs=2` adds a second image."""
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'edgebench[onnx]'")
    make, kind = onnx.helper, onnx.TensorProto

    def write(*, batch: int | str = "batch", size: int | str = 8, inputs: int = 1, dtype: int = kind.FLOAT) -> str:
        nodes = [make.make_node("Relu", ["image"], ["logits"])]
        if dtype == kind.FLOAT:
            nodes = [make.make_node("Conv", ["image", "w"], ["conv"]), make.make_node("Relu", ["conv"], ["logits"])]
        names = ["image", "second"][:inputs]
        graph = make.make_graph(
            nodes,
            "tiny",
            [make.make_tensor_value_info(name, dtype, [batch, 3, size, size]) for name in names],
            [make.make_tensor_value_info("logits", dtype, None)],
            [onnx.numpy_helper.from_array(WEIGHTS.transpose(0, 3, 1, 2).copy(), "w")] if len(nodes) == 2 else [],
        )
        path = tmp_path / "tiny.onnx"
        onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
        return str(path)

    return write


@pytest.fixture
def tflite_file(tmp_path: Path) -> Callable[..., str]:
    """Writes image (1, 8, 8, 3) -> conv -> logits (1, 6, 6, 4); `beyond_xnnpack=True` adds a SIGN and a RELU."""
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="needs ai-edge-litert: pip install 'edgebench[tflite]'"
    )

    def write(*, beyond_xnnpack: bool = False) -> str:
        path = tmp_path / "tiny.tflite"
        path.write_bytes(_Flatbuffer(schema).build(beyond_xnnpack))
        return str(path)

    return write


@pytest.fixture
def torch_file(tmp_path: Path) -> str:
    """Exports the same convolution with torch.export."""
    import torch

    module = torch.nn.Conv2d(3, 4, 3, bias=False).eval()
    module.weight.data = torch.from_numpy(WEIGHTS.transpose(0, 3, 1, 2).copy())
    path = tmp_path / "tiny.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), path)
    return str(path)


class _Flatbuffer:
    """Just enough of a TFLite writer for a convolution and operators of one input."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.codes: list[Any] = []
        self.operators: list[Any] = []

    def build(self, beyond_xnnpack: bool) -> bytes:
        image = self.tensor("image", (1, 8, 8, 3))
        constants = [self.tensor("w", WEIGHTS.shape, WEIGHTS), self.tensor("b", (4,), np.zeros(4, np.float32))]
        last = self.tensor("conv", (1, 6, 6, 4))
        options = self.schema.Conv2DOptionsT()
        options.strideH = options.strideW = 1
        options.padding = self.schema.Padding.VALID
        self.operator("CONV_2D", [image, *constants], last, options)
        for name in ("SIGN", "RELU")[: 2 * beyond_xnnpack]:
            before, last = last, self.tensor(name.lower(), (1, 6, 6, 4))
            self.operator(name, [before], last)
        return self.finish(image, last)

    def tensor(self, name: str, shape: tuple[int, ...], values: np.ndarray | None = None) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer, tensor.hasRank = name.encode(), np.array(shape, np.int32), 0, True
        tensor.type = self.schema.TensorType.FLOAT32
        if values is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: list[int], output: int, options: Any = None) -> None:
        code, operator = self.schema.OperatorCodeT(), self.schema.OperatorT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        self.codes.append(code)
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = self.schema.BuiltinOptions.Conv2DOptions, options
        self.operators.append(operator)

    def finish(self, image: int, logits: int) -> bytes:
        import flatbuffers

        graph, model = self.schema.SubGraphT(), self.schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array([image], np.int32), np.array([logits], np.int32)
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, self.codes
        model.signatureDefs = [self.signature(image, logits)]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def signature(self, image: int, logits: int) -> Any:
        signature = self.schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        for field, name, index in (("inputs", b"image", image), ("outputs", b"logits", logits)):
            entry = self.schema.TensorMapT()
            entry.name, entry.tensorIndex = name, index
            setattr(signature, field, [entry])
        return signature
