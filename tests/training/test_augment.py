"""Each kind of augmentation: its output's size and range, that it changes something, and that a seed repeats it."""

import sys

import numpy as np
import pytest
import torch

from edgebench.ground.errors import MissingPackage
from edgebench.training.augment import (
    ALL,
    ORIGINAL,
    CentreCrop,
    PrincipalColours,
    augmentation,
    check_installed,
    preview,
)
from edgebench.training.settings import KINDS

SAMPLE = np.random.default_rng(0).integers(0, 256, (6, 3, 20, 20)).astype(np.uint8)


@pytest.mark.parametrize("kind", [*KINDS, "all"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_changes_images_and_keeps_their_range(kind: str, channels: int) -> None:
    sample = SAMPLE[:, :channels]
    changed = augmentation(tuple(KINDS) if kind == "all" else (kind,), (16, 16), sample)
    x = torch.from_numpy(sample).float() / 255
    torch.manual_seed(1)
    first = changed(x)
    torch.manual_seed(1)
    again = changed(x)
    assert first.shape == (6, channels, 16, 16)
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, CentreCrop((16, 16))(x))


def test_without_a_kind_the_centre_is_left() -> None:
    x = torch.from_numpy(SAMPLE).float() / 255
    assert torch.equal(augmentation((), (16, 16), SAMPLE)(x), x[:, :, 2:18, 2:18])
    assert torch.equal(augmentation((), (20, 20), SAMPLE)(x), x)


def test_warping_pulls_in_no_black() -> None:
    white = np.full((8, 3, 32, 32), 255, np.uint8)
    torch.manual_seed(0)
    warped = augmentation(("warp",), (32, 32), white)(torch.ones(8, 3, 32, 32))
    assert warped.min() > 0.99


def test_principal_colours_are_those_of_the_data() -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (4, 1, 9, 9)), 3, axis=1).astype(np.uint8)
    torch.manual_seed(0)
    shift = PrincipalColours(grey)(torch.full((64, 3, 1, 1), 0.5)) - 0.5
    assert shift.std() > 0.01  # grey images vary along grey alone, so all channels move together
    assert (shift - shift.mean(1, keepdim=True)).abs().max() < 1e-5


def test_without_kornia_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
    with pytest.raises(MissingPackage, match=r"edgebench\[train\]"):
        check_installed(("mirror", "pca"))
    check_installed(("pca",))


def test_the_preview_has_a_row_a_kind() -> None:
    rows = preview("synthetic:textures?size=24&images=20", ("mirror", "pca"), columns=3, resolution=16)
    assert list(rows) == [ORIGINAL, "mirror", "pca", ALL]
    assert all(images.shape == (3, 16, 16, 3) and images.dtype == np.uint8 for images in rows.values())
    state = torch.get_rng_state()
    again = preview("synthetic:textures?size=24&images=20", ("mirror", "pca"), columns=3, resolution=16)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
    assert torch.equal(state, torch.get_rng_state())
