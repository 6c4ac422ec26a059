"""Graphs become kernels: which, and with which quantities."""

import pytest

from edgebench.estimate.work import Work, works
from edgebench.graph.cost import count
from edgebench.graph.operators import (
    Activation,
    Conv,
    Graph,
    Input,
    LocalResponseNorm,
    Operator,
    Pool,
    Reshape,
    Transpose,
)


def _after_input(*operators: Operator) -> Graph:
    return Graph((Input(name="x", inputs=(), shape=(1, 16, 8, 8)), *operators), (operators[-1].name,))


def test_each_operator_is_one_kernel_with_the_graph_s_counts(small: Graph) -> None:
    found = works(small, "litert")
    assert [work.kind for work in found] == ["gemm", "depthwise", "gemm", "elementwise", "dense"]
    assert [work.macs for work in found] == [operator.macs for operator in count(small).operators]
    assert sum(work.weights for work in found) == count(small).weight_count


def test_only_larger_kernels_gather_columns(small: Graph) -> None:
    first, depthwise, pointwise, *_ = works(small, "litert")
    assert first.columns == 3 * 9 * 16 * 16
    assert (depthwise.columns, pointwise.columns) == (0, 0)


def test_only_ncnn_runs_winograd_and_only_where_it_applies() -> None:
    def conv(**changes: object) -> Graph:
        fields: dict[str, object] = {"shape": (1, 16, 8, 8), "in_channels": 16, "kernel": (3, 3)}
        return _after_input(Conv(name="c", inputs=("x",), **(fields | changes)))  # type: ignore[arg-type]

    assert works(conv(), "ncnn")[0].kind == "winograd"
    assert works(conv(), "litert")[0].kind == "gemm"
    assert works(conv(shape=(1, 32, 8, 8), groups=16), "ncnn")[0].kind == "packed depthwise"
    for change in ({"stride": (2, 2)}, {"kernel": (5, 5)}, {"groups": 2}, {"dilation": (2, 2)}):
        assert works(conv(**change), "ncnn")[0].kind == "packed gemm"


@pytest.mark.parametrize(
    ("function", "runtime", "kinds"),
    [
        ("sigmoid", "litert", ["exponential"]),
        ("silu", "litert", ["exponential", "elementwise"]),
        ("silu", "ncnn", ["exponential"]),
        ("hardswish", "litert", ["elementwise"]),
        ("relu", "litert", ["elementwise"]),
    ],
)
def test_activations_cost_what_their_kernel_computes(function: str, runtime: str, kinds: list[str]) -> None:
    graph = _after_input(Activation(name="a", inputs=("x",), shape=(1, 16, 8, 8), function=function))  # type: ignore[arg-type]
    assert [work.kind for work in works(graph, runtime)] == kinds


def test_a_fused_clamp_is_free_and_another_fused_activation_is_not() -> None:
    kinds = {}
    for function in ("relu6", "tanh"):
        conv = Conv(name="c", inputs=("x",), shape=(1, 8, 8, 8), in_channels=16, kernel=(1, 1), activation=function)  # type: ignore[arg-type]
        kinds[function] = [work.kind for work in works(_after_input(conv), "litert")]
    assert kinds == {"relu6": ["gemm"], "tanh": ["gemm", "exponential"]}


def test_a_reshape_costs_nothing_and_a_pool_its_windows() -> None:
    pool = Pool(name="p", inputs=("x",), shape=(1, 16, 4, 4), mode="max", window=(3, 3), stride=(2, 2))
    flat = Reshape(name="r", inputs=("p",), shape=(1, 256))
    assert works(_after_input(pool, flat), "litert") == (Work("elementwise", reads=9 * 256, writes=256),)


def test_only_ncnn_unpacks_channels_to_transpose() -> None:
    graph = _after_input(Transpose(name="t", inputs=("x",), shape=(1, 8, 8, 16), permutation=(0, 2, 3, 1)))
    assert [works(graph, runtime)[0].kind for runtime in ("ncnn", "litert")] == ["unpacked", "elementwise"]


def test_normalisation_is_one_kernel_in_ncnn_and_a_band_convolution_in_tflite() -> None:
    norm = LocalResponseNorm(name="n", inputs=("x",), shape=(1, 16, 8, 8), size=5, alpha=1e-4, beta=0.75, k=2)
    assert [work.kind for work in works(_after_input(norm), "ncnn")] == ["normalize", "unpacked"]
    band = works(_after_input(norm), "litert")
    assert sum(work.macs for work in band) == 16 * 16 * 64
