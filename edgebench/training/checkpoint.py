"""Checkpoints: everything that a run needs to go on to the same result, replaced in one step after each epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from torch import Tensor

from edgebench.ground.errors import TrainingError, UsageError, reason
from edgebench.ground.paths import write_atomically
from edgebench.ground.records import ModelSpec
from edgebench.models.trained import Trained, metadata
from edgebench.training.settings import Settings, differences

LAST: Final = "last.pt"
BEST: Final = "best.safetensors"
METRICS: Final = "metrics.jsonl"
_HEADER: Final = ("model_spec", "settings", "data")

State = dict[str, Any]


def write(folder: Path, spec: ModelSpec, settings: Settings, data: str, state: State) -> None:
    """Writes `folder`/last.pt; the one before stays where that fails. Tensors, numbers and text only.

    `data` is the identity of the training images. Raises TrainingError when the disk does not take it.
    """
    texts = {
        name: msgspec.json.encode(value).decode() for name, value in (("model_spec", spec), ("settings", settings))
    }
    content = io.BytesIO()
    torch.save({**texts, "data": data, **state}, content)
    replace(folder / LAST, content.getbuffer())


def read(folder: Path, spec: ModelSpec, settings: Settings, data: str) -> State:
    """Returns the state that `write` was given. Runs nothing that the file contains.

    Raises UsageError where there is no checkpoint, it is damaged, or it is another run's: of another network, other
    images or other settings.
    """
    path = folder / LAST
    if not path.is_file():
        raise UsageError(f"there is no checkpoint {path} to resume: leave `resume` out to begin")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        told = msgspec.json.decode(found["model_spec"], type=ModelSpec)
        before = msgspec.json.decode(found["settings"], type=Settings)
        same_data = found["data"] == data
    except Exception as error:  # torch raises whatever its parser met; the file is a stranger's
        raise UsageError(f"{path} is damaged or no checkpoint of edgebench: begin again in another folder") from error
    if told != spec:
        raise UsageError(f"{path} is a checkpoint of {told.key}, not of {spec.key}: choose another `output`")
    if not same_data:
        raise UsageError(f"{path} was trained on other images: give the same `data`, or choose another `output`")
    if changed := differences(settings, before):
        raise UsageError(f"{path} was begun with other settings: {', '.join(changed)}; a run resumes only with its own")
    return {name: value for name, value in found.items() if name not in _HEADER}


def save_weights(path: Path, values: Mapping[str, Tensor], trained: Trained) -> None:
    """Writes a network's values as safetensors with what is known of them. Raises TrainingError as `write` does."""
    from safetensors.torch import save

    packed = {name: value.detach().cpu().contiguous() for name, value in values.items()}
    replace(path, save(packed, metadata(trained)))


def replace(path: Path, content: bytes | memoryview) -> None:
    """Writes a file whole, or not at all. Raises TrainingError."""
    try:
        write_atomically(path, content)
    except OSError as error:
        advice = "make room, or choose another folder with `output`"
        if path.exists():
            advice = "the one before is whole: make room, then go on with `resume`"
        why = reason(error)
        raise TrainingError(f"cannot write {path}: {why}; {advice}") from error
