"""Writes edgebench/estimate/data/networks.txt: python tests/benchmarks/estimate_networks.py NCNN_CHECKOUT

The classifiers and detectors of ncnn's benchmark come from its benchmark/models/*.param, which name every layer; the
TensorFlow Lite detectors from estimate_detectors.py, which follows their papers and configurations.
"""

import importlib.util
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

Shape = tuple[int, int, int]  # channels, height, width

HERE = Path(__file__).resolve()
REVISION = "a4d2ea1d4422c9e849f166fd7a4aefb52f942f6a"
FAMILIES = {
    "mobilenet": "mobilenetv1",
    "mobilenet_ssd": "mobilenetv1",
    "mobilenet_v2": "mobilenetv2",
    "mobilenet_v3": "mobilenetv3",
    "mobilenet_yolo": "mobilenetv1",
    "mobilenetv2_yolov3": "mobilenetv2",
    "squeezenet_ssd": "squeezenet",
}
INPUTS = {"FastestDet": (3, 352, 352)}  # states no size itself; benchncnn.cpp does
# Attention is no convolution.
LEFT_OUT = ("vision_transformer",)
HEAD = """\
# Operators of the networks whose latencies are published, each kind of line once with its count.
# Written by tests/benchmarks/estimate_networks.py from the sources named below; only shapes, no weights.
#   network NAME FAMILY | SOURCE
#   COUNT conv IN_CHANNELS HEIGHT WIDTH OUT_CHANNELS HEIGHT WIDTH KERNEL_HEIGHT KERNEL_WIDTH STRIDE GROUPS
#   COUNT dense IN OUT / elementwise READS WRITES / exponential READS WRITES / normalize CHANNELS PIXELS \
/ unpacked READS WRITES / resize READS WRITES / detection READS"""


class Layer:
    """One line of a .param file, its blobs' shapes looked up in (and added to) `shapes`."""

    def __init__(self, line: str, shapes: dict[str, Shape]) -> None:
        self.kind, _, inputs, outputs, *rest = line.split()
        ends = int(inputs), int(inputs) + int(outputs)
        self.sources, self.targets, options = rest[: ends[0]], rest[ends[0] : ends[1]], rest[ends[1] :]
        self.options = {int(key): [float(n) for n in text.split(",")] for key, text in (o.split("=") for o in options)}
        self.inputs = [shapes[source] for source in self.sources if source in shapes]
        self.shapes = shapes

    def option(self, key: int, default: float = 0) -> int:
        """An integer option of ncnn's numbered ones."""
        return int(self.options.get(key, [default])[0])

    def stated(self) -> list[Shape]:
        """The output shapes that the file states (key -23330: count, then dimensions, width, height, channels)."""
        numbers = [int(number) for number in self.options.get(-23330, [0])[1:]]
        quads = [numbers[at : at + 4] for at in range(0, len(numbers), 4)]
        return [(w, 1, 1) if d == 1 else (1, h, w) if d == 2 else (c, h, w) for d, w, h, c in quads]

    def put(self, *shapes: Shape) -> None:
        """Names the shapes of the outputs."""
        self.shapes.update(zip(self.targets, self.stated() or shapes, strict=False))

    @property
    def reads(self) -> int:
        """Elements of all inputs."""
        return sum(math.prod(shape) for shape in self.inputs)

    @property
    def writes(self) -> int:
        """Elements of all outputs."""
        return sum(math.prod(self.shapes[target]) for target in self.targets)


def operators(path: Path) -> Iterator[str]:
    """The lines of networks.txt, without counts, for one .param file."""
    shapes: dict[str, Shape] = {}
    for line in path.read_text().splitlines()[2:]:
        if line.strip():
            yield from operator(Layer(line, shapes), INPUTS.get(path.stem))


def operator(layer: Layer, size: Shape | None) -> Iterator[str]:
    """The kernels of one layer."""
    match layer.kind:
        case "Input":
            layer.put(size or (layer.option(2, 3), layer.option(1, 224), layer.option(0, 224)))
        case "Convolution" | "ConvolutionDepthWise" | "DeconvolutionDepthWise":
            yield convolution(layer)
        case "InnerProduct":
            layer.put((layer.option(0), 1, 1))
            yield f"dense {layer.reads} {layer.writes}"
        case "Pooling" | "Reduction":
            yield pooling(layer)
        case "Split" | "Noop":
            layer.put(*[layer.inputs[0]] * len(layer.targets))
        case "Flatten" | "Reshape" | "PriorBox" | "MemoryData":
            layer.put((layer.reads, 1, 1) if layer.kind == "Flatten" else (layer.inputs or [(1, 1, 1)])[0])
        case "LRN":
            layer.put(layer.inputs[0])
            yield f"normalize {layer.inputs[0][0]} {math.prod(layer.inputs[0][1:])}"
        case kind if kind.endswith("DetectionOutput"):
            layer.put((1, 1, 1))
            yield f"unpacked {layer.reads} 0" if "Yolo" in layer.kind else f"detection {layer.reads}"
        case _:
            yield simple(layer)


