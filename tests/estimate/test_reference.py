"""The shipped rows and networks are whole, and the networks' counts are the published ones."""

import pytest

from edgebench.estimate.form import ELEMENT_BYTES
from edgebench.estimate.published import published, unseen
from edgebench.estimate.reference import networks
from edgebench.machines import profiles


def test_every_row_names_a_network_a_device_and_a_source() -> None:
    known = set(profiles.names())
    for row in published() + unseen():
        assert row.network in networks()
        assert row.device in known
        assert row.latency_s > 0 and row.threads >= 1 and row.precision in ELEMENT_BYTES
        assert row.source


def test_every_network_is_used_and_states_its_source() -> None:
    used = {row.network for row in published() + unseen()}
    assert used == set(networks())
    assert all(network.source and network.lines for network in networks().values())


# Multiply-accumulates in millions, and where they are stated.
@pytest.mark.parametrize(
    ("name", "stated", "tolerance"),
    [
        ("mobilenet_v1", 569, 0.005),  # Howard et al., 2017, table 4
        ("mobilenet_v3_small", 56, 0.03),  # Howard et al., 2019, table 3
        ("ssdlite_mobilenet_v2", 800, 0.08),  # Sandler et al., 2018, table 6
        ("ncnn/mobilenet", 569, 0.005),
        ("ncnn/efficientnet_b0", 390, 0.02),  # Tan & Le, 2019, table 2
        ("ncnn/shufflenet_v2", 146, 0.02),  # Ma et al., 2018, table 8
        ("ncnn/vgg16", 15470, 0.001),  # torchvision
        (
            "ncnn/resnet18",
            1814 + 12.8,
            0.001,
        ),  # torchvision, and a 1x1 convolution of 64 channels on the first shortcut
        ("ncnn/mobilenet_v2", 300.8 + 12.8, 0.001),  # torchvision, and an expansion by one in the first block
        ("ncnn/googlenet", 1583, 0.005),  # the well-known figure for BVLC's network
        ("ncnn/regnety_400m", 400, 0.02),  # Radosavovic et al., 2020
    ],
)
def test_counts_are_the_papers(name: str, stated: float, tolerance: float) -> None:
    macs = sum(work.macs for work in networks()[name].works("ncnn")) / 1e6
    assert macs == pytest.approx(stated, rel=tolerance)


def test_rows_with_a_clock_of_their_own_say_so() -> None:
    clocks = {(row.device, row.runtime): row.clock_hz for row in published()}
    assert clocks[("rpi4", "litert")] == 1.5e9  # board revision 1.2, before the 1.8 GHz stepping
    assert clocks[("rpi4", "ncnn")] is None
