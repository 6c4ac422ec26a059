"""Dynamic int8: weights in 8 bits, activations rounded anew in every inference, by the range that they then have."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgebench.formats.quiet import Noise, quiet

OPERATORS = ["Conv", "Gemm", "MatMul"]
SLOWER = (
    "dynamic int8 is slower than fp32 for convolutions (MobileNetV2: 2x, measured on x86): use static int8 for speed"
)
NOISE = Noise(logs={"root": "Please consider to run pre-processing before quantization"})


def quantize(model: ModelProto) -> ModelProto:
    """Returns the network with unsigned 8-bit weights, a tensor at a time; `model` is left as it is.

    onnxruntime's integer convolution is four times slower still with signed weights.
    """
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.value_info[:]  # the quantizer transposes dense weights, whose stated shapes would then be wrong
    with TemporaryDirectory() as folder, quiet(NOISE):
        path = Path(folder) / "dynamic.onnx"
        quantize_dynamic(copied, path, op_types_to_quantize=OPERATORS, weight_type=QuantType.QUInt8)
        return onnx.load_model(path)