def convolution(layer: Layer) -> str:
    """A convolution's line, and its output's shape. ncnn pads by its option, or so that the size only divides."""
    channels, height, width = layer.inputs[0]
    kernel = layer.option(11, layer.option(1)), layer.option(1)
    stride, dilation, pad = layer.option(3, 1), layer.option(2, 1), layer.option(4)
    if layer.kind.startswith("Deconvolution"):
        rows, columns = height * stride, width * stride
    elif pad < 0:
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    else:
        pads = pad + layer.option(15, pad), layer.option(14, pad) + layer.option(16, layer.option(14, pad))
        rows = (height + pads[1] - dilation * (kernel[0] - 1) - 1) // stride + 1
        columns = (width + pads[0] - dilation * (kernel[1] - 1) - 1) // stride + 1
    out, groups = layer.option(0), layer.option(7, 1) if "DepthWise" in layer.kind else 1
    if layer.option(6) != out * channels // groups * math.prod(kernel):
        raise ValueError(f"the weights of {layer.targets} do not fit its shape")
    layer.shapes[layer.targets[0]] = (out, rows, columns)
    return f"conv {channels} {height} {width} {out} {rows} {columns} {kernel[0]} {kernel[1]} {stride} {groups}"


def pooling(layer: Layer) -> str:
    """A pool reads its window for every element; a global one reads its input."""
    channels, height, width = layer.inputs[0]
    if layer.kind == "Reduction" or layer.option(4):
        layer.put((channels, 1, 1))
        return f"{'unpacked' if layer.kind == 'Reduction' else 'elementwise'} {layer.reads} {layer.writes}"
    kernel, stride, pad = layer.option(1), layer.option(2, 1), layer.option(3)
    same, rounded = layer.option(5) in (2, 3), math.ceil if layer.option(5) == 0 else math.floor
    sides = [
        math.ceil(n / stride) if same else rounded((n + pad + layer.option(14, pad) - kernel) / stride) + 1
        for n in (height, width)
    ]
    layer.put((channels, sides[0], sides[1]))
    return f"elementwise {layer.writes * kernel**2} {layer.writes}"


def simple(layer: Layer) -> str:
    """Element-wise layers and copies."""
    first = layer.inputs[0]
    halves = (first[0] // 2, *first[1:])
    match layer.kind:
        case "Eltwise" | "BinaryOp":
            layer.put(max(layer.inputs, key=math.prod))
        case "Concat":
            joined = sum(shape[0] for shape in layer.inputs)
            together = all(shape[1:] == first[1:] for shape in layer.inputs)
            layer.put((joined, *first[1:]) if together else (layer.reads, 1, 1))
        case "Slice" | "Crop":
            layer.put(*[halves] * len(layer.targets))
        case "Padding":
            rows, columns = layer.option(0) + layer.option(1), layer.option(2) + layer.option(3)
            layer.put((first[0], first[1] + rows, first[2] + columns))
        case "Interp":
            layer.put((first[0], round(first[1] * layer.options[1][0]), round(first[2] * layer.options[2][0])))
        case (
            "ReLU"
            | "Swish"
            | "HardSwish"
            | "HardSigmoid"
            | "Sigmoid"
            | "BatchNorm"
            | "Softmax"
            | "ShuffleChannel"
            | "Permute"
        ):
            layer.put(first)
        case _:
            raise ValueError(f"unknown layer {layer.kind}")
    reads = layer.writes if layer.kind == "Crop" else layer.reads
    kind = {
        "Swish": "exponential",
        "Sigmoid": "exponential",
        "Softmax": "exponential",
        "Interp": "resize",
        "Permute": "unpacked",
    }.get(layer.kind, "unpacked" if layer.kind == "Padding" and layer.option(8) else "elementwise")
    return f"{kind} {reads} {layer.writes}"


def block(name: str, family: str, source: str, lines: Iterator[str] | list[str]) -> list[str]:
    """One network's part of the file."""
    counted = Counter(lines)
    return [f"network {name} {family} | {source}", *(f"{count} {line}" for line, count in counted.items())]


def main(checkout: str) -> None:
    """Writes the file."""
    spec = importlib.util.spec_from_file_location("estimate_detectors", HERE.with_name("estimate_detectors.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError("estimate_detectors.py")
    detectors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(detectors)
    text = [HEAD]
    for path in sorted(Path(checkout, "benchmark", "models").glob("*.param")):
        if path.stem in LEFT_OUT or path.stem.endswith("_int8"):
            continue
        source = f"Tencent/ncnn benchmark/models/{path.name} at {REVISION}"
        text += block(f"ncnn/{path.stem}", FAMILIES.get(path.stem, path.stem), source, operators(path))
    for name, (family, source, lines) in sorted(detectors.NETWORKS.items()):
        text += block(name, family, source, lines())
    target = HERE.parents[2] / "edgebench" / "estimate" / "data" / "networks.txt"
    target.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
