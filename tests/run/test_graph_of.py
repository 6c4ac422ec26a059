import pytest
from msgspec.structs import replace

from edgebench import models
from edgebench.ground.errors import DeviceError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec
from edgebench.run.exporting import graph_of, graph_of_model

FILE = Artifact(
    model=ModelSpec(name="net", family="file"), export=ExportSpec(format="ncnn"), path="somewhere/net.ncnn",
    sha256="", size_bytes=1, inputs=(), outputs=(),
)  # fmt: skip


def test_a_network_of_the_zoo_is_sketched_whatever_the_format_of_its_file() -> None:
    spec = models.resolve("lenet5")
    assert graph_of(replace(FILE, model=spec)).counts() == graph_of_model(spec).counts()


def test_a_ready_file_of_another_format_has_no_graph() -> None:
    with pytest.raises(DeviceError, match=r"not from net\.ncnn"):
        graph_of(FILE)
