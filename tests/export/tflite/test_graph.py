from pathlib import Path

import numpy as np
import pytest

from edgebench import models
from edgebench.estimate.work import works
from edgebench.formats.tflite.graph import read_graph
from edgebench.formats.tflite.writer import write
from edgebench.graph.capture import capture
from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.graph.operators import Conv, Graph, Input, Pool, Softmax
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.models.build import build
from edgebench.models.sketch import sketch

SMALL = {
    "lenet5": {},
    "mobilenetv1": {"width": 0.25, "resolution": 64},
    "mobilenetv2": {"width": 0.35, "resolution": 64},
    "efficientnet_lite0": {"width": 0.35, "resolution": 64},
    "efficientnet_b0": {"width": 0.35, "resolution": 64},
    "googlenet": {"width": 0.25, "resolution": 96},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_file_has_the_work_of_the_network_that_it_was_made_from(name: str, tmp_path: Path) -> None:
    spec = models.resolve(name, **SMALL[name])
    path = tmp_path / "net.tflite"
    write(capture(build(spec), spec.input_shape), path, "fp32")
    found, expected = read_graph(path), sketch(spec)
    assert count(found).macs == count(expected).macs
    assert works(found, "litert") == works(expected, "litert")
    assert found.input.shape == expected.input.shape


def test_a_pad_that_one_convolution_reads_becomes_its_padding(tmp_path: Path) -> None:
    spec = models.resolve("mobilenetv2", width=0.35, resolution=64)
    path = tmp_path / "net.tflite"
    write(capture(build(spec), spec.input_shape), path, "fp32")
    first = next(operator for operator in read_graph(path).operators if isinstance(operator, Conv))
    assert first.padding == (1, 0, 1, 0) and first.stride == (2, 2)  # what the stride reads
    assert plan_arena(read_graph(path)).peak_bytes == plan_arena(sketch(spec)).peak_bytes


def test_padding_that_tflite_calls_same_is_told_in_pixels(tmp_path: Path) -> None:
    source = Input(name="image", inputs=(), shape=(1, 4, 7, 8))
    pool = Pool(
        name="pool", inputs=("image",), shape=(1, 4, 4, 4), mode="max", window=(3, 3), stride=(2, 2),
        padding=(1, 1, 0, 1),
    )  # fmt: skip
    path = tmp_path / "pool.tflite"
    write(Graph((source, pool), ("pool",)), path, "fp32")
    (found,) = (operator for operator in read_graph(path).operators if isinstance(operator, Pool))
    assert found.padding == (1, 1, 0, 1)


def test_an_operator_without_a_cost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.formats.tflite import graph

    source = Input(name="image", inputs=(), shape=(1, 8))
    path = tmp_path / "softmax.tflite"
    end = Softmax(name="end", inputs=("image",), shape=(1, 8), axis=1)
    write(Graph((source, end), ("end",)), path, "fp32")
    assert read_graph(path).counts() == {"softmax": 1}
    monkeypatch.delitem(graph._Reader._MAKE, "SOFTMAX")
    with pytest.raises(DeviceError, match="operator SOFTMAX"):
        read_graph(path)


def test_a_cut_file_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(b"\x20\0\0\0TFL3" + np.random.default_rng(0).bytes(64))
    with pytest.raises(UsageError, match="damaged"):
        read_graph(path)
