import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgebench.runtimes.coreml import engine as coreml


def tensor(name: str, shape: tuple[int, ...], kind: str = "multiArrayType") -> SimpleNamespace:
    described = SimpleNamespace(WhichOneof=lambda group: kind, multiArrayType=SimpleNamespace(shape=shape))
    return SimpleNamespace(name=name, type=described)


def model(image: SimpleNamespace) -> SimpleNamespace:
    description = SimpleNamespace(input=[image], output=[tensor("logits", (1, 10))])
    return SimpleNamespace(
        get_spec=lambda: SimpleNamespace(description=description),
        predict=lambda inputs: {"logits": inputs["image"].sum((2, 3))},
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="CoreML runs here")
def test_elsewhere_than_on_a_mac_it_says_so():
    with pytest.raises(coreml.NotOnThisSystem, match="CoreML runs on macOS only"):
        coreml.load("net.mlpackage")


def test_session_names_its_tensors_and_runs():
    session = coreml.CoreMLSession(model(tensor("image", (1, 10, 4, 4))), "9.0", 1)
    assert session.inputs == [{"name": "image", "shape": [1, 10, 4, 4], "dtype": "float32"}]
    assert session.outputs == [{"name": "logits", "shape": [1, 10], "dtype": "float32"}]
    assert session.delegates is None
    assert np.array_equal(session.run(np.ones((1, 10, 4, 4), np.float32)), np.full((1, 10), 16, np.float32))


@pytest.mark.parametrize(
    ("image", "batch", "message"),
    [(tensor("image", (1, 3, 4, 4)), 2, "fixed to 1, not 2"), (tensor("image", (), "imageType"), 1, "is an image")],
)
def test_package_that_cannot_be_fed_is_refused(image, batch, message):
    with pytest.raises(ValueError, match=message):
        coreml.CoreMLSession(model(image), "9.0", batch)
