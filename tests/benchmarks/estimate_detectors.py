"""The operators of detection networks whose TensorFlow Lite latencies are published, for estimate_networks.py."""

import math
from collections.abc import Callable, Sequence
from functools import partial

Shape = tuple[int, int, int]  # channels, height, width

AUTOML = (
    "google/automl efficientdet/hparams_config.py and efficientdet_arch.py; resolutions and anchors of the lite models"
)
OBJECTS = "tensorflow/models research/object_detection, the configuration of the same name and its feature extractor"
PAPERS = "the architecture tables of Howard et al., 2017 and 2019, with 1001 classes"

# expansion, kernel, stride, channels, repeats
EFFICIENTNET = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
                (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))  # fmt: skip
MOBILENET_V2 = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 3, 2, 32, 3), (6, 3, 2, 64, 4), (6, 3, 1, 96, 3),
                (6, 3, 2, 160, 3), (6, 3, 1, 320, 1))  # fmt: skip
# channels, stride
MOBILENET_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
# kernel, expanded channels, channels, squeeze and excitation, hard swish, stride
# fmt: off
V3_LARGE = (
    (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
    (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
    (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
    (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1),
)
V3_SMALL = (
    (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2),
    (5, 240, 40, 1, 1, 1), (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1),
    (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1), (5, 576, 96, 1, 1, 1),
)
# fmt: on


def divisible(channels: float, by: int = 8) -> int:
    """Channels rounded to a multiple of 8, never down by more than a tenth (the MobileNet and EfficientNet rule)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


class Pen:
    """Writes one line an operator; every method returns the output's shape."""

    def __init__(self, resolution: int) -> None:
        self.lines: list[str] = []
        self.input = (3, resolution, resolution)

    def conv(self, x: Shape, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Shape:
        rows, columns = math.ceil(x[1] / stride), math.ceil(x[2] / stride)
        self.lines.append(f"conv {x[0]} {x[1]} {x[2]} {out} {rows} {columns} {kernel} {kernel} {stride} {groups}")
        return (out, rows, columns)

    def separable(self, x: Shape, out: int, kernel: int = 3, stride: int = 1) -> Shape:
        return self.conv(self.conv(x, x[0], kernel, stride, x[0]), out)

    def elementwise(self, x: Shape, inputs: int = 1) -> Shape:
        self.lines.append(f"elementwise {inputs * math.prod(x)} {math.prod(x)}")
        return x

    def max_pool(self, x: Shape, kernel: int = 3, stride: int = 2) -> Shape:
        y = (x[0], math.ceil(x[1] / stride), math.ceil(x[2] / stride))
        self.lines.append(f"elementwise {math.prod(y) * kernel**2} {math.prod(y)}")
        return y

    def mean(self, x: Shape) -> Shape:
        self.lines.append(f"elementwise {math.prod(x)} {x[0]}")
        return (x[0], 1, 1)

    def dense(self, x: Shape, out: int) -> Shape:
        self.lines.append(f"dense {math.prod(x)} {out}")
        return (out, 1, 1)

    def resize(self, x: Shape) -> Shape:
        self.lines.append(f"resize {math.prod(x)} {math.prod(x)}")
        return x

    def detect(self, anchors: int, classes: int) -> None:
        """Joins scores and boxes, sigmoid of the scores, post-processing."""
        scores = anchors * classes
        for joined in (scores, anchors * 4) if classes == 90 else (anchors * 4, scores):
            self.lines.append(f"elementwise {joined} {joined}")
        self.lines += [f"exponential {scores} {scores}", f"detection {scores}"]

    def inverted(self, x: Shape, expansion: int, out: int, kernel: int, stride: int) -> Shape:
        """MobileNetV2's block: expand, depthwise, project, and add where the shape stays."""
        y = x if expansion == 1 else self.conv(x, x[0] * expansion)
        y = self.separable(y, out, kernel, stride)
        return self.elementwise(y, 2) if stride == 1 and x[0] == out else y


def efficientdet(resolution: int, width: float, depth: float, filters: int, cells: int, repeats: int) -> list[str]:
    """EfficientDet-lite: EfficientNet-lite, BiFPN with plain sums, separable heads, 9 anchors, 90 classes."""
    pen = Pen(resolution)
    x = pen.conv(pen.input, 32, 3, 2)
    features = {}
    for index, (expansion, kernel, stride, channels, count) in enumerate(EFFICIENTNET):
        for block in range(count if index in (0, 6) else math.ceil(count * depth)):
            x = pen.inverted(x, expansion, divisible(channels * width), kernel, 1 if block else stride)
        features[x[1]] = x
    levels = [features[math.ceil(resolution / 2**level)] for level in (3, 4, 5)]
    levels.append(pen.max_pool(pen.conv(levels[2], filters)))
    levels.append(pen.max_pool(levels[3]))
    nodes = [(filters, level[1], level[2]) for level in levels]
    for cell in range(cells):
        _bifpn(pen, levels if cell == 0 else nodes, nodes)
    for node in nodes:
        for out in (810, 36):
            for _ in range(repeats):
                pen.separable(node, filters)
            pen.separable(node, out)
    pen.detect(sum(9 * node[1] ** 2 for node in nodes), 90)
    return pen.lines


def _bifpn(pen: Pen, sources: Sequence[Shape], nodes: Sequence[Shape]) -> None:
    first = sources is not nodes
    for level in (3, 2, 1, 0):
        if first and level < 3:
            pen.conv(sources[level], nodes[level][0])
        pen.separable(pen.elementwise(pen.resize(nodes[level]), 2), nodes[level][0])
    for level in (1, 2, 3, 4):
        if first and level < 3:
            pen.conv(sources[level], nodes[level][0])
        pen.max_pool(nodes[level - 1])
        pen.separable(pen.elementwise(nodes[level], 3 if level < 4 else 2), nodes[level][0])


def _ssd_head(pen: Pen, features: list[Shape], lite: bool) -> list[str]:
    """SSD's extra layers and predictors: 3 anchors on the first feature, 6 on the others, 91 classes."""
    x = features[-1]
    for narrow, out in ((256, 512), (128, 256), (128, 256), (64, 128)):
        y = pen.conv(x, narrow)
        x = pen.separable(y, out, 3, 2) if lite else pen.conv(y, out, 3, 2)
        features.append(x)
    anchors = 0
    for index, feature in enumerate(features):
        boxes = 6 if index else 3
        for values in (4, 91):
            if lite:
                pen.separable(feature, boxes * values)
            else:
                pen.conv(feature, boxes * values, 3)
        anchors += boxes * feature[1] * feature[2]
    pen.detect(anchors, 91)
    return pen.lines


def ssd_mobilenet_v2(lite: bool) -> list[str]:
    """SSD or SSDLite on MobileNetV2 at 300 pixels."""
    pen = Pen(300)
    x = pen.conv(pen.input, 32, 3, 2)
    expanded = x
    for expansion, kernel, stride, channels, count in MOBILENET_V2:
        if channels == 160:
            expanded = (x[0] * expansion, x[1], x[2])
        for block in range(count):
            x = pen.inverted(x, expansion, channels, kernel, 1 if block else stride)
    return _ssd_head(pen, [expanded, pen.conv(x, 1280)], lite)


def _mobilenet_v3(pen: Pen, table: Sequence[Sequence[int]], last: int, halved: bool) -> tuple[Shape, Shape]:
    """The body, and with `halved` the detector's, whose channels after the last stride are half as many."""
    x = pen.elementwise(pen.conv(pen.input, 16, 3, 2))
    inner, reduced = x, False
    for kernel, expanded, out, squeeze, swish, stride in table:
        reduced = reduced or (halved and stride == 2 and x[1] <= pen.input[1] // 16 + 1)
        wide = divisible(expanded / 2) if reduced and stride == 1 else expanded
        y = x if wide == x[0] else pen.conv(x, wide)
        if swish and wide != x[0]:
            y = pen.elementwise(y)
        inner = y if reduced and stride == 2 else inner
        y = pen.conv(y, y[0], kernel, stride, y[0])
        if squeeze:
            narrow = divisible(y[0] / 4)
            pen.elementwise(pen.dense(pen.dense(pen.mean(y), narrow), y[0]))
            pen.lines.append(f"elementwise {math.prod(y) + y[0]} {math.prod(y)}")
        y = pen.conv(pen.elementwise(y) if swish else y, divisible(out / 2) if reduced else out)
        x = pen.elementwise(y, 2) if stride == 1 and y[0] == x[0] else y
    return inner, pen.elementwise(pen.conv(x, last // 2 if halved else last))


def ssdlite_mobilenet_v3(table: Sequence[Sequence[int]], last: int) -> list[str]:
    """SSDLite on MobileNetV3 at 320 pixels."""
    pen = Pen(320)
    return _ssd_head(pen, list(_mobilenet_v3(pen, table, last, halved=True)), lite=True)


def mobilenet_v3_small() -> list[str]:
    """The classifier at 224 pixels."""
    pen = Pen(224)
    _, x = _mobilenet_v3(pen, V3_SMALL, 576, halved=False)
    pen.dense(pen.elementwise(pen.dense(pen.mean(x), 1024)), 1001)
    return pen.lines


def _mobilenet_v1(pen: Pen) -> dict[int, Shape]:
    x = pen.conv(pen.input, 32, 3, 2)
    features = {}
    for channels, stride in MOBILENET_V1:
        x = pen.separable(x, channels, 3, stride)
        features[x[1]] = x
    return features


def mobilenet_v1() -> list[str]:
    """The classifier at 224 pixels."""
    pen = Pen(224)
    pen.dense(pen.mean(_mobilenet_v1(pen)[7]), 1001)
    return pen.lines


def _retina(pen: Pen, features: Sequence[Shape]) -> list[str]:
    """RetinaNet's pyramid and shared heads: 256 channels, 4 convolutions each, 6 anchors, 91 classes."""
    pyramid: list[Shape] = []
    for feature in reversed(features):
        y = pen.conv(feature, 256)
        if pyramid:
            y = pen.conv(pen.elementwise(pen.resize(y), 2), 256, 3)
        pyramid.insert(0, y)
    for _ in range(2):
        pyramid.append(pen.conv(pyramid[-1], 256, 3, 2))
    for level in pyramid:
        for _ in range(8):
            pen.conv(level, 256, 3)
        pen.conv(level, 24, 3)
        pen.conv(level, 546, 3)
    scores = sum(6 * level[1] * level[2] for level in pyramid) * 91
    pen.lines += [f"elementwise {scores} {scores}", f"exponential {scores} {scores}", f"detection {scores}"]
    return pen.lines


def ssd_mobilenet_v1_fpn() -> list[str]:
    """RetinaNet on MobileNetV1 at 640 pixels."""
    pen = Pen(640)
    features = _mobilenet_v1(pen)
    return _retina(pen, [features[side] for side in (80, 40, 20)])


def ssd_resnet_50_v1_fpn() -> list[str]:
    """RetinaNet on ResNet-50 at 640 pixels."""
    pen = Pen(640)
    x = pen.max_pool(pen.conv(pen.input, 64, 7, 2))
    features = []
    for channels, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(count):
            if not block:
                pen.conv(x, channels * 4, 1, stride)
            y = pen.conv(pen.conv(x, channels), channels, 3, 1 if block else stride)
            x = pen.elementwise(pen.conv(y, channels * 4), 2)
        features.append(x)
    return _retina(pen, features[1:])


# name -> family, source, lines. EfficientDet: resolution, width, depth, filters, cells, head repeats.
NETWORKS: dict[str, tuple[str, str, Callable[[], list[str]]]] = {
    f"efficientdet_lite{name}": ("efficientdet", AUTOML, partial(efficientdet, *settings))
    for name, settings in {
        "0": (320, 1.0, 1.0, 64, 3, 3),
        "1": (384, 1.0, 1.1, 88, 4, 3),
        "2": (448, 1.1, 1.2, 112, 5, 3),
        "3": (512, 1.2, 1.4, 160, 6, 4),
        "3x": (640, 1.2, 1.4, 200, 6, 4),
        "4": (640, 1.4, 1.8, 224, 7, 4),
    }.items()
} | {
    "mobilenet_v1": ("mobilenetv1", PAPERS, mobilenet_v1),
    "mobilenet_v3_small": ("mobilenetv3", PAPERS, mobilenet_v3_small),
    "ssd_mobilenet_v1_fpn": ("mobilenetv1", OBJECTS, ssd_mobilenet_v1_fpn),
    "ssd_mobilenet_v2": ("mobilenetv2", OBJECTS, partial(ssd_mobilenet_v2, lite=False)),
    "ssd_resnet_50_v1_fpn": ("resnet50", OBJECTS, ssd_resnet_50_v1_fpn),
    "ssdlite_mobilenet_v2": ("mobilenetv2", OBJECTS, partial(ssd_mobilenet_v2, lite=True)),
    "ssdlite_mobilenet_v3_large": ("mobilenetv3", OBJECTS, partial(ssdlite_mobilenet_v3, V3_LARGE, 960)),
    "ssdlite_mobilenet_v3_small": ("mobilenetv3", OBJECTS, partial(ssdlite_mobilenet_v3, V3_SMALL, 576)),
}
