"""The page in a real browser: opened from its folder, it asks for nothing else, and computes what edgebench does."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, Page, program
from msgspec.structs import replace
from PIL import Image
from projects import Deploy, needed

from edgebench.data import images
from edgebench.data.images import INTERPOLATIONS, crop, read_image
from edgebench.deployment.app import App


@pytest.fixture(scope="module", params=["onnx"])
def opened(
    request: pytest.FixtureRequest, deployed: Deploy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, App, Path]]:
    """The page when it has shown its test image."""
    needed("npm", "chromium")
    folder, made = deployed("web", format=request.param)
    browser = Browser(program() or "", tmp_path_factory.mktemp("profile"))
    page = browser.open(folder / "index.html")
    page.wait("document.body.dataset.test && document.querySelectorAll('li').length", 120)
    yield page, made, folder
    browser.close()


@pytest.mark.parametrize("opened", ["onnx", "tflite"], indirect=True)
def test_it_gives_what_the_file_gives(opened: tuple[Page, App, Path]) -> None:
    page, made, folder = opened
    assert page.js("document.body.dataset.test") == "passed"
    scores = page.js("selfTest().then((each) => each.scores)")
    found = [scores[each] for each in made.expected.classes]
    np.testing.assert_allclose(found, made.expected.scores, atol=1e-4)
    assert page.texts("li span") == [made.description.labels[each] for each in made.expected.classes]
    # It asks for its own files only. LiteRT.js looks for a GPU, which this Chromium has not.
    assert [each for each in page.problems if "GPU" not in each and "adapters" not in each] == []
    assert page.requests and all(url.startswith(folder.as_uri()) for url in page.requests)


@pytest.mark.parametrize("interpolation", sorted(INTERPOLATIONS))
def test_images_are_resized_as_pillow_does(opened: tuple[Page, App, Path], tmp_path: Path, interpolation: str) -> None:
    page, made, _ = opened
    pixels = np.random.default_rng(1).integers(0, 256, (67, 131, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    said = made.artifact.preprocessing
    assert said is not None
    for channels, size in ((3, (40, 32)), (1, (96, 150))):  # smaller and larger
        asked = replace(said, interpolation=interpolation)
        told = {"size": size, "cover": images.cover(asked, *size), "channels": channels, "squash": False}
        drawn = f"picture(67, 131, 3, Uint8Array.from({pixels.ravel().tolist()}))"
        found = page.js(f"Array.from(cropped({drawn}, {json.dumps(told | {'interpolation': interpolation})}).data)")
        wanted = crop(pixels, asked, (channels, *size))
        np.testing.assert_array_equal(np.reshape(found, wanted.shape), wanted)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_files_are_decoded_within_a_grey_level(opened: tuple[Page, App, Path], tmp_path: Path, ending: str) -> None:
    page, _, folder = opened
    path = tmp_path / f"test{ending}"
    Image.open(folder / "test.png").save(path, quality=95)
    page.js(f"window.given = Uint8Array.from({list(path.read_bytes())})")
    found = page.js("decode(new Blob([window.given]), false).then((image) => Array.from(image.data))")
    wanted = read_image(path)
    assert np.abs(np.reshape(found, wanted.shape) - wanted.astype(int)).max() <= 1
