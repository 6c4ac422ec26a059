"""The torch-free graph against torch: shapes, costs, and operator by operator against the captured graph."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench import models
from edgebench.graph import operators as ops
from edgebench.graph.capture import capture
from edgebench.ground.records import ModelSpec
from edgebench.models import plan
from edgebench.models.build import skeleton
from edgebench.models.sketch import sketch, sketch_plan

NOT_SKETCHED = {"name", "module", "inputs", "weight", "bias", "constant"}


def _described(graph: ops.Graph) -> Iterator[dict[str, Any]]:
    """Every operator as its kind, its attributes and the positions of the operators it reads."""
    position = {operator.name: index for index, operator in enumerate(graph.operators)}
    for operator in graph.operators:
        known = {f.name: getattr(operator, f.name) for f in fields(operator) if f.name not in NOT_SKETCHED}
        yield {"kind": operator.kind, "inputs": [position[name] for name in operator.inputs], **known}


def _spec(name: str) -> ModelSpec:
    """The published point, but for the nets whose dense layers would fill memory: the structure is the same."""
    return models.resolve(name, width=0.25 if name.startswith(("vgg", "alexnet")) else None)


# Further points of a table that another network has too.
SAME = {"resnet101", "resnet152", *(f"efficientnet_b{size}" for size in range(3, 8)), "efficientnetv2_s"}
SAME |= {"efficientnet_lite2", "efficientnet_lite3", *(f"efficientnetv2_b{size}" for size in range(1, 4))}
POINTS = [
    *(_spec(name) for name in models.names() if name not in SAME),
    models.resolve("alexnet", width=0.25, options={"groups": 2}),
    models.resolve("lenet5", options={"modern": True}),
    models.resolve("googlenet", options={"aux": True}),
    models.resolve("mobilenetv2", width=0.35, depth=0.7, resolution=98),
    models.resolve("efficientnet", phi=-2),
    models.resolve("vgg16", width=0.125, resolution=300),
    models.resolve("nin", resolution=39),
]


@pytest.mark.parametrize("spec", POINTS, ids=lambda spec: spec.key)
def test_sketch_is_what_capture_finds(spec: ModelSpec) -> None:
    network = skeleton(spec).to_empty(device="cpu").eval()
    for value in network.state_dict().values():
        value.fill_(1)
    captured, sketched = capture(network, spec.input_shape), sketch(spec)
    for found, expected in zip(_described(captured), _described(sketched), strict=True):
        assert found == expected
    assert captured[captured.output].shape == sketched[sketched.output].shape == (1, spec.classes)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from([name for name in models.names() if name not in ("alexnet", "alexnet_owt", "lenet5", "nin")]),
    width=st.floats(0.1, 2),
    resolution=st.integers(32, 512),
    classes=st.integers(1, 1200),
)
def test_any_sketch_is_consistent(name: str, width: float, resolution: int, classes: int) -> None:
    spec = models.resolve(name, width=width, resolution=resolution, classes=classes)
    graph = sketch(spec)
    seen: set[str] = set()
    for operator in graph.operators:
        assert set(operator.inputs) <= seen and operator.name not in seen
        assert min(operator.shape) >= 1
        if isinstance(operator, ops.Conv):
            assert operator.in_channels == graph.producers(operator)[0].shape[1]
            assert operator.in_channels % operator.groups == 0
        if operator.kind == "add":
            assert {producer.shape for producer in graph.producers(operator)} == {operator.shape}
        seen.add(operator.name)
    assert graph[graph.output].shape == (1, classes)


def test_weights_of_the_sketch_are_the_parameters_with_batch_norm_folded() -> None:
    spec = models.resolve("mobilenetv2")
    convs = [op for op in sketch(spec).operators if isinstance(op, ops.Conv)]
    folded = sum(conv.shape[1] for conv in convs)  # a scale and a shift become one bias
    weights = sum(conv.shape[1] * conv.in_channels // conv.groups * conv.kernel[0] ** 2 for conv in convs)
    assert models.parameters(spec) == weights + 2 * folded + 1280 * 1000 + 1000


def test_an_activation_is_not_fused_into_a_tensor_that_others_read() -> None:
    block = plan.residual(plan.sequence(relu=plan.Activation("relu"), conv=plan.Conv(4, 3)))
    graph = sketch_plan(plan.sequence(stem=plan.Conv(4, 3), block=block), (1, 4, 8, 8))
    assert [operator.kind for operator in graph.operators] == ["input", "conv", "activation", "conv", "add"]
    assert graph["stem"].activation is None  # type: ignore[attr-defined]


def test_a_tensor_is_named_by_the_module_that_made_it() -> None:
    spec = models.resolve("mobilenetv2")
    modules = dict(skeleton(spec).named_modules())
    assert all(operator.module in modules for operator in sketch(spec).operators[1:])


def test_sketch_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from edgebench import models; from edgebench.models.sketch import sketch;"
        "sketch(models.resolve('mobilenetv2')); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
