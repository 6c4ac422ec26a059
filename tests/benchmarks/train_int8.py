"""What int8 costs networks that were trained with and without --quantization-aware; run by hand.

    python tests/benchmarks/train_int8.py WORK [--fmt tflite,onnx]

WORK is what `train_experiments.py focus int8` was given. Each network's int8 files are run on 2,000 images of the split
`test`; the error of the outputs is that of the manifest, on calibration images that were held out. A line a file is
appended to results/training/int8_files.ndjson.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import msgspec

import edgebench

RESULTS = Path(__file__).parents[2] / "results" / "training" / "int8_files.ndjson"
SHAPES = "synthetic:shapes?size=64&images={}"
TESTED, CALIBRATED = 2000, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("runs", nargs="*", help="such as int8/mobilenetv2-aware; all without")
    parser.add_argument("--fmt", default="tflite,onnx")
    arguments = parser.parse_args()
    folder = arguments.work / "seed0"
    found = [path.parent for kind in ("focus", "int8") for path in sorted(folder.glob(f"{kind}/*/best.safetensors"))]
    runs = [
        folder / name / "best.safetensors" for name in arguments.runs or [path.relative_to(folder) for path in found]
    ]
    for weights in runs:
        for fmt in arguments.fmt.split(","):
            line = _measure(weights, fmt)
            with RESULTS.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
            print(line, flush=True)


def _measure(weights: Path, fmt: str) -> dict[str, Any]:
    name = weights.parent.name.partition("-")[0]
    calibrated = {"calibrate": SHAPES.format(CALIBRATED), "samples": CALIBRATED}
    [found] = edgebench.evaluate(
        name, SHAPES.format(TESTED), split="test", format=fmt, precision="int8", weights=weights, **calibrated
    )
    with tempfile.TemporaryDirectory() as folder:
        artifact = edgebench.export(name, format=fmt, precision="int8", output=folder, weights=weights, **calibrated)
    return {
        "run": f"{weights.parent.parent.name}/{weights.parent.name}",
        "format": fmt,
        "relative_l2_error": artifact.parity.relative_l2_error if artifact.parity else None,
        "accuracy": msgspec.to_builtins(found.accuracy),
        "error": found.error,
    }


if __name__ == "__main__":
    main()
