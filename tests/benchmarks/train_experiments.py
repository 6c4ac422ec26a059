"""Trains what shows that training works, in minutes on two cores; run by hand.

    nice python tests/benchmarks/train_experiments.py EXPERIMENT... [--seed N] [--work DIR] [--only RUN]

    focus      mobilenetv1, mobilenetv2, efficientnet_lite0 and efficientnet_b0 on synthetic:shapes, from scratch
    transfer   mobilenetv2 on synthetic:textures, then its trunk, frozen, on synthetic:shapes in a fifth of the epochs
    transfer_near  the same from 30 other classes of synthetic:shapes: the same outlines, filled with other patterns
    transfer_back  the other way: mobilenetv2 of `focus`, its trunk frozen, on synthetic:textures
    depth      resnet56 against plain56 at equal settings
    sides      googlenet with and without its side branches
    init       mobilenetv1 from scratch with each initialisation, for a few epochs
    int8       the focus networks again for a few epochs, with and without --quantization-aware

Every run is appended as one line to results/training/EXPERIMENT.ndjson: the settings, the seed, and every epoch. A run
that was killed goes on where it was. Each uses one thread, so that two can run side by side.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

import edgebench
from edgebench.ground.progress import Step
from edgebench.machines import environment
from edgebench.training.checkpoint import LAST
from edgebench.training.records import TrainingResult
from edgebench.training.settings import settings

RESULTS = Path(__file__).parents[2] / "results" / "training"
SHAPES = "synthetic:shapes?size=64&images=12000"
TEXTURES = "synthetic:textures?size=64&images=4000"
MANY_TEXTURES = "synthetic:textures?size=64&images=12000"
OTHERS = "synthetic:shapes?size=64&first=10&classes=30&images=12000"  # no class of SHAPES
SCRATCH = {"epochs": 14, "batch": 64, "lr": 4e-3, "weight_decay": 0.02, "augment": "mirror", "validate": 1000}
SMALL = {"width": 0.35, "resolution": 64}


@dataclass(frozen=True)
class Run:
    """One training: which network, at which point, on what and how; `after` names the run that its weights are from."""

    model: str
    point: dict[str, Any]
    data: str
    settings: dict[str, Any]
    after: str = ""
    options: dict[str, Any] = field(default_factory=dict)


FOCUS = ("mobilenetv1", "mobilenetv2", "efficientnet_lite0", "efficientnet_b0")
DEPTH = {"epochs": 12, "batch": 64, "optimizer": "sgd", "lr": 0.05, "augment": "mirror", "ema": 0.0, "validate": 500}
DEPTH |= {"label_smoothing": 0.0, "clip": 0.0, "init": "he"}
SIDES = {"epochs": 6, "batch": 64, "lr": 2e-3, "augment": "mirror", "validate": 500, "init": "he"}
SHORT = SCRATCH | {"epochs": 2, "batch": 16, "lr": 2e-3, "warmup": 0.3}
FEW = {"epochs": 2, "batch": 64, "lr": 4e-4, "warmup": 0.2, "weight_decay": 0.02, "augment": "mirror", "validate": 1000}
EXPERIMENTS: dict[str, dict[str, Run]] = {
    "focus": {name: Run(name, SMALL, SHAPES, SCRATCH) for name in FOCUS},
    "transfer": {
        "textures": Run("mobilenetv2", SMALL, TEXTURES, SCRATCH | {"epochs": 10}),
        "transferred": Run("mobilenetv2", SMALL, SHAPES, SHORT | {"freeze": "features.6"}, "textures"),
        "transferred-less-frozen": Run("mobilenetv2", SMALL, SHAPES, SHORT | {"freeze": "features.3"}, "textures"),
        "scratch-as-short": Run("mobilenetv2", SMALL, SHAPES, SHORT),
    },
    "transfer_near": {
        "others": Run("mobilenetv2", SMALL, OTHERS, SCRATCH | {"epochs": 8}),
        "transferred": Run("mobilenetv2", SMALL, SHAPES, SHORT | {"freeze": "features.6"}, "others"),
        "scratch-as-short": Run("mobilenetv2", SMALL, SHAPES, SHORT),
        "transferred-less-frozen": Run("mobilenetv2", SMALL, SHAPES, SHORT | {"freeze": "features.3"}, "others"),
        "others-longer": Run("mobilenetv2", SMALL, OTHERS, SCRATCH),
        "transferred-longer": Run("mobilenetv2", SMALL, SHAPES, SHORT | {"freeze": "features.6"}, "others-longer"),
    },
    "transfer_back": {
        "transferred": Run("mobilenetv2", SMALL, MANY_TEXTURES, SHORT | {"freeze": "features.6"}, "focus/mobilenetv2"),
        "scratch-as-short": Run("mobilenetv2", SMALL, MANY_TEXTURES, SHORT),
        "scratch": Run("mobilenetv2", SMALL, MANY_TEXTURES, SCRATCH),
    },
    "depth": {
        name: Run(name, {"width": 0.5, "resolution": 32}, "synthetic:textures?size=32&images=2000", DEPTH)
        for name in ("resnet56", "plain56")
    },
    "sides": {
        name: Run(
            "googlenet",
            {"width": 0.25, "resolution": 64},
            "synthetic:textures?size=64&images=2000",
            SIDES,
            options=options,
        )
        for name, options in (("with", {"aux": True}), ("without", {}))
    },
    "init": {
        init or "own": Run(
            "mobilenetv1", SMALL, "synthetic:shapes?size=64&images=6000", SCRATCH | {"epochs": 4, "init": init}
        )
        for init in ("", "he", "xavier")
    },
    "int8": {
        f"{name}-{kind}": Run(name, SMALL, SHAPES, FEW | {"quantization_aware": kind == "aware"}, f"focus/{name}")
        for name in FOCUS
        for kind in ("float", "aware")
    },
}


def main() -> None:
    arguments = _arguments()
    for experiment in arguments.experiments:
        for name, run in EXPERIMENTS[experiment].items():
            if arguments.only in (None, name):
                _train(experiment, name, run, arguments.work / f"seed{arguments.seed}", arguments.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", choices=EXPERIMENTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--work", type=Path, default=Path("trained"), help="folder of the runs, kept")
    return parser.parse_args()


def _train(experiment: str, name: str, run: Run, work: Path, seed: int) -> None:
    folder = work / experiment / name
    began = work / (run.after if "/" in run.after else f"{experiment}/{run.after}") / "best.safetensors"
    start = time.perf_counter()
    outcome = edgebench.train(
        run.model,
        run.data,
        output=folder,
        **run.point,
        options=run.options,
        weights=began if run.after else None,
        resume=(folder / LAST).exists(),
        on_progress=_show,
        seed=seed,
        threads=1,
        **run.settings,
    )
    _store(experiment, name, run, seed, outcome, time.perf_counter() - start)


def _show(step: Step) -> None:
    part = step.detail.split(" ")
    if part[0] == "step" and int(part[1]) % 25 == 0:
        print(step.title, step.detail, file=sys.stderr, flush=True)


def _store(experiment: str, name: str, run: Run, seed: int, outcome: TrainingResult, wall_s: float) -> None:
    line = {
        "experiment": experiment,
        "run": name,
        "seed": seed,
        "wall_s": round(wall_s, 1),
        "load_average": os.getloadavg()[1],
        "cpu": environment.capture()["cpu"],
        "settings": msgspec.to_builtins(settings({**run.settings, "seed": seed, "threads": 1})),
        "outcome": {**msgspec.to_builtins(outcome), "folder": "", "weights": ""},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{experiment}.ndjson").open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")
    print(f"{experiment} {name} seed {seed}: {outcome.val_accuracy:.2%} in {wall_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
