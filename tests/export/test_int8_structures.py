"""int8 of structures that quantizers are known to stumble over: a few layers each, through the pipeline to a file."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

pytest.importorskip("ai_edge_quantizer", reason="needs ai-edge-quantizer: pip install 'edgebench[tflite]'")

from edgebench.formats import pipeline
from edgebench.formats.network import Network
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization

FAST = Quantization(samples=8, calibrator="minmax", correct_bias=False)


class Small(nn.Module):
    """Two convolutions, a dense layer, and a way from one to the next; `silent` gives the same whatever it is fed."""

    def __init__(self, way: Callable) -> None:
        super().__init__()
        self.way = way
        self.first, self.second, self.silent = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 1)
        self.dense, self.slopes = nn.Linear(8, 5), nn.PReLU(8)
        nn.init.uniform_(self.slopes.weight, -0.5, 0.5)
        nn.init.zeros_(self.silent.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        return self.way(self, x)

    def head(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x.mean((2, 3)))


def outputs_of_one_tensor(net, x):
    y = net.second(net.first(x).relu())
    return y, y.flatten(1), net.head(y), 1.0 * y


def uneven_concat(net, x):
    y = net.first(x).relu()
    return net.head(torch.cat([y[:, :4], 1000 * net.second(y)[:, 4:]], 1)), y


def outlier_channel(net, x):
    factors = torch.tensor([1e4, *[1.0] * 7])
    first, second = net.first.weight * factors[:, None, None, None], net.second.weight / factors[:, None, None]
    return net.head(F.conv2d(F.conv2d(x, first, net.first.bias * factors, 2, 1).relu(), second, net.second.bias, 1, 1))


WAYS: dict[str, Callable] = {
    "outputs of one tensor": outputs_of_one_tensor,
    "uneven concat": uneven_concat,
    "outlier channel": outlier_channel,
    "constant layer": lambda net, x: net.head(net.first(x) + net.silent(net.first(x)).relu()),
    "prelu": lambda net, x: net.head(net.slopes(net.second(net.slopes(net.first(x))))),
    "hard swish": lambda net, x: net.head(F.hardswish(net.second(F.hardswish(net.first(x))))),
    "negative values": lambda net, x: net.head(-net.second(-net.first(x).relu() - 1).relu()),
    "softmax at the end": lambda net, x: net.head(net.second(net.first(x).relu())).softmax(-1),
    "gate": lambda net, x: net.head(net.second(net.first(x)) * net.first(x).mean((2, 3), keepdim=True).sigmoid()),
    "faint residual": lambda net, x: net.head(net.first(x) + 1e-3 * net.second(net.first(x))),
    "pixels": lambda net, x: net.head(net.second(net.first(60 * (x + 2)).relu())),
    "resize at the end": lambda net, x: F.interpolate(net.first(x), scale_factor=2.0, mode="bilinear"),
    "ceil pool of negative values": lambda net, x: net.head(F.max_pool2d(-net.first(x).relu() - 1, 3, 2, 0, 1, True)),
    "shared layer": lambda net, x: (net.second(net.first(x)), net.second(30 * F.avg_pool2d(net.first(x), 2))),
}


@pytest.mark.parametrize("form", ["tflite", "onnx"])
@pytest.mark.parametrize("way", WAYS)
def test_a_structure_is_right_in_int8_and_one_delegate(way, form, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = Small(WAYS[way]).eval()
    network = Network(ModelSpec(name="small", family="test", resolution=16, classes=5), module)
    spec = ExportSpec(format=form, precision="int8", quantization=FAST)
    artifact = pipeline._export(network, spec, tmp_path / "small-int8", "", {})
    assert artifact.parity.relative_l2_error < 0.1
    assert artifact.delegates in (None, 1)
    assert artifact.delegated_share in (None, 1)
