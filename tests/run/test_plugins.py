"""A format and its runtime that edgebench does not know: a folder, a folder, two lines of the registry."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgebench import formats, runtimes
from edgebench.cli import app
from edgebench.ground.registry import FORMATS, RUNTIMES
from edgebench.machines import profiles
from edgebench.run import plan
from edgebench.run.capabilities import capabilities

FORMAT = """
from edgebench.formats.format import Format

FORMAT = Format(name="toy", suffix=".toy", precisions=("fp32",), write="edgebench.formats.toy.convert:convert")
"""
CONVERT = '''
import json

from edgebench.formats.network import INPUT, OUTPUT, Conversion
from edgebench.ground.records import TensorSpec


def convert(network, spec, path):
    """Writes the names of the layers' kinds, their options and their weights."""
    layers = [(type(layer).__name__, [value.tolist() for value in layer.state_dict().values()])
              for layer in network.module.modules() if not list(layer.children())]
    path.write_text(json.dumps(layers))
    shape = network.spec.input_shape
    return Conversion(
        inputs=(TensorSpec(name=INPUT, shape=shape, dtype="float32", layout="NCHW"),),
        outputs=(TensorSpec(name=OUTPUT, shape=(1, network.spec.classes), dtype="float32", layout="NC"),),
        operators={"layer": len(layers)},
    )
'''
RUNTIME = """
from edgebench.runtimes import Runtime

RUNTIME = Runtime(name="toy", formats=("toy",), engine="edgebench.runtimes.toy.engine", package="numpy")
"""
ENGINE = """
import json

import numpy as np


def load(path, threads=1, batch=1):
    with open(path) as file:
        return Session(json.load(file))


class Session:
    version, delegates, delegated_share = "1", None, None
    outputs = [{"name": "logits", "shape": [1, 10], "dtype": "float32"}]
    inputs = [{"name": "image", "shape": [1, 1, 32, 32], "dtype": "float32"}]

    def __init__(self, layers):
        self.layers = [(kind, [np.array(value, np.float32) for value in values]) for kind, values in layers]

    def run(self, x):
        for kind, values in self.layers:
            x = globals()[kind](x, *values)
        return x


def Conv(x, weight, bias):
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def Linear(x, weight, bias):
    return x @ weight.T + bias


def AvgPool2d(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def Tanh(x):
    return np.tanh(x)


def Flatten(x):
    return x.reshape(len(x), -1)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format and a runtime of the name toy, as if they lay among the others."""
    for package, kind, entry, files in (
        (formats, "formats", FORMAT, {"convert.py": CONVERT}),
        (runtimes, "runtimes", RUNTIME, {"engine.py": ENGINE}),
    ):
        folder = tmp_path / kind / "toy"
        folder.mkdir(parents=True)
        for name, text in {"__init__.py": entry, **files}.items():
            (folder / name).write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / kind)])
    monkeypatch.setitem(FORMATS._entries, "toy", "edgebench.formats.toy:FORMAT")
    monkeypatch.setitem(RUNTIMES._entries, "toy", "edgebench.runtimes.toy:RUNTIME")


def test_a_new_format_is_exported_measured_and_listed(toy: None, tmp_path: Path) -> None:
    options = ["--fmt", "toy", "--quick", "--json", "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, ["profile", "lenet5", *options])
    assert done.exit_code == 0, done.output
    [row] = json.loads(done.stdout)
    assert (row["format"], row["runtime"], row["provenance"]) == ("toy", "toy", "measured")
    assert row["parity"]["passed"] and row["latency_s"]
    assert "toy" in {each.runtime for each in capabilities(profiles.load("host")) if each.measured}
    assert plan.is_file("net.toy") and "toy" in plan.default_formats(profiles.load("host"))
