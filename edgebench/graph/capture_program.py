"""From a module to a program of aten calls: torch.export, decomposition where it is needed, and what to know of it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import fx, nn

from edgebench.graph.capture_call import aten_name, schema_of
from edgebench.ground.errors import ExportError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FAILURES: Final = (RuntimeError, TypeError, ValueError, AttributeError, LookupError)  # of a forward that is traced

# torch.nn.functional.local_response_norm of a 4-D input, from its last call back to its first.
_LRN_CHAIN: Final = ("pow", "add", "mul", "view", "squeeze", "avg_pool3d", "pad", "view", "mul")


@dataclass(frozen=True)
class Program:
    """A graph of aten calls and what its placeholders and results are.

    `constants` has the parameters, buffers and constants by the name of the placeholder of each, `inputs` the names of
    the other placeholders in the order of the network's arguments. `root` holds what its get_attr nodes name.
    """

    graph: fx.Graph
    root: object
    constants: dict[str, torch.Tensor]
    inputs: list[str]
    returned: tuple[bool, ...]  # of each result, whether the network returns it; the others are buffers it changes


def program_of(exported: ExportedProgram) -> Program:
    """Returns the Program of torch.export's. Buffers are copies: a network that counts its calls would count this."""
    signature = exported.graph_signature
    values: dict[str, Any] = {**exported.constants, **exported.state_dict}
    copied = {**signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}
    constants = {name: values[target].detach() for name, target in signature.inputs_to_parameters.items()}
    constants |= {name: values[target].detach().clone() for name, target in copied.items()}
    inputs = [name for name in signature.user_inputs if isinstance(name, str)]
    returned = tuple(spec.kind.name == "USER_OUTPUT" for spec in signature.output_specs)
    return Program(exported.graph, exported.graph_module, constants, inputs, returned)


def require_evaluation(module: nn.Module) -> None:
    """Raises ExportError when the network is in training mode."""
    # A wrapper around a network that is ready has no layers of its own that training would change.
    if any(part.training for part in module.modules() if not any(part.children())):
        raise ExportError(f"the network {type(module).__name__} is in training mode: call its eval() first")


def export_program(module: nn.Module, examples: Sequence[torch.Tensor]) -> ExportedProgram:
    """Returns torch.export's program of `module` (in evaluation) for inputs like `examples`.

    Raises ExportError where torch.export cannot follow it.
    """
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    name = type(module).__name__
    try:
        with silent_torch(), torch.no_grad():
            return torch.export.export(module, tuple(examples), strict=False)
    except GuardOnDataDependentSymNode as error:
        raise ExportError(
            f"the network {name} decides by the values of a tensor (an if, a loop or float() on it), "
            "which no exported file can follow: write it without, or with torch.where"
        ) from error
    except FAILURES as error:
        shapes = [tuple(example.shape) for example in examples]
        on = f"an input of shape {shapes[0]}" if len(shapes) == 1 else f"inputs of shapes {shapes}"
        raise ExportError(
            f"torch.export cannot follow the network {name} on {on}: {_first_line(error)}; "
            "check that the network runs on such an input"
        ) from error


def decomposed(program: ExportedProgram, operators: Sequence[Any]) -> ExportedProgram | None:
    """Returns `program` without calls of `operators` and without changes in place; None where torch knows no way.

    Torch says them in simpler operators; everything else stays whole.
    """
    known: dict[Any, Any] = torch._decomp.get_decompositions(list(operators))
    if len(known) < len(operators):
        every = torch.export.default_decompositions()
        known.update({each: every[each] for each in operators if each not in known and each in every})
    if len(known) < len(operators):
        return None
    try:
        with silent_torch(), torch.no_grad():
            made: ExportedProgram = program.run_decompositions(known)
    except (RuntimeError, AssertionError):  # a decomposition that needs values, not shapes, or writes into a view
        return None
    return made


# ---- changes in place ----


def changes_a_view(node: fx.Node) -> bool:
    """Whether the call changes a tensor in place whose memory another tensor shows, and that one is read later."""
    changed = cast(fx.Node, node.args[0])
    return any(user > node for other in _views_of_same_memory(changed) for user in other.users)


def mutates(node: fx.Node) -> bool:
    """Whether the call changes its first argument in place."""
    schema = schema_of(node)
    return schema is not None and schema.is_mutable


def _is_view(node: fx.Node) -> bool:
    schema = schema_of(node)
    if schema is None or schema.is_mutable:
        return False
    return any(value.alias_info is not None for value in schema.returns)


def _views_of_same_memory(node: fx.Node) -> set[fx.Node]:
    """Every other tensor of the program that may share memory with `node`."""
    root = node
    while _is_view(root):
        root = cast(fx.Node, root.args[0])
    found = [root]
    for one in found:
        found.extend(user for user in one.users if _is_view(user) and user.args[0] is one)
    return set(found) - {node}


# ---- local response normalisation, which torch writes as nine calls ----


def local_response_norms(graph: fx.Graph) -> tuple[dict[fx.Node, dict[str, Any]], set[fx.Node]]:
    """Returns the last call of each local response norm with the norm's arguments, and the calls before it."""
    found: dict[fx.Node, dict[str, Any]] = {}
    inner: set[fx.Node] = set()
    for node in graph.nodes:
        chain = _chain(node) if node.op == "call_function" and aten_name(node) == "div" else []
        if chain and chain[-1].args == (node.args[0], node.args[0]):
            power, shift, scale, _, _, mean, *_ = chain
            found[node] = {
                "self": node.args[0],
                "size": cast(list[int], mean.args[1])[0],
                "alpha": scale.args[1],
                "beta": power.args[1],
                "k": shift.args[1],
            }
            inner.update(chain)
    return found, inner


def _chain(node: fx.Node) -> list[fx.Node]:
    chain: list[fx.Node] = []
    step: object = node.args[1]
    for name in _LRN_CHAIN:
        if not isinstance(step, fx.Node) or step.op != "call_function" or aten_name(step) != name:
            return []
        chain.append(step)
        step = step.args[0]
    return chain


# ---- words ----


@contextlib.contextmanager
def silent_torch() -> Iterator[None]:
    """torch.export prints, logs and warns of what it does; an error says it in one sentence.

    Attention is said in plain calls, not in those of the layer as a whole that torch runs where nothing is learned.
    """
    before, fused = logging.root.manager.disable, torch.backends.mha.get_fastpath_enabled()
    logging.disable(logging.CRITICAL)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        torch.backends.mha.set_fastpath_enabled(fused)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
