"""Small networks for the exporters, and a pipeline that builds them instead of the zoo's."""

import pytest
import torch
from torch import nn

from edgebench.formats import pipeline
from edgebench.formats.network import Network
from edgebench.ground.records import ExportSpec, ModelSpec, Preprocessing

IMAGENET = Preprocessing(
    resize=36, crop=32, interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.expand(nn.functional.silu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(scale)


class Small(nn.Module):
    """A bit of each: stride, depthwise, residual, squeeze-and-excitation, LRN, pooling, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.excite = SqueezeExcitation(16)
        self.normalise = nn.LocalResponseNorm(5)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.excite(self.depthwise(x))
        x = self.pool(self.normalise(x))
        return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def seeded(make, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return ModelSpec(name="small", family="test", resolution=32, classes=10)


@pytest.fixture(scope="session")
def network(spec: ModelSpec) -> Network:
    return Network(spec, seeded(Small), preprocessing=IMAGENET)


@pytest.fixture
def builds(monkeypatch, network) -> list[ModelSpec]:
    """Makes the pipeline build `network`; returns the specs it was asked to build so far."""
    asked: list[ModelSpec] = []

    def build(spec, weights, weights_sha256, seed) -> Network:
        asked.append(spec)
        return network

    monkeypatch.setattr(pipeline, "_build", build)
    return asked


@pytest.fixture
def torch_program() -> ExportSpec:
    """The format that is written fastest."""
    return ExportSpec(format="torch")
