"""A network in hand, not named but given: a torch.nn.Module or a torch.export.ExportedProgram.

Whatever is done with it is done with a copy, so that it stays as it was: its training flags, device, gradients,
buffers and hooks.
"""

from __future__ import annotations

import copy
import inspect
import re
import warnings
from collections.abc import Sequence
from types import CodeType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Beside, ModelSpec, identity
from edgebench.models import pretrained
from edgebench.models.layers import Network
from edgebench.models.user import Inputs, InputSize, parse_input

_NO_LETTER: Final = re.compile(r"\W")
_BESIDE: Final = ("float32", "int64", "int32", "bool")  # dtypes of inputs beside an image
_QUANTIZED: Final = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
_WRAPPED = ("module", "_orig_mod")  # what data-parallel wrappers and torch.compile call the network itself
_LABELS = ("labels", "classes", "class_names", "categories", "names")
_WRAPPERS = ("DataParallel", "DistributedDataParallel", "OptimizedModule")


class Program(nn.Module):
    """An exported program as a module. Its values are parameters; it has one mode, that in which it was exported."""

    pretrained_cfg: dict[str, object]  # of one that was read from a file: what that is called

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        self.program = program.module(check_guards=False)
        for part in self.modules():
            part.training = False

    def forward(self, *inputs: Tensor) -> Any:
        """What the program gives."""
        return self.program(*inputs)

    def train(self, mode: bool = True) -> Program:
        """Changes nothing."""
        return self


def is_network(found: object) -> bool:
    """Whether an object is a network rather than the name of one, a factory or anything else."""
    return isinstance(found, nn.Module | ExportedProgram)


def opened(found: object) -> nn.Module:
    """The module itself: of a program, and of what wraps it for several devices or torch.compile.

    Raises UsageError for what is no network, a TorchScript one, or one that torch quantised.
    """
    if isinstance(found, ExportedProgram):
        return Program(found)
    if isinstance(found, torch.jit.ScriptModule):
        raise UsageError("a TorchScript module cannot be exported again: give the module that it was made of")
    if not isinstance(found, nn.Module):
        kind = f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"
        raise UsageError(f"{kind} is no network: give a torch.nn.Module, an exported program, or a name")
    if any(type(part).__module__.startswith(_QUANTIZED) for part in found.modules()):
        raise UsageError(
            f"{type(found).__name__} has layers that torch quantised: give it in float, and int8 as `precision`"
        )
    if type(found).__name__ in _WRAPPERS:
        return opened(next(inner for name in _WRAPPED if (inner := getattr(found, name, None)) is not None))
    return found


def name_of(module: nn.Module) -> str:
    """What a module is called, as a user's network is: where:name, the name of its architecture where it tells one."""
    known = pretrained.configuration(module).get("architecture")
    spec = _built(module)
    name = known or (spec.name if spec else type(module).__name__)
    return f"{type(module).__module__}:{_NO_LETTER.sub('_', str(name))}"  # that of net-12.onnx, too


def digest_of(module: nn.Module) -> str:
    """Tells a module from others of its name: by its parts, the shapes of its tensors and the code of its classes.

    Values do not count, as those of a weights file do not. Raises UsageError for a lazy module that has no shapes yet.
    """
    tensors = (*module.named_parameters(), *module.named_buffers())
    if any(isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer) for _, value in tensors):
        raise UsageError(f"{type(module).__name__} has lazy layers without values: run it on one input first")
    shapes = [(name, list(value.shape)) for name, value in tensors]
    codes = {type(part).__qualname__: _code(type(part).forward) for part in module.modules()}
    return identity(repr(module), shapes, codes)[:8]


def _code(function: Any) -> list[str]:
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    constants = [repr(each) for each in code.co_consts if not isinstance(each, CodeType)]
    return [code.co_code.hex(), *code.co_names, *constants]


