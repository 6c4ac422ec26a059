"""Writes edgebench/estimate/data/accelerated_networks.csv: python tests/benchmarks/accelerated_networks.py

Needs timm, torchvision and ultralytics (its YOLO networks are counted here, and nothing of it is kept). Networks whose
code is in none of them are built below after their papers; which network a figure is of was read in the sources' code.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import timm
import torch
import torchvision.models as tv
from timm.models.mobilenetv3 import _gen_mobilenet_v3
from timm.utils.model import reparameterize_model
from torch import nn
from torch.nn import functional as F
from ultralytics.nn.tasks import DetectionModel, SegmentationModel

from edgebench.estimate.accelerated.form import FORMS, TERMS, kinds, quantities
from edgebench.estimate.accelerated.known import tables
from edgebench.graph.capture import capture

DATA = Path(__file__).resolve().parents[2] / "edgebench/estimate/data"


def convolution(channels: int, out: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(channels, out, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())


class UNet(nn.Module):
    """Ronneberger et al. 2015, padded, with transposed convolutions; two classes."""

    def __init__(self) -> None:
        super().__init__()
        widths = [64, 128, 256, 512, 1024]
        self.down = nn.ModuleList([self._double(a, b) for a, b in zip([3, *widths], widths, strict=False)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * width, width, 2, 2) for width in reversed(widths[:-1])])
        self.merge = nn.ModuleList([self._double(2 * width, width) for width in reversed(widths[:-1])])
        self.head = nn.Conv2d(64, 2, 1)

    @staticmethod
    def _double(channels: int, out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for block in self.down:
            x = block(F.max_pool2d(x, 2) if kept else x)
            kept.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(kept[:-1]), strict=True):
            x = merge(torch.cat([up(x), skip], 1))
        return self.head(x)


class HRNetFace(nn.Module):
    """HRNet-W18 with 29 heat maps (Sun et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model("hrnet_w18", features_only=True, feature_location="")
        self.head = nn.Sequential(nn.Conv2d(270, 270, 1), nn.ReLU(), nn.Conv2d(270, 29, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, *others = self.body(x)[1:]
        size = first.shape[-2:]
        return self.head(torch.cat([first, *(F.interpolate(y, size=size, mode="bilinear") for y in others)], 1))


class FCN(nn.Module):
    """torchvision's, without the auxiliary output."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tv.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=21)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)["out"]


class DeepLab(nn.Module):
    """DeepLabV3+ on MobileNetV2 at output stride 16 (Chen et al. 2018); 21 classes."""

    def __init__(self) -> None:
        super().__init__()
        features = tv.mobilenet_v2(weights=None).features
        self.low, self.high = features[:4], features[4:18]
        for module in self.high[10:].modules():
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.stride = (1, 1)
        self.pyramid = nn.ModuleList([convolution(320, 256, 1), *(convolution(320, 256, 3, d) for d in (6, 12, 18))])
        self.whole, self.project, self.skip = (convolution(n, m, 1) for n, m in ((320, 256), (1280, 256), (24, 48)))
        self.head = nn.Sequential(convolution(304, 256), convolution(256, 256), nn.Conv2d(256, 21, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.low(x)
        high = self.high(low)
        whole = F.interpolate(self.whole(F.adaptive_avg_pool2d(high, 1)), size=high.shape[-2:], mode="bilinear")
        high = self.project(torch.cat([*(branch(high) for branch in self.pyramid), whole], 1))
        high = F.interpolate(high, size=low.shape[-2:], mode="bilinear")
        found = self.head(torch.cat([high, self.skip(low)], 1))
        return F.interpolate(found, size=x.shape[-2:], mode="bilinear")


class FaceBlock(nn.Module):
    """A block of IR-SE networks (Deng et al. 2019)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        change = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        same = nn.Identity() if stride == 1 else nn.MaxPool2d(1, stride)
        self.shortcut = same if channels == out else change
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(channels), nn.Conv2d(channels, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)),
            *(nn.PReLU(out), nn.Conv2d(out, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)),
        )
        few = out // 16
        self.gate = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(out, few, 1), nn.ReLU(), nn.Conv2d(few, out, 1), nn.Sigmoid())
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.body(x)
        return found * self.gate(found) + self.shortcut(x)


def cavaface() -> nn.Module:
    """The 100-layer face network."""
    stages = (((64, 64), 3), ((64, 128), 13), ((128, 256), 30), ((256, 512), 3))
    blocks = [FaceBlock(out if n else first, out, 1 if n else 2) for (first, out), many in stages for n in range(many)]
    stem = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
    return nn.Sequential(*stem, *blocks, nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(25088, 512))


