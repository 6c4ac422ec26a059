"""What a user says of how images are prepared, over what is known."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from torch import nn

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Preprocessing
from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD
from edgebench.models.given import Given
from edgebench.models.preparation import Preparation, of_module, plain

OWN = ModelSpec(name="nets.py:make", family="user", resolution=64)
ZOO = models.resolve("mobilenetv2")
PUBLISHED = models.preprocessing(ZOO)
TIMM = {
    "architecture": "tiny",
    "input_size": (3, 224, 224),
    "crop_pct": 0.9,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "crop_mode": "center",
}


def timm(**changes: object) -> nn.Module:
    module = nn.Identity()
    module.pretrained_cfg = {**TIMM, **changes}  # type: ignore[assignment]
    return module


def test_nothing_said_keeps_what_is_known() -> None:
    assert Preparation().over(PUBLISHED, ZOO) is PUBLISHED
    assert Preparation().over(None, OWN) is None
    assert not Preparation()


def test_named_preparations_are_carried_over_to_the_networks_size() -> None:
    found = Preparation("imagenet").over(None, OWN)
    assert found == Preprocessing(resize=73, crop=64, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert Preparation("imagenet").over(None, ZOO) == PUBLISHED
    assert Preparation("none").over(PUBLISHED, ZOO) == plain(ZOO)


def test_single_values_change_what_is_known() -> None:
    found = Preparation(fields={"mean": (0.1, 0.2, 0.3), "channels": "bgr", "exif": True}).over(PUBLISHED, ZOO)
    assert found == msgspec.structs.replace(PUBLISHED, mean=(0.1, 0.2, 0.3), channels="bgr", exif=True)
    assert Preparation(fields={"mean": 0.5, "std": 0.5}).over(None, OWN) == msgspec.structs.replace(
        plain(OWN), mean=(0.5,) * 3, std=(0.5,) * 3
    )


def test_imagenets_three_means_become_one_for_a_grey_network() -> None:
    grey = msgspec.structs.replace(OWN, channels=1)
    found = Preparation("imagenet").over(None, grey)
    assert found is not None and found.mean == (round(sum(IMAGENET_MEAN) / 3, 6),)


def test_timms_own_configuration() -> None:
    found = of_module(timm(), msgspec.structs.replace(OWN, resolution=224))
    assert found == Preprocessing(resize=248, crop=224, interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3)
    assert Preparation("timm").over(None, OWN, timm()) == of_module(timm(), OWN)
    squash = of_module(timm(crop_mode="squash", crop_pct=1.0, interpolation="random"), OWN)
    assert squash is not None and (squash.squash, squash.resize, squash.interpolation) == (True, 64, "bilinear")
    assert of_module(timm(crop_mode="border"), OWN) is None
    assert of_module(nn.Identity(), OWN) is None


def test_a_module_is_asked_where_nothing_else_is_known() -> None:
    assert Given().preprocessing(OWN, timm()) == of_module(timm(), OWN)
    assert Given().preprocessing(ZOO, timm()) == PUBLISHED
    assert Given(preparation=Preparation("none")).preprocessing(OWN, timm()) == plain(OWN)


def test_weights_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = SimpleNamespace(
        resize_size=[232],
        crop_size=[224],
        mean=list(IMAGENET_MEAN),
        std=list(IMAGENET_STD),
        interpolation=SimpleNamespace(value="bilinear"),
    )

    def get_weight(name: str) -> Any:
        if name != "Net_Weights.V2":
            raise ValueError("no such weights")
        return SimpleNamespace(transforms=lambda: transforms)

    models_ = ModuleType("torchvision.models")
    models_.get_weight = get_weight  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models_)
    found = Preparation("torchvision:Net_Weights.V2").over(None, ZOO)
    assert found is not None and (found.resize, found.crop) == (232, 224)
    with pytest.raises(UsageError, match="torchvision has no weights Other"):
        Preparation("torchvision:Other").over(None, ZOO)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"mean": [0.5, 0.5, 0.5], "channels": "bgr"}, {"mean": (0.5,) * 3, "channels": "bgr"}),
        ({"pretrained_cfg": TIMM}, {"resize": 71, "interpolation": "bicubic"}),
        (
            {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 64, "width": 64}, "resample": 3},
            {"resize": 64, "squash": True, "interpolation": "bicubic"},
        ),
        (
            {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"shortest_edge": 256}, "crop_size": 224},
            {"resize": 73, "crop": 64, "squash": False},
        ),
    ],
)
def test_files(tmp_path: Path, content: object, expected: dict[str, object]) -> None:
    path = tmp_path / "prepared.json"
    path.write_bytes(msgspec.json.encode(content))
    found = Preparation(str(path)).over(None, OWN)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_manifest_is_such_a_file(tmp_path: Path) -> None:
    artifact = Artifact(
        model=ZOO,
        export=ExportSpec(),
        path="x",
        sha256="0",
        size_bytes=1,
        inputs=(),
        outputs=(),
        preprocessing=PUBLISHED,
    )
    path = tmp_path / "net.tflite.json"
    path.write_bytes(msgspec.json.encode(artifact))
    assert Preparation(str(path)).over(None, ZOO) == PUBLISHED


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        (Preparation("imagnet"), "did you mean imagenet"),
        (Preparation("timm"), "no pretrained_cfg"),
        (Preparation("gone.json"), "there is no file gone.json"),
        (Preparation(fields={"mean": (123.7, 116.3, 103.5)}), "divide `mean` and `std` by 255 too"),
        (Preparation(fields={"std": (0.0,)}), "each must be above 0"),
        (Preparation(fields={"mean": (0.1, 0.2)}), "2 values, and the network takes 3 channels"),
        (Preparation(fields={"interpolation": "cubic"}), "did you mean bicubic"),
        (Preparation(fields={"channels": "gbr"}), "did you mean"),
        (Preparation(fields={"exif": "perhaps"}), "images cannot be prepared so"),
        (Preparation(fields={"crop": 224}), "`crop` is 224 of `resize` 64"),
    ],
)
def test_what_cannot_be_is_refused(preparation: Preparation, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preparation.over(None, OWN)


def test_a_file_that_says_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content, message in (
        ("[1]", "no JSON object"),
        ('{"means": [1]}', "did you mean mean"),
        ("no", "cannot read"),
        ('{"mean": "white"}', "it must be numbers"),
        ('{"image_mean": 1, "size": "all"}', "does not say how images are prepared"),
        ('{"pretrained_cfg": 3}', "does not say how images are prepared"),
    ):
        path.write_text(content)
        with pytest.raises(UsageError, match=message):
            Preparation(str(path)).over(None, OWN)