def input_of(module: nn.Module, example: object = None) -> Inputs | None:
    """What a network is fed: as `example`, a batch (N, C, H, W) alone or in a tuple, else where the module tells it.

    Inputs beside the image follow it in the tuple, each with the batch in front. Raises UsageError for an example that
    is no such batch.
    """
    if example is not None:
        given = tuple(example) if isinstance(example, tuple | list) else (example,)
        if not given or not all(isinstance(one, Tensor) for one in given) or given[0].ndim != 4:
            raise UsageError("`example_inputs` are not one batch of images: give a tensor (N, C, H, W), or (tensor,)")
        return _size_of(given)
    if isinstance(module, Program):
        return _input_of_program(module)
    if spec := _built(module):
        return Inputs(InputSize(*spec.input_shape[1:]))
    size = pretrained.configuration(module).get("input_size")
    return Inputs(parse_input(size)) if size else None


def _built(module: nn.Module) -> ModelSpec | None:
    """The spec of a network that edgebench has built; its values, and even its layers, may be others by now."""
    return module.spec if isinstance(module, Network) else None


def _input_of_program(module: Program) -> Inputs | None:
    inputs = [node.meta["val"] for node in module.program.graph.nodes if node.op == "placeholder"]
    known = all(isinstance(size, int) for one in inputs for size in one.shape[1:])
    return _size_of(inputs) if known and inputs and len(inputs[0].shape) == 4 else None


def _size_of(inputs: Sequence[Tensor]) -> Inputs:
    """The size of an image, the first of `inputs`, with what is beside it. Raises UsageError for a dtype of others."""
    image, *others = inputs
    found = []
    for number, one in enumerate(others, 2):
        dtype: Any = "float32" if one.is_floating_point() else str(one.dtype).removeprefix("torch.")
        if dtype not in _BESIDE or one.ndim < 2:
            raise UsageError(
                f"input {number} is {dtype} of shape {tuple(one.shape)}: give float32, int64, int32 or bool, with the "
                "batch in front"
            )
        found.append(Beside(shape=tuple(one.shape[1:]), dtype=dtype))
    return Inputs(InputSize(*image.shape[1:]), tuple(found))


def zeros(spec: ModelSpec, batch: int = 1) -> tuple[Tensor, ...]:
    """What a network can be run on: its image (N, C, H, W), and its inputs beside it."""
    image = torch.zeros(batch, *spec.input_shape[1:])
    return (image, *(torch.zeros(batch, *one.shape, dtype=getattr(torch, one.dtype)) for one in spec.beside))


def input_names(module: nn.Module) -> list[str]:
    """What a module calls the inputs beside its image, as far as it does."""
    if isinstance(module, Program):
        return [node.name for node in module.program.graph.nodes if node.op == "placeholder"][1:]
    return list(inspect.signature(module.forward).parameters)[1:]


def labels_of(module: nn.Module | None) -> tuple[str, ...]:
    """What a module calls its outputs, as a list of names or names by number; empty where it does not."""
    for attribute in _LABELS:
        found = getattr(module, attribute, None)
        if isinstance(found, dict) and list(found) == list(range(len(found))):
            found = list(found.values())
        if isinstance(found, list | tuple) and found and all(isinstance(name, str) for name in found):
            return tuple(found)
    return ()


def copied(found: object) -> nn.Module:
    """A copy of a network on the CPU, in float32 and in evaluation, which shares nothing with it.

    Raises UsageError as `opened` does, for values that are not there, and for a module that cannot be copied.
    """
    module = opened(found)
    held = [value for part in module.modules() for value in _tensors(part)]
    if any(value.is_meta for value in held):
        raise UsageError(f"the values of {type(module).__name__} are on torch's meta device: give it values first")
    memo: dict[int, Any] = {id(value): _own(value) for value in held}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated"
            )  # of torch, to itself
            return copy.deepcopy(module, memo).eval()
    except Exception as error:  # whatever a stranger's attributes raise
        raise UsageError(
            f"{type(module).__name__} cannot be copied ({type(error).__name__}: {str(error).partition(chr(10))[0]}): "
            "name it as file.py:name instead"
        ) from error


def _tensors(part: nn.Module) -> list[Tensor]:
    others = [value for value in vars(part).values() if isinstance(value, Tensor)]
    return [*part.parameters(recurse=False), *part.buffers(recurse=False), *others]


def _own(value: Tensor) -> Tensor:
    """The values of a tensor, without its gradient and its past."""
    kind = torch.float32 if value.is_floating_point() else value.dtype
    own = value.detach().to("cpu", kind, copy=True)
    return nn.Parameter(own, value.requires_grad) if isinstance(value, nn.Parameter) else own
