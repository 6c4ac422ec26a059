"""A generated set and a network so small that an epoch takes a fraction of a second."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgebench import models
from edgebench.models.given import Given
from edgebench.training.run import TrainingRequest
from edgebench.training.settings import settings

SET = "synthetic:textures?size=16&classes=3&images=48"
SMALL = models.resolve("resnet20", width=0.25, depth=0.34, resolution=16, classes=3)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sums, and so the last bits, depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., TrainingRequest]:
    """Makes a request of two epochs; settings by name, and where it differs `spec`, `data`, `folder`, `weights`."""

    def make(**given: object) -> TrainingRequest:
        own = {
            name: given.pop(name) for name in ("spec", "data", "folder", "weights", "given", "resume") if name in given
        }
        chosen = settings({"epochs": 2, "batch": 16, "threads": 1, "augment": "mirror", **given})
        if "weights" in own:
            own["given"] = Given(weights=own.pop("weights"))  # type: ignore[arg-type]
        made = {"spec": SMALL, "data": SET, "settings": chosen, "folder": tmp_path / "run", **own}
        return TrainingRequest(**made)  # type: ignore[arg-type]

    return make
