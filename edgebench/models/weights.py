"""Weight files: read without running anything that they contain, and fitted key by key.

A file that says that it has another library's layout (layouts.reference writes such files) is fitted by its table.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from edgebench.ground.errors import UsageError
from edgebench.models import layouts
from edgebench.models.layouts.reference import SUFFIXES

_WRAPPERS = ("state_dict", "model")
_OF_TRAINING = frozenset(("model_spec", "optimizer"))  # what training.checkpoint writes beside a network's values
_PARALLEL_PREFIX = "module."
_COUNTER = "num_batches_tracked"
_NAMED = 4  # keys that a sentence about a misfit names; the others are counted


def read(path: Path) -> dict[str, Tensor]:
    """Returns the state dict of a .pth or .pt file (tensors only) or a .safetensors file.

    A dict under "state_dict" or "model" is unwrapped, and the prefix "module." of data-parallel training removed.
    Raises UsageError for a file that is missing, unreadable, of another kind, a checkpoint of `edgebench train`, or
    that holds other objects: a pickle of anything but tensors could run code when it is loaded, so it is refused.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"weights '{path}' have an unknown ending: use one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    state = _state_dict(path, found)
    if all(key.startswith(_PARALLEL_PREFIX) for key in state):
        return {key.removeprefix(_PARALLEL_PREFIX): value for key, value in state.items()}
    return state


def load(network: nn.Module, path: Path, name: str, ignored: tuple[str, ...] = ()) -> None:
    """Puts the file's values into the network, which may lie on the meta device; all of them must fit.

    Keys that begin with one of `ignored` are dropped where the network lacks them (parts only needed in training).
    Batch norm's batch counters may be missing: nothing reads them in evaluation. Keys in another library's layout are
    renamed by its table, and batch norms get its epsilon.
    Raises UsageError that names missing, unexpected and misshapen keys, and for a library without such a network.
    """
    expected = network.state_dict()
    library = layouts.library_of(path)
    found = named_as_ours(path, name)
    kept = {key: value for key, value in found.items() if key in expected or not key.startswith(ignored)}
    given = {key: _as_dense(value, expected.get(key)) for key, value in kept.items()}
    for key in expected:
        if key.endswith(_COUNTER) and key not in given:
            given[key] = torch.tensor(0)
    problems = _problems(expected, given)
    if problems:
        other = layouts.hint(name, given, expected)
        advice = f"; they have the names of {other}: give `weights='{other}:{path}'`" if other and not library else ""
        kind = f"{library} weights" if library else "weights"
        raise UsageError(f"the {kind} in {path} do not fit {name}: {'; '.join(problems)}{advice}")
    values = {key: value.to(expected[key].dtype) for key, value in given.items()}
    network.load_state_dict(values, assign=any(value.is_meta for value in expected.values()))
    if library:
        layouts.adapted(network, library, name)


def _as_dense(value: Tensor, expected: Tensor | None) -> Tensor:
    """A pointwise convolution's weight as that of the dense layer which does the same behind a global pooling."""
    pointwise = value.dim() == 4 and value.shape[2:] == (1, 1) and expected is not None and expected.dim() == 2
    return value.flatten(1) if pointwise else value


def named_as_ours(path: Path, name: str) -> dict[str, Tensor]:
    """Returns the state dict of a file as `read` does, its keys those of our network `name` whatever its layout."""
    state, library = read(path), layouts.library_of(path)
    if not library:
        return state
    keys = layouts.layout(library, name).keys(state)
    return {keys[key]: value for key, value in state.items()}


def _problems(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    groups = {
        "missing": [key for key in expected if key not in given],
        "unexpected": [key for key in given if key not in expected],
        "wrong shape": [
            f"{key} (file {tuple(given[key].shape)}, network {tuple(expected[key].shape)})"
            for key in expected
            if key in given and given[key].shape != expected[key].shape
        ],
    }
    more = {kind: f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "" for kind, keys in groups.items()}
    return [f"{kind}: {', '.join(keys[:_NAMED])}{more[kind]}" for kind, keys in groups.items() if keys]


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # what follows says whether it was readable
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its parser met; the file is a stranger's
        raise UsageError(
            f"weights '{path}' are refused: they are damaged or hold more than tensors, and a pickle of other objects "
            "can run code; save them with torch.save(model.state_dict(), path) or as .safetensors"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"weights '{path}' are not a readable safetensors file: {error}") from error
    return state


def _state_dict(path: Path, found: object) -> dict[str, Tensor]:
    if isinstance(found, Mapping) and found.keys() >= _OF_TRAINING:
        raise UsageError(
            f"weights '{path}' are a training checkpoint, to go on with by `resume`: give best.safetensors beside it,"
            " the values that were kept, with their classes and preprocessing"
        )
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise UsageError(f"weights '{path}' hold a {type(found).__name__} and no state dict: save model.state_dict()")
    strays = [str(key) for key, value in found.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strays:
        raise UsageError(f"weights '{path}' hold entries that are no tensors: {', '.join(strays)}")
    return dict(found)
