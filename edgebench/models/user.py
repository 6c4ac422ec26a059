"""A user's own network by its name, `package.module:name` or `file.py:name`: a factory, a class or an instance."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import CLASSES, Beside, ModelSpec

if TYPE_CHECKING:
    from torch import nn

_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", re.ASCII)
_OTHER = re.compile(r"([1-9][0-9]{0,5}(?:x[1-9][0-9]{0,5})*)(?::(float32|int64|int32|bool))?", re.ASCII)


class InputSize(NamedTuple):
    """The size of one image, in torch's order."""

    channels: int
    height: int
    width: int


class Inputs(NamedTuple):
    """What a network is fed: an image, and what is beside it."""

    image: InputSize
    beside: tuple[Beside, ...] = ()


def parse_input(given: str | Sequence[int]) -> InputSize:
    """Reads CHANNELSxHEIGHTxWIDTH, such as "3x224x224", or these numbers, a batch of one before them or not.

    Raises UsageError for anything else.
    """
    text = given if isinstance(given, str) else "x".join(map(str, given[1:] if tuple(given[:-3]) == (1,) else given))
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"'{text}' is not an input size: write channels, height and width, such as 3x224x224")
    return InputSize(*(int(number) for number in match.groups()))


def parse_inputs(given: str | Sequence[int] | Sequence[Sequence[int]]) -> Inputs:
    """Reads an image's size, as `parse_input`, and inputs beside it behind commas: "3x224x224,10,77:int64".

    Of these the sizes behind the batch are said, as numbers too: [(3, 224, 224), (10,)]. Raises UsageError for anything
    else.
    """
    if isinstance(given, str):
        image, *others = given.split(",")
        return Inputs(parse_input(image), tuple(map(_beside_image, others)))
    if not given or isinstance(given[0], int):
        return Inputs(parse_input(cast("Sequence[int]", given)))
    first, *rest = cast("Sequence[Sequence[int]]", given)
    return Inputs(parse_input(first), tuple(_beside_image("x".join(map(str, size))) for size in rest))


def _beside_image(text: str) -> Beside:
    match = _OTHER.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(
            f"'{text}' is no input beside an image: write its sizes behind the batch, such as 10 or 77:int64 (float32, "
            "int64, int32, bool)"
        )
    dtype: Any = match[2] or "float32"
    return Beside(shape=tuple(map(int, match[1].split("x"))), dtype=dtype)


def is_user_network(name: str) -> bool:
    """Whether `name` points at a user's own network rather than into the zoo."""
    return ":" in name


def resolve_user(
    name: str,
    resolution: int | None,
    height: int | None,
    channels: int | None,
    classes: int | None,
    options: dict[str, int | float | bool | str],
    scale: Mapping[str, float | None],
) -> ModelSpec:
    """Returns the spec of a user's network; its code is not touched before `build`.

    `classes` need not be said: the outputs tell.

    Raises UsageError where the input size is missing or a scaling argument is given: only the zoo can be scaled.
    """
    for argument, value in scale.items():
        if value is not None:
            raise UsageError(
                f"`{argument}` means nothing to '{name}', which decides that itself: give it to a factory, in `options`"
            )
    if resolution is None or channels is None:
        raise UsageError(f"'{name}' is your own network: say what it is fed, such as `input='3x224x224'`")
    sizes = {"resolution": resolution, "channels": channels, "height": height, "classes": classes}
    for what, size in sizes.items():
        if size is not None and size < 1:
            raise UsageError(f"{what} {size} is out of range: use a whole number above 0")
    _split(name)
    return ModelSpec(
        name=name,
        family="user",
        resolution=resolution,
        height=None if height == resolution else height,
        channels=channels,
        classes=CLASSES if classes is None else classes,
        options=options,
    )


def make(spec: ModelSpec) -> nn.Module:
    """Imports what the spec names, and returns its module: an instance's copy, or what a call with the options returns.

    Raises UsageError where the file, the package or the name is missing, the call fails, or what it returns is no
    torch.nn.Module.
    """
    from edgebench.models import in_hand

    with _beside(spec.name):
        found = _imported(spec.name)
        if in_hand.is_network(found):
            if spec.options:
                raise UsageError(f"'{spec.name}' is a module, not a factory: leave `options` out")
            return in_hand.copied(found)
        return in_hand.opened(called(found, spec.name, spec.options))


def named(name: str) -> Any:
    """Imports and returns what a name stands for: a module, a class or a factory.

    Raises UsageError where the file, the package or the name is missing.
    """
    with _beside(name):
        return _imported(name)


def called(factory: Callable[..., Any], name: str, options: Mapping[str, Any]) -> Any:
    """What a factory makes. Raises UsageError where it fails, and where that is no network."""
    from edgebench.models import in_hand

    with _reported(f"'{name}' raised"):
        network = factory(**options)
    if not in_hand.is_network(network):
        raise UsageError(f"'{name}' returned {type(network).__name__}: it must return a torch.nn.Module")
    return network


@contextmanager
def _beside(name: str) -> Iterator[None]:
    """Lets the file's neighbours, or those of the working folder, be imported."""
    where, _ = _split(name)
    before = list(sys.path)
    sys.path.insert(0, str(Path(where).resolve().parent if where.endswith(".py") else Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _imported(name: str) -> Any:
    where, attribute = _split(name)
    if where.endswith(".py"):
        module = _import_file(Path(where))
    else:
        with _reported(f"cannot import {where}:"):
            module = importlib.import_module(where)
    return _found(module, where, attribute)


def _split(name: str) -> tuple[str, str]:
    where, _, attribute = name.rpartition(":")
    dotted = all(part.isidentifier() for part in where.split("."))
    if not attribute.isidentifier() or not (where.endswith(".py") or dotted):
        raise UsageError(f"'{name}' names no network: write package.module:name or file.py:name")
    return where, attribute


def _found(module: ModuleType, where: str, attribute: str) -> Any:
    found = getattr(module, attribute, None)
    if callable(found):
        return found
    if found is not None:
        raise UsageError(f"'{attribute}' of {where} is no module and cannot be called to give one")
    raise unknown(f"network in {where}", attribute, [name for name, value in vars(module).items() if callable(value)])


@contextmanager
def _reported(what: str) -> Iterator[None]:
    """A stranger's code, run in the block, may raise anything; the user gets its kind and first line in a sentence."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error


def _import_file(path: Path) -> ModuleType:
    """Imports a file under a name of its own, so that it never shadows an installed module.

    It stays in sys.modules, where dataclasses and torch.export look up a class's module, unless its import fails.
    """
    if not os.path.isfile(path):  # False for a name that is too long, too
        raise UsageError(f"there is no file {path}: write file.py:name with the path to a Python file")
    path = path.resolve()
    name = f"edgebench_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise UsageError(f"{path} cannot be imported as a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        with _reported(f"cannot import {path}:"):
            found.loader.exec_module(module)
    except UsageError:
        del sys.modules[name]
        raise
    return module
