"""`edgebench.train`: the Python face of the command. Importing it imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgebench.run.plan import OnProgress
    from edgebench.training.records import Outcome


def train(
    model: str,
    data: str | Path,
    *,
    output: str | Path = "trained",
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    resume: bool = False,
    on: str = "auto",
    on_progress: OnProgress | None = None,
    **settings: object,
) -> Outcome:
    """Trains a network on labelled images and returns what came of it; `weights` of that names the best weights' file.

    `settings` are the fields of `edgebench.training.settings.Settings`: epochs, batch, lr, freeze, augment ("mirror,
    crop") and so on. The network gets as many classes as the data; `export` and `profile` find classes and
    preprocessing in the weights. Raises UsageError for bad input, TrainingError when the loss or the disk fails.
    """
    from pathlib import Path

    from edgebench.api import weights_file
    from edgebench.run import plan
    from edgebench.training.run import Request, train
    from edgebench.training.settings import settings as checked

    file = weights_file(weights, sha256)
    spec = plan.ModelArguments(width, depth, resolution, phi, None, input, options or {}, file).resolve(model)
    request = Request(spec, str(data), checked(settings), Path(output), file, resume, on)
    return train(request, on_progress or plan.silent)
