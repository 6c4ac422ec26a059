"""What torchvision's and timm's own networks computed with generated weights, at 64 pixels, in float64.

golden/weights_layout/outputs.json has it with timm's keys and shapes; torchvision's keys are ours (see test_build.py).
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgebench import models
from edgebench.models.build import build, skeleton
from edgebench.models.layouts.reference import obtain

Generated = Callable[[dict[str, list[int]]], dict[str, Tensor]]
RECORDED = json.loads((Path(__file__).parents[2] / "golden" / "weights_layout" / "outputs.json").read_text())


@torch.no_grad()
@pytest.mark.parametrize("theirs", RECORDED)
def test_outputs_are_the_librarys(theirs: str, generated: Generated, tmp_path: Path) -> None:
    wanted = RECORDED[theirs]
    spec = models.resolve(wanted["model"], width=wanted.get("width"), resolution=64)
    shapes = wanted.get("shapes") or {key: list(value.shape) for key, value in skeleton(spec).state_dict().items()}
    torch.save(generated({key: shapes[key] for key in sorted(shapes)}), tmp_path / "weights.pth")
    path = obtain(f"{wanted['library']}:{tmp_path / 'weights.pth'}", tell=lambda _: None)
    image = torch.randn(spec.input_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = build(spec, weights=path).double()(image)[0]
    assert found[:8].tolist() == pytest.approx(wanted["outputs"], rel=1e-5, abs=1e-7 * wanted["norm"])
    assert float(found.norm()) == pytest.approx(wanted["norm"], rel=1e-5)
