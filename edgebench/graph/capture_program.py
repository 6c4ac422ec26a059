"""From a module to a tidy program: torch.export, then a few rewrites that leave only calls a Graph can hold."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast

import torch
from torch import fx, nn

from edgebench.graph.capture_call import aten_name, bind, refusal
from edgebench.graph.operators import Shape
from edgebench.ground.errors import ExportError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

# Calls that hand on their first argument once the network is in evaluation.
IDENTITIES: Final = frozenset(
    {"alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "lift_fresh_copy"}
)

# torch.nn.functional.local_response_norm of a 4-D input, from its last call back to its first.
_LRN_CHAIN: Final = ("pow", "add", "mul", "view", "squeeze", "avg_pool3d", "pad", "view", "mul")


def local_response_norm(x: fx.Node, size: int, alpha: float, beta: float, k: float) -> None:
    """Stands in a tidy program for the calls that make up a local response normalisation; it is never run."""


def export_program(module: nn.Module, shape: Shape) -> ExportedProgram:
    """Returns torch.export's program for one input of `shape`.

    Raises ExportError when the network is in training mode, and where torch.export cannot follow it.
    """
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    if module.training:
        raise ExportError(f"the network {type(module).__name__} is in training mode: call its eval() first")
    try:
        with _silent_torch(), torch.no_grad():
            return torch.export.export(module, (torch.zeros(shape),))
    except GuardOnDataDependentSymNode as error:
        raise ExportError(
            f"the network {type(module).__name__} decides by the values of a tensor (an if, a loop or float() on it), "
            "which no exported file can follow: write it without, or with torch.where"
        ) from error
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise ExportError(
            f"torch.export cannot follow the network {type(module).__name__} on an input of shape {shape}: "
            f"{_first_line(error)}; check that the network runs on such an input"
        ) from error


def tidy(graph: fx.Graph) -> None:
    """Rewrites `graph` in place: no identities, no mutation, LRN as one call, nothing that is not read.

    Raises ExportError for a mutation that another tensor sees.
    """
    _drop_identities(graph)
    _follow_mutations(graph)
    _gather_local_response_norms(graph)
    _drop_unread(graph)


@contextlib.contextmanager
def _silent_torch() -> Iterator[None]:
    """torch.export prints and logs what it was tracing when it fails; the error says it in one sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _drop_identities(graph: fx.Graph) -> None:
    for node in _calls(graph):
        if aten_name(node) in IDENTITIES:
            if bind(node).get("train"):
                raise refusal(node, "drops values in evaluation too; pass training=self.training to it")
            node.replace_all_uses_with(cast(fx.Node, node.args[0]))
            graph.erase_node(node)


def _follow_mutations(graph: fx.Graph) -> None:
    """Makes whoever reads a tensor after it was changed in place read the change's result instead."""
    order = {node: position for position, node in enumerate(graph.nodes)}
    for node in _calls(graph):
        if not _mutates(node):
            continue
        changed = cast(fx.Node, node.args[0])
        for other in _views_of_same_memory(changed):
            if any(order[user] > order[node] for user in other.users):
                raise refusal(node, "changes a tensor in place that another view reads afterwards")
        _replace_uses(changed, node, lambda user, after=order[node]: order[user] > after)  # type: ignore[misc]


def _mutates(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _is_view(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload) or _mutates(node):
        return False
    return any(value.alias_info is not None for value in node.target._schema.returns)


def _views_of_same_memory(node: fx.Node) -> set[fx.Node]:
    """Every other tensor of the program that may share memory with `node`."""
    root = node
    while _is_view(root):
        root = cast(fx.Node, root.args[0])
    found = [root]
    for one in found:
        found.extend(user for user in one.users if _is_view(user) and user.args[0] is one)
    return set(found) - {node}


def _gather_local_response_norms(graph: fx.Graph) -> None:
    for node in _calls(graph):
        values = _match_local_response_norm(node) if aten_name(node) == "div" else None
        if values is not None:
            with graph.inserting_before(node):
                one = graph.call_function(local_response_norm, values)
            one.meta = dict(node.meta)
            node.replace_all_uses_with(one)


def _match_local_response_norm(node: fx.Node) -> tuple[fx.Node, int, float, float, float] | None:
    """Returns (x, size, alpha, beta, k) where `node` divides x by (k + alpha * mean of x^2 over channels) ^ beta."""
    chain: list[fx.Node] = []
    step: object = node.args[1]
    for name in _LRN_CHAIN:
        if not isinstance(step, fx.Node) or aten_name(step) != name:
            return None
        chain.append(step)
        step = step.args[0]
    power, shift, scale, _, _, mean, _, _, square = chain
    x = node.args[0]
    if square.args != (x, x) or not isinstance(x, fx.Node):
        return None
    size = cast(list[int], bind(mean)["kernel_size"])[0]
    return x, size, cast(float, scale.args[1]), cast(float, power.args[1]), cast(float, shift.args[1])


def _drop_unread(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if node.op not in ("output", "placeholder") and not node.users:
            graph.erase_node(node)


def _calls(graph: fx.Graph) -> list[fx.Node]:
    return [node for node in graph.nodes if node.op == "call_function"]


def _replace_uses(old: fx.Node, new: fx.Node, wanted: Callable[[fx.Node], bool]) -> None:
    for user in list(old.users):
        if wanted(user):
            user.replace_input_with(old, new)
