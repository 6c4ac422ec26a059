"""int8 for OpenVINO: our static ONNX network, which its CPU plugin runs in 8 bits, judged by running the folders."""

from __future__ import annotations

from pathlib import Path

from edgebench.formats.network import Network
from edgebench.formats.onnx.int8 import Made, static_file
from edgebench.formats.onnx.variant import variant
from edgebench.formats.openvino.convert import save
from edgebench.formats.openvino.layers import layer_errors
from edgebench.ground.records import QuantizationReport
from edgebench.runtimes.openvino.engine import load_exact


def write(network: Network, path: Path) -> tuple[QuantizationReport, tuple[str, ...]]:
    """Writes the folder `path` in int8; returns what was decided, and warnings.

    The plugin's activations are unsigned. On x86 without VNNI it adds two products in 16 bits, as onnxruntime does:
    MobileNetV2's outputs err by 0.15 there with weights of 8 bits, and by 0.05 with those of 7.
    """
    return static_file(network, path, variant("uint8"), Made(save, load_exact, layer_errors))