class VGG3D(nn.Module):
    """VGG-19 with three heads (Mousavian et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = tv.vgg19_bn(weights=None).features
        self.heads = nn.ModuleList([self._head(*sizes) for sizes in ((256, 4), (256, 2), (512, 3))])

    @staticmethod
    def _head(hidden: int, out: int) -> nn.Sequential:
        layers = (nn.Linear(25088, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, out))
        return nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        flat = self.features(x).flatten(1)
        return tuple(head(flat) for head in self.heads)


def yolo(name: str) -> nn.Module:
    """A YOLO as it is exported: without its post-processing."""
    kind = SegmentationModel if name.endswith("-seg") else DetectionModel
    network = kind(f"{name}.yaml", ch=3, verbose=False).eval().fuse(verbose=False)
    network.model[-1].export, network.model[-1].format = True, "onnx"
    return network


# What Qualcomm AI Hub calls a network: its family here, and how it is made.
HUB: dict[str, tuple[str, str | Callable[[], nn.Module]]] = {
    **{name: (name.partition("_")[0].rstrip("0123456789"), f"tv.{name}") for name in (
        "convnext_base", "convnext_tiny", "densenet121", "efficientnet_b4", "efficientnet_v2_s", "resnet50",
        "resnet101",
    )},
    "mobilenet_v3_large": ("mobilenet", "tv.mobilenet_v3_large"),
    "mobilenet_v3_small": ("mobilenet", "tv.mobilenet_v3_small"),
    "regnet": ("regnet", "tv.regnet_x_3_2gf"),
    "regnet_y_800mf": ("regnet", "tv.regnet_y_800mf"),
    "resnext50": ("resnext", "tv.resnext50_32x4d"),
    "resnext101": ("resnext", "tv.resnext101_32x8d"),
    "wideresnet50": ("resnet", "tv.wide_resnet50_2"),
    "shufflenet_v2": ("shufflenet", "tv.shufflenet_v2_x0_5"),
    "inception_v3": ("inception", lambda: tv.inception_v3(weights=None, init_weights=False, aux_logits=False)),
    "dla102x": ("dla", "dla102x"),
    "efficientformer": ("efficientformer", "efficientformer_l1"),
    "efficientvit_b2_cls": ("efficientvit", "efficientvit_b2"),
    "efficientvit_l2_cls": ("efficientvit", "efficientvit_l2"),
    "levit": ("levit", "levit_128s"),
    "mobile_vit": ("mobilevit", "mobilevit_s"),
    "nasnet": ("nasnet", "nasnetalarge"),
    "fcn_resnet50": ("resnet-seg", FCN),
    "unet_segmentation": ("unet", UNet),
    "deepbox/VGG3DDetection": ("vgg", VGG3D),
    "hrnet_face": ("hrnet", HRNetFace),
    "deeplabv3_plus_mobilenet": ("deeplab", DeepLab),
    "cavaface": ("face", cavaface),
    **{name: ("yolo", lambda of=of: yolo(of)) for name, of in {
        "yolov8_det": "yolov8n", "yolov11_det": "yolo11n", "yolov8_seg": "yolov8n-seg", "yolov11_seg": "yolo11n-seg",
        "fastsam_s": "yolov8s-seg", "fastsam_x": "yolov8x-seg", "yolov3": "yolov3-tiny", "yolov5": "yolov5m",
        "deepbox/Yolo2DDetection": "yolov3-tiny",
    }.items()},
}  # fmt: skip
# Networks of papers by names that timm does not have.
NAMED: dict[str, Callable[[], nn.Module]] = {
    "mobilenetv2_150": lambda: tv.mobilenet_v2(width_mult=1.5),
    "mobilenetv2_200": lambda: tv.mobilenet_v2(width_mult=2.0),
    "mobilenetv3_large_050": lambda: _gen_mobilenet_v3("mobilenetv3_large_100", 0.5),
    "shufflenet_v2_x1_0": lambda: tv.shufflenet_v2_x1_0(weights=None),
    "squeezenet1_0": lambda: tv.squeezenet1_0(weights=None),
    "efficientnet_v2_s": lambda: tv.efficientnet_v2_s(weights=None),
}
SIZED = ("vit_", "swiftformer", "efficientvit_m", "efficientformerv2")  # built for a size
FAMILIES = (
    "repvit", "fastvit", "mobileone", "efficientformer", "poolformer", "swiftformer", "starnet", "fasternet", "shvit",
    "nextvit", "mobilenetv4", "mobilenetv3", "mobilenetv2", "ghostnet", "efficientvit_m", "efficientvit",
    "efficientnet", "convnext", "resnet", "pvt", "vit", "shufflenet", "iformer", "lowformer",
)  # fmt: skip


def built(name: str, unit: str, size: list[int]) -> tuple[str, nn.Module]:
    """The family and the network that a figure is of."""
    if unit != "hexagon":
        family = next((each for each in FAMILIES if name.startswith(each)), name.partition("_")[0])
        made: str | Callable[[], nn.Module] = NAMED.get(name, name)
    else:
        family, made = HUB[name]
    if callable(made):
        return family, made()
    if made.startswith("tv."):
        return family, getattr(tv, made.removeprefix("tv."))(weights=None)
    options = {"img_size": size} if size != [224, 224] and name.startswith(SIZED) else {}
    return family, reparameterize_model(timm.create_model(made, pretrained=False, **options).eval())


def main() -> None:
    """Captures every network of accelerated_figures.csv that edgebench has operators for."""
    timm.layers.set_fused_attn(False)
    wanted = {(table.unit, table.precision, name): None for table in tables() for name, _ in table.rows}
    graphs = {}
    with (DATA / "accelerated_networks.csv").open("w", newline="") as file, torch.no_grad():
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("unit", "precision", "network", "family", *TERMS, "kinds"))
        for unit, precision, full in wanted:
            name, _, resolution = full.partition("@")
            size = [int(side) for side in resolution.split("x")] * (1 if "x" in resolution else 2)
            if full not in graphs:
                family, network = built(name, unit, size)
                graphs[full] = (family, capture(network.eval(), (1, 3, *size)))
            family, graph = graphs[full]
            amounts = [f"{each:.5g}" if each else "" for each in quantities(graph, FORMS[unit, precision]).tolist()]
            writer.writerow((unit, precision, full, family, *amounts, " ".join(sorted(kinds(graph)))))


if __name__ == "__main__":
    main()
