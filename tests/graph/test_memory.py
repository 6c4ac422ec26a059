"""The arena plan: valid on any graph, never below the live bytes, and as small as it can be where that is known."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from edgebench.graph.memory import ALIGNMENT, plan_arena
from edgebench.graph.operators import Activation, ArgMax, Binary, Concat, Conv, Graph, Input, Operator, Reshape


def _conv(name: str, source: str, channels: int, side: int = 8) -> Conv:
    return Conv(name=name, inputs=(source,), shape=(1, channels, side, side), in_channels=1, kernel=(1, 1))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of convolutions, reshapes, activations, additions and concatenations."""
    operators: list[Operator] = [Input(name="t0", inputs=(), shape=(1, draw(st.integers(1, 9)), 8, 8))]
    for step in range(1, draw(st.integers(2, 12))):
        name, source = f"t{step}", draw(st.sampled_from(operators))
        match draw(st.sampled_from(["conv", "reshape", "activation", "add", "concat"])):
            case "conv":
                operators.append(_conv(name, source.name, draw(st.integers(1, 40))))
            case "reshape":
                operators.append(Reshape(name=name, inputs=(source.name,), shape=source.shape))
            case "activation":
                operators.append(Activation(name=name, inputs=(source.name,), shape=source.shape, function="tanh"))
            case "add":
                operators.append(
                    Binary(name=name, inputs=(source.name, source.name), shape=source.shape, function="add")
                )
            case "concat":
                shape = (1, 2 * source.shape[1], 8, 8)
                operators.append(Concat(name=name, inputs=(source.name, source.name), shape=shape))
    return Graph(tuple(operators), (operators[-1].name,))


@given(graphs(), st.sampled_from([1, 2, 4]))
def test_live_buffers_never_overlap_and_every_tensor_is_placed(graph: Graph, element_bytes: int) -> None:
    plan = plan_arena(graph, element_bytes)
    assert set(plan.offsets) == {operator.name for operator in graph.operators}
    for one, other in combinations(plan.buffers, 2):
        if one.first <= other.last and other.first <= one.last:
            assert one.offset + one.size_bytes <= other.offset or other.offset + other.size_bytes <= one.offset
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets.values())


@given(graphs())
def test_the_peak_lies_between_the_live_bytes_and_the_sum_of_all_tensors(graph: Graph) -> None:
    plan = plan_arena(graph)
    starts = {buffer.first for buffer in plan.buffers}
    live_bytes = max(sum(b.size_bytes for b in plan.buffers if b.first <= step <= b.last) for step in starts)
    assert live_bytes <= plan.peak_bytes <= sum(buffer.size_bytes for buffer in plan.buffers)
    needed = [
        operator.elements + sum(graph[name].elements for name in set(operator.inputs))
        for operator in graph.operators
        if isinstance(operator, Conv | Concat)
    ]
    assert plan.peak_bytes >= 4 * max(needed, default=0)


@given(graphs())
def test_a_tensor_is_intact_at_its_last_reader(graph: Graph) -> None:
    """Replays the plan: whoever reads a tensor finds the bytes that its producer, or an alias of it, wrote."""
    plan = plan_arena(graph)
    root = {tensor: buffer.tensors for buffer in plan.buffers for tensor in buffer.tensors}
    position = {operator.name: step for step, operator in enumerate(graph.operators)}
    for operator in graph.operators:
        for name in operator.inputs:
            for other in root[name]:
                written_between = position[name] < position[other] < position[operator.name]
                assert not (written_between and not isinstance(graph[other], Reshape))


def test_a_chain_needs_its_input_and_its_two_largest_neighbours() -> None:
    graph = Graph(
        (Input(name="x", inputs=(), shape=(1, 1, 8, 8)), _conv("a", "x", 4), _conv("b", "a", 8), _conv("c", "b", 2)),
        ("c",),
    )
    assert plan_arena(graph).peak_bytes == 4 * 64 * (1 + 4 + 8)


def test_an_activation_and_an_addition_write_over_an_input_that_nobody_reads_again() -> None:
    shape = (1, 4, 8, 8)
    graph = Graph(
        (
            Input(name="x", inputs=(), shape=(1, 1, 8, 8)),
            _conv("a", "x", 4),
            Activation(name="s", inputs=("a",), shape=shape, function="silu"),
            _conv("b", "s", 4),
            Binary(name="sum", inputs=("s", "b"), shape=shape, function="add"),
            _conv("c", "sum", 1),
        ),
        ("c",),
    )
    plan = plan_arena(graph)
    assert plan.offsets["a"] == plan.offsets["s"] == plan.offsets["sum"]
    assert plan.peak_bytes == 4 * 64 * (1 + 4 + 4)


def test_the_network_s_input_is_never_written_over() -> None:
    graph = Graph(
        (
            Input(name="x", inputs=(), shape=(1, 4, 8, 8)),
            Activation(name="a", inputs=("x",), shape=(1, 4, 8, 8), function="tanh"),
        ),
        ("a",),
    )
    assert plan_arena(graph).peak_bytes == 2 * 4 * 4 * 64


def test_sizes_round_up_to_the_alignment() -> None:
    graph = Graph((Input(name="x", inputs=(), shape=(1, 3)), _conv("a", "x", 1, side=1)), ("a",))
    assert plan_arena(graph, element_bytes=1).peak_bytes == 2 * ALIGNMENT


def test_several_inputs_and_outputs_live_through_the_whole_run() -> None:
    graph = Graph(
        (
            Input(name="x", inputs=(), shape=(1, 4, 8, 8)),
            Input(name="y", inputs=(), shape=(1, 2, 8, 8)),
            _conv("a", "x", 3),
            _conv("b", "y", 5),
        ),
        ("a", "b"),
    )
    assert plan_arena(graph).peak_bytes == 4 * 64 * (4 + 2 + 3 + 5)


def test_indices_keep_their_size_where_activations_shrink() -> None:
    source = Input(name="x", inputs=(), shape=(1, 64))
    index = ArgMax(name="i", inputs=("x",), shape=(1, 64), axis=0, keep=True, dtype="int32")
    assert plan_arena(Graph((source, index), ("i",)), element_bytes=1).peak_bytes == 64 + 4 * 64
