"""Prints the five best labels of images: python3 classify.py IMAGE...; without an image it tests itself."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from runtime import load

HERE = Path(__file__).resolve().parent
MODEL = json.loads((HERE / "model.json").read_text("utf-8"))


def prepare(path):
    """The input that stands for an image file: [1, ...] in the network's layout and type."""
    wanted = MODEL["images"]
    with Image.open(path) as opened:
        image = (ImageOps.exif_transpose(opened) if wanted["upright"] else opened).convert("RGB")
    image = image.convert("L") if wanted["channels"] == 1 else image
    (height, width), (rows, columns) = wanted["size"], wanted["cover"]
    if not wanted["squash"]:  # keeps its shape, and just covers that size
        wide = image.height * columns <= image.width * rows
        columns = max(columns, int(rows * image.width / image.height)) if wide else columns
        rows = rows if wide else max(rows, int(columns * image.height / image.width))
    if (columns, rows) != image.size:
        image = image.resize((columns, rows), Image.Resampling[wanted["interpolation"].upper()])
    top, left = round((rows - height) / 2), round((columns - width) / 2)
    pixels = np.asarray(image.crop((left, top, left + width, top + height)))
    x = pixels.reshape(height, width, -1)[..., :: -1 if wanted["bgr"] else 1].astype(np.float32)
    if wanted["mean"] is not None:
        x = (x / np.float32(255) - np.float32(wanted["mean"])) / np.float32(wanted["std"])
    x = (x if MODEL["input"]["layout"] == "NHWC" else x.transpose(2, 0, 1))[np.newaxis]
    kind = np.dtype(MODEL["input"]["type"])
    if scale := MODEL["input"]["scale"]:
        x = np.rint(x / np.float32(scale)) + MODEL["input"]["zero_point"]
        x = x.clip(np.iinfo(kind).min, np.iinfo(kind).max)
    return np.ascontiguousarray(x, kind)


def classify(run, path):
    """The score of every class for an image file."""
    scores = np.ravel(run(prepare(path))).astype(np.float64)
    scores = (scores - MODEL["output"]["zero_point"]) * (MODEL["output"]["scale"] or 1)
    raised = np.exp(scores - scores.max())
    return raised / raised.sum() if MODEL["softmax"] else scores


def main(paths):
    """Prints the best labels of each image; without one, whether the test image still gives what it gave."""
    run = load(str(HERE / MODEL["file"]), MODEL)
    for path in paths:
        scores = classify(run, path)
        names = MODEL["labels"] or [f"class {each}" for each in range(len(scores))]
        best = np.argsort(-scores, kind="stable")[:5]
        print(path, *(f"  {scores[each]:6.1%}  {names[each]}" for each in best), sep="\n")
    if not paths:
        expected = json.loads((HERE / "expected.json").read_text("utf-8"))
        error = np.abs(classify(run, HERE / expected["image"])[expected["classes"]] - expected["scores"]).max()
        print(f"self-test {'passed' if error < 0.02 else 'FAILED'}: scores differ by {error:.2g} from those expected")
        return int(error >= 0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
