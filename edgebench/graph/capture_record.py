"""The calls that a module makes on tensors without values, written down as they come: a fifth of torch.export's time.

torch.export makes the same calls, and much beside them. It is asked where this cannot tell: see `recorded`.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import operator
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.node import map_aggregate
from torch.nn.modules import module as every
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from edgebench.graph.capture_program import FAILURES, Program, silent_torch

# In place, they change a tensor's shape, which a node of the graph keeps.
_RESHAPING: Final = frozenset(
    {"as_strided_", "resize_", "set_", "squeeze_", "swapaxes_", "t_", "transpose_", "unsqueeze_"}
)


class _Unknown(RuntimeError):
    """A call that the record would not tell of as torch.export does."""


def recorded(module: nn.Module, examples: Sequence[Tensor], ruled: Container[str]) -> Program | None:
    """Returns the program of `module` (in evaluation) for inputs like `examples`; None where it cannot be told.

    A call whose name is not `ruled` is written down as the calls that torch composes it of, if it is composed.
    The module is copied, its weights are not: what it keeps for its next call is lost. Whatever goes wrong is left for
    torch.export to say, which knows more ways and has the words.
    """
    try:
        with silent_torch():
            tensors = {id(one): one for one in [*module.parameters(), *module.buffers()]}
            recorder = _Recorder(copy.deepcopy(module, tensors), ruled)
            with _as_torch_export(), torch.inference_mode(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
                program = recorder.program([fake.from_tensor(one) for one in examples])
    except (*FAILURES, AssertionError):
        return None
    # All but parameters are copies: a network that counts its calls would count this one, too.
    own_memory = {
        name: one.detach() if isinstance(one, nn.Parameter) else one.detach().clone()
        for name, one in program.constants.items()
    }
    return replace(program, constants=own_memory)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every aten call before it is decomposed, as torch dispatches in inference mode."""

    def __init__(self, module: nn.Module, ruled: Container[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.module = module
        self.ruled = ruled
        self.paths = {part: path for path, part in module.named_modules()}
        self.names = {id(one): name for name, one in [*module.named_parameters(), *module.named_buffers()]}
        self.graph = fx.Graph()
        self.constants: dict[str, Tensor] = {}
        self.nodes: dict[int, tuple[Tensor, fx.Node]] = {}  # the tensors are kept, so that none takes another's place
        self.within: list[nn.Module] = []

    def program(self, inputs: Sequence[Tensor]) -> Program:
        """Runs the module on `inputs`, which have no values, and returns what it called."""
        names = self._arguments(len(inputs))
        for name, one in zip(names, inputs, strict=True):
            self._placeholder(name, one).name = name  # an argument may have the name of one of Python's functions
        with self._followed(), self:
            results = self.module(*inputs)
        found = tuple(self._node(one) for one in _pytree.tree_leaves(results))
        self.graph.output(found)
        return Program(self.graph, None, self.constants, names, len(found) * (True,))

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Makes the call and writes it down. Raises for one that a graph of plain calls would not hold."""
        if func._schema.is_mutable and (
            func.overloadpacket.__name__ in _RESHAPING or not isinstance(args[0], FakeTensor)
        ):
            raise _Unknown(str(func))
        if func.namespace == "aten" and func.overloadpacket.__name__.removesuffix("_") not in self.ruled:
            with self:
                composed = func.decompose(*args, **(kwargs or {}))
            if composed is not NotImplemented:
                return composed
        result = func(*args, **(kwargs or {}))
        if any(isinstance(one, Tensor) for one in _pytree.tree_leaves(result)):
            self._write(func, map_aggregate(args, self._node), map_aggregate(kwargs or {}, self._node), result)
        return result

    def _write(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        node = self.graph.create_node("call_function", func, args, kwargs, func.overloadpacket.__name__)
        node.meta["val"] = result
        if self.within:
            inner = self.within[-1]
            node.meta["nn_module_stack"] = {"": (self.paths[inner], type(inner))}
        if isinstance(result, Tensor):
            self.nodes[id(result)] = result, node
            return
        for at, one in enumerate(result):
            if isinstance(one, Tensor):
                self.nodes[id(one)] = one, self.graph.call_function(operator.getitem, (node, at))

    def _node(self, value: Any) -> Any:
        """What a call's argument is in the graph; a tensor with values is a constant."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self.nodes:
            if isinstance(value, FakeTensor):
                raise _Unknown("a tensor of a call that was not seen")
            name = self.names.get(id(value), "constant").replace(".", "_")
            self.constants[self._placeholder(name, value).name] = value
        return self.nodes[id(value)][1]

    def _placeholder(self, name: str, value: Tensor) -> fx.Node:
        node = self.graph.create_node("placeholder", name, name=name)
        node.meta["val"] = value
        self.nodes[id(value)] = value, node
        return node

    def _arguments(self, count: int) -> list[str]:
        """The names of the first arguments of the module's forward, numbered where it takes as many as there are."""
        names: list[str] = []
        for one in inspect.signature(self.module.forward).parameters.values():
            several = one.kind is inspect.Parameter.VAR_POSITIONAL
            names += [f"{one.name}_{at}" for at in range(count - len(names))] if several else [one.name]
        return names[:count]

    @contextlib.contextmanager
    def _followed(self) -> Iterator[None]:
        """Keeps which modules the program is within."""

        def enter(module: nn.Module, _: Any) -> None:
            if module in self.paths:
                self.within.append(module)

        def leave(module: nn.Module, _: Any, __: Any) -> None:
            if module in self.paths:
                self.within.pop()

        handles = [every.register_module_forward_pre_hook(enter), every.register_module_forward_hook(leave)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextlib.contextmanager
def _as_torch_export() -> Iterator[None]:
    """Makes networks that ask find themselves exported: they then do what torch.export can follow."""
    before = torch.compiler._is_compiling_flag, torch.compiler._is_exporting_flag
    torch.compiler._is_compiling_flag = torch.compiler._is_exporting_flag = True
    try:
        with torch.compiler.set_stance("force_eager"):  # a compilation that fails here fails again in torch.export
            yield
    finally:
        torch.compiler._is_compiling_flag, torch.compiler._is_exporting_flag = before
