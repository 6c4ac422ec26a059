"""What int8 costs trained networks: top-1 on generated images that were neither trained nor calibrated on."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_quantizer", reason="needs ai-edge-quantizer: pip install 'edgebench[tflite]'")

import edgebench
from edgebench.data import batches, load
from edgebench.formats.native import fed
from edgebench.runtimes.litert import engine as litert

TRAINED = Path(__file__).parents[2] / "golden" / "trained"
DATA = "synthetic:shapes?size=64"
IMAGES = 400
SLACK = 0.5  # points; goal 0.5, and as much again for what 400 images can tell apart


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loss"),
    [("mobilenetv1", 0.5), ("mobilenetv2", 0.5), ("efficientnet_lite0", 0.5), ("efficientnet_b0", 1.0)],
)
def test_int8_loses_next_to_nothing(name, loss, tmp_path):
    weights = TRAINED / f"{name}-w0.35-d1-r64-k10.safetensors"
    made = {
        precision: edgebench.export(
            name, precision=precision, width=0.35, resolution=64, classes=10, weights=weights, output=tmp_path,
            calibrate=DATA if precision == "int8" else "",
        )
        for precision in ("fp32", "int8")
    }  # fmt: skip
    top1 = {precision: accuracy(artifact) for precision, artifact in made.items()}
    assert top1["fp32"] > 70
    assert top1["int8"] >= top1["fp32"] - loss - SLACK


def accuracy(artifact) -> float:
    """Top-1 in percent."""
    run = fed(litert.load(artifact.path, batch=50).run, artifact.inputs, artifact.outputs)
    images = load(DATA, split="val").subset(IMAGES)
    found = [
        run(batch.x).argmax(axis=1) == batch.labels
        for batch in batches(images, artifact.preprocessing, (3, 64, 64), 50, pytest.fail)
    ]
    return 100 * float(np.concatenate(found).mean())
