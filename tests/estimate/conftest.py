"""A device and a small network to estimate."""

import pytest

from edgebench.graph.operators import Conv, Dense, GlobalPool, Graph, Input
from edgebench.machines import profiles
from edgebench.machines.profiles import DeviceProfile


@pytest.fixture(scope="session")
def rpi4() -> DeviceProfile:
    return profiles.load("rpi4")


@pytest.fixture
def small() -> Graph:
    """3x3 convolution of stride 2, depthwise, pointwise, global pool, dense."""
    return Graph(
        (
            Input(name="x", inputs=(), shape=(1, 3, 32, 32)),
            Conv(name="a", inputs=("x",), shape=(1, 32, 16, 16), in_channels=3, kernel=(3, 3), stride=(2, 2)),
            Conv(name="b", inputs=("a",), shape=(1, 32, 16, 16), in_channels=32, kernel=(3, 3), groups=32),
            Conv(name="c", inputs=("b",), shape=(1, 64, 16, 16), in_channels=32, kernel=(1, 1)),
            GlobalPool(name="d", inputs=("c",), shape=(1, 64)),
            Dense(name="e", inputs=("d",), shape=(1, 10), in_features=64),
        ),
        ("e",),
    )
