"""Counts ncnn's benchmark networks: python tests/benchmarks/count_instructions.py NCNN_CHECKOUT DEVICE [PRECISION]

Appends to edgebench/estimate/data/counts.csv one inference of what is not there yet for the device's core and
precision (fp32, fp16, int8); needs the device's bundle (`edgebench device setup`). The weights are zeros, as in
benchncnn, which also computes in float16 wherever the core can. All networks take about ten minutes.
"""

import csv
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from edgebench.formats.ncnn.files import BIN, PARAM, Layer, parse, show
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, TensorSpec
from edgebench.machines import profiles
from edgebench.places.emulator.counting import CLASSES, TOTAL
from edgebench.places.emulator.fakecpu import core_of
from edgebench.run.devices import emulate
from edgebench.runtimes.ncnn.engine import HALF_TAG

NETWORKS = (
    *("alexnet", "blazeface", "efficientnet_b0", "efficientnetv2_b0", "googlenet", "mnasnet", "mobilenet"),
    *("mobilenet_v2", "mobilenet_v3", "proxylessnasnet", "regnety_400m", "resnet18", "resnet50", "shufflenet"),
    *("shufflenet_v2", "squeezenet", "vgg16"),
)
QUANTIZED = ("googlenet", "mobilenet", "resnet18", "resnet50", "squeezenet", "vgg16")
LARGEST = 700_000_000  # bytes; VGG-16's weights are 553 MB, and what is beyond a network's own is not read
TARGET = Path(__file__).resolve().parents[2] / "edgebench" / "estimate" / "data" / "counts.csv"


def stated(layers: list[Layer]) -> list[Layer]:
    """The layers with some shape for each output, which edgebench's engine wants and ncnn finds by itself."""
    read = {blob for layer in layers for blob in layer.inputs}
    found = []
    for layer in layers:
        ends = not read.issuperset(layer.outputs) and "-23330" not in layer.options
        shape = ",".join(["1,1,1,1"] * len(layer.outputs))
        hint = {"-23330": f"{4 * len(layer.outputs)},{shape}"} if ends else {}
        found.append(replace(layer, options=layer.options | hint))
    return found


def artifact(param: Path, folder: Path, *, half: bool) -> Artifact:
    """The network as a folder that edgebench runs; `half` lets ncnn compute in float16."""
    layers = stated(parse(param.read_text()))
    (folder / PARAM).write_text(show(layers))
    with (folder / BIN).open("wb") as file:
        file.write(HALF_TAG if half else b"")
        file.flush()
        os.truncate(file.fileno(), LARGEST)
    first = next(layer for layer in layers if layer.kind == "Input")
    shape = (1, *(int(first.options[key]) for key in "210"))
    return Artifact(
        model=ModelSpec(name=param.stem, family="file"),
        export=ExportSpec(format="ncnn"),
        path=str(folder),
        sha256="",
        size_bytes=LARGEST,
        inputs=(TensorSpec(name=first.outputs[0], shape=shape, dtype="float32"),),
        outputs=(),
    )


def main(checkout: str, name: str, precision: str = "fp32") -> None:
    """Counts what is missing, network by network."""
    device = profiles.load(name)
    core = core_of(device).qemu
    half = precision != "fp32" and "fp16" in device.cpu.isa
    rows = csv.DictReader(TARGET.read_text().splitlines())
    known = {(row["core"], row["precision"], row["network"]) for row in rows}
    for network in QUANTIZED if precision == "int8" else NETWORKS:
        key = (core, precision, f"ncnn/{network}")
        if key in known:
            continue
        param = f"{network}_int8.param" if precision == "int8" else f"{network}.param"
        with tempfile.TemporaryDirectory() as folder:
            model = artifact(Path(checkout, "benchmark", "models", param), Path(folder), half=half)
            found = emulate(model, device, runs=1)
        if found.error:
            print(f"{network}: {found.error}")
            continue
        counts = [found.counts[each] for each in (TOTAL, *CLASSES)]
        with TARGET.open("a") as file:
            file.write(",".join(map(str, (*key, *counts))) + "\n")
        print(f"{network}: {found.counts[TOTAL] / 1e6:.1f} million instructions")


if __name__ == "__main__":
    main(*sys.argv[1:])
