"""How fast `edgebench evaluate` is: images a second, as a share of what the bare runtime does on images in memory.

    python tests/benchmarks/evaluate_throughput.py [images] [rounds]

Both run the same file in the same batches. The bare loop has its images prepared in memory; evaluate reads JPEG files
of 256 x 256 pixels, prepares them, runs them, and writes every batch's predictions. The rounds alternate, and the ratio
is that of the medians, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import edgebench
from edgebench import data
from edgebench.ground.records import Artifact
from edgebench.machines import profiles
from edgebench.run.classifiers import of_file
from edgebench.run.evaluator import Evaluator, Place

BATCH = 32
NETWORKS = (("mobilenetv2", 1.0, 224), ("mobilenetv2", 0.35, 96))


def main(images: int = 320, rounds: int = 3) -> None:
    """Prints one line a network and format."""
    with TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = name
        folder = write_images(Path(name) / "photos", images)
        generated(64, 300)
        for model, width, resolution in NETWORKS:
            for form in ("tflite", "onnx"):
                artifact = edgebench.export(
                    model, width=width, resolution=resolution, classes=10, format=form, output=Path(name) / "files"
                )
                compare(artifact, folder, rounds)


def write_images(folder: Path, count: int) -> Path:
    """Photographs' size and format, generated content."""
    dataset = data.load(f"synthetic:shapes?size=256&images={count}")
    for index in range(count):
        path = folder / dataset.classes[dataset.labels[index]] / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.pixels(index)).save(path, quality=90)
    return folder


def generated(size: int, count: int) -> None:
    """Prints how many images a second one core makes."""
    for name in ("shapes", "textures"):
        dataset = data.load(f"synthetic:{name}?size={size}&images={count}")
        start = time.process_time()
        for index in range(count):
            dataset.pixels(index)
        print(f"synthetic:{name} at {size} px: {count / (time.process_time() - start):.0f} images a second of one core")


def compare(artifact: Artifact, folder: Path, rounds: int) -> None:
    """Prints both speeds and their ratio."""
    whole = data.load(str(folder), split="all")
    shape = artifact.model.input_shape[1:]
    bare, evaluated = [], []
    for number in range(rounds):
        prepared = [batch.x for batch in data.batches(whole, artifact.preprocessing, shape, BATCH, stop)]
        bare.append(len(whole) / bare_seconds(artifact, prepared))
        del prepared
        # Another order has another identity, so that no round finds the predictions of the one before it.
        images = whole.take(np.random.default_rng(number).permutation(len(whole)))
        place = Place(profiles.load("host"), batch=BATCH)
        found = Evaluator(replace(images, reference="photos"), place, None, lambda doing: None)
        classifier = place.classifier(artifact)
        start = time.perf_counter()
        found.predict(classifier, artifact.preprocessing, artifact.model, [artifact.sha256, number, images.identity])
        evaluated.append(len(whole) / (time.perf_counter() - start))
    print(
        f"{artifact.model.key} {artifact.export.format}: bare {median(bare):.0f}, evaluate {median(evaluated):.0f}"
        f" images/s, ratio {median(evaluated) / median(bare):.2f}"
        f" ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})"
    )


def bare_seconds(artifact: Artifact, prepared: Sequence[np.ndarray]) -> float:
    """Seconds of the runtime alone."""
    classifier = of_file(artifact, BATCH)
    classifier.run(prepared[0])
    start = time.perf_counter()
    for x in prepared:
        classifier.run(x)
    return time.perf_counter() - start


def stop(error: data.Unreadable) -> None:
    raise error


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
