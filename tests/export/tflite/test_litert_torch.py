import sys

import pytest

from edgebench import models
from edgebench.formats.network import Network
from edgebench.formats.tflite import convert as tflite
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.records import ExportSpec
from edgebench.models.build import skeleton


@pytest.fixture
def network() -> Network:
    spec = models.resolve("lenet5")
    return Network(spec, skeleton(spec).to_empty(device="cpu").eval())


def test_missing_package_names_the_extra(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingPackage, match=r"pip install 'edgebench\[oracle\]'"):
        tflite.convert(network, ExportSpec(converter="litert-torch"), tmp_path / "x.tflite")


def test_other_precision_is_refused(network, tmp_path):
    with pytest.raises(UsageError, match="litert-torch writes fp32, not fp16"):
        tflite.convert(network, ExportSpec(converter="litert-torch", precision="fp16"), tmp_path / "x.tflite")
