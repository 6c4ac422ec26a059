"""What is inside an .openvino folder, and what the CPU plugin makes of it on this machine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgebench.formats.inspect import Inspected, Operator
from edgebench.formats.openvino.convert import tensor
from edgebench.formats.openvino.flow import IN_8_BITS, MOVING, WEIGHTED, Flow, Node, layer
from edgebench.ground.errors import UsageError
from edgebench.runtimes.openvino.engine import MODEL, compiled, read

WEIGHTS = "model.bin"
UNSAID = ("Const", "Input", "Output")  # of what runs


def inspect(path: Path) -> Inspected:
    """Returns what is in the folder. Raises UsageError for one that is damaged."""
    for name in (MODEL, WEIGHTS):
        if not (path / name).is_file():
            raise UsageError(f"{path} is not a whole .openvino folder: {name} is missing in it")
    try:
        model = read(str(path))
        runs = Counter(map(_run, compiled(model).get_runtime_model().get_ops()))
    except RuntimeError as error:
        raise UsageError(f"{path} cannot be read: {MODEL} or {WEIGHTS} is damaged; copy or export it again") from error
    flow = Flow(model)
    return Inspected(
        inputs=tuple(map(tensor, model.inputs)),
        outputs=tuple(map(tensor, model.outputs)),
        operators=tuple(
            Operator(
                name=layer(node),
                kind=node.get_type_name(),
                computes=computes,
                inputs=tuple(each.get_name() for each in flow.given(node)),
                outputs=(node.get_name(),),
                shape=tuple(node.get_output_shape(0)),
                weights=flow.weights(node),
            )
            for node, computes in zip(flow.operators, flow.computes(), strict=True)
        ),
        int8_kinds=(*WEIGHTED, *IN_8_BITS, *MOVING),
        runs={kind: count for kind, count in runs.items() if kind.partition(" ")[0] not in UNSAID},
    )


def _run(node: Node) -> str:
    """What the plugin runs, and in which type: Convolution u8."""
    known = node.get_rt_info()
    return " ".join(known[each].astype(str) for each in ("layerType", "runtimePrecision"))
