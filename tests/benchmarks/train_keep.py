"""Keeps trained networks as test data: weights in half precision, and how they were made; run by hand.

    python tests/benchmarks/train_keep.py WORK [--to tests/golden/trained]

WORK is what train_experiments.py was given. Accuracy is measured again, of the rounded weights in float32, on images
of the split `test`, which took no part in training or in choosing the best epoch.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file

from edgebench import data
from edgebench.models import trained
from edgebench.models.build import build
from edgebench.models.trained import Trained
from edgebench.training import records as metrics
from edgebench.training.checkpoint import BEST, METRICS, save_weights

GOLDEN = Path(__file__).parents[1] / "golden" / "trained"
FINISHED = Path(__file__).parents[2] / "results" / "training" / "focus.ndjson"
TESTED = 2000
BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--to", type=Path, default=GOLDEN)
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    finished = {msgspec.json.decode(line)["run"] for line in FINISHED.read_bytes().splitlines()}
    found = [arguments.work / "seed0" / "focus" / name / BEST for name in sorted(finished)]
    kept = {file.parent.name: _keep(file, arguments.to) for file in found}
    (arguments.to / "made.json").write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")


def _keep(file: Path, folder: Path) -> dict[str, Any]:
    told = trained.read(file)
    if told is None:
        sys.exit(f"{file} was not trained by edgebench")
    target = folder / f"{told.model.key}.safetensors"
    half = {key: value.half() if value.is_floating_point() else value for key, value in load_file(file).items()}
    save_weights(target, half, told)
    accuracy = _accuracy(target, told)
    shutil.copy(file.parent / METRICS, folder / f"{told.model.key}.metrics.ndjson")
    rows = metrics.read(file.parent / METRICS)
    print(f"{target.name}: {target.stat().st_size} bytes, top-1 {accuracy:.2%} on test, {told.accuracy:.2%} on val")
    return {
        "file": target.name,
        "size_bytes": target.stat().st_size,
        "command": _command(told),
        "val_accuracy": told.accuracy,
        "test_accuracy": accuracy,
        "test_images": TESTED,
        "best_epoch": told.epochs,
        "epochs": len(rows),
        "seconds": round(sum(row.seconds for row in rows)),
        "trained": msgspec.to_builtins(told),
    }


def _command(told: Trained) -> str:
    return f"python tests/benchmarks/train_experiments.py focus --only {told.model.name} --seed {told.seed}"


def _accuracy(weights: Path, told: Trained) -> float:
    network = build(told.model, weights=weights)
    dataset = data.load(f"{told.data.partition('&images')[0]}&images={TESTED}", split="test")
    right = 0
    with torch.inference_mode():
        for batch in data.batches(dataset, told.preprocessing, told.model.input_shape[1:], BATCH, _unreadable):
            right += int((network(torch.from_numpy(batch.x)).argmax(1) == torch.from_numpy(batch.labels)).sum())
    return right / len(dataset)


def _unreadable(error: data.Unreadable) -> None:
    raise error


if __name__ == "__main__":
    main()
