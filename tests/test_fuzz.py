"""Hostile commands, in this process: no traceback, no hang, and no file of a user touched but the named output.

In the suite a few dozen; `EDGEBENCH_FUZZ=10000 pytest -n 0 -s tests/test_fuzz.py` runs that many and prints figures.
Every input has a number, from which it is made: `EDGEBENCH_FUZZ_FROM` is the first.
What a command would wait for long after its input was read is left out here: measuring, converting, training and
connecting fail at once instead, which is itself something that commands have to report.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from types import FrameType
from typing import NoReturn

import hostile
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from edgebench import cli
from edgebench.formats import manifest
from edgebench.formats.foreign import load_artifact
from edgebench.formats.tflite.writer import write
from edgebench.graph.operators import Dense, GlobalPool, Graph, Input
from edgebench.ground.errors import DeviceError, ExportError, TrainingError

COUNT, FIRST = (
    int(os.environ.get(name, usual)) for name, usual in (("EDGEBENCH_FUZZ", "40"), ("EDGEBENCH_FUZZ_FROM", "0"))
)
LONGEST_S = 60
FINE = {0, 1, 2, 3, 4, 74}
NETS = b"from torch import nn\ndef make(hidden=4):\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 5))\n"
BOARD = b"""name = "board"
title = "A board"
memory = "1GiB"
[cpu]
soc = "S"
core = "Cortex-A53"
cores = 4
clock = "1.5GHz"
isa = "armv8-a"
bandwidth = "2.5GB/s"
[[calibrations]]
runtime = "litert"
precision = "fp32"
threads = 1
constants = { gemm = 0.3, operator = 18830.0 }
spread = 0.4
macs = [1e5, 2e9]
rows = 3
networks = 3
seen = { gemm = 0.5 }
error = { median = 0.1, p90 = 0.2, coverage = 1.0 }
sources = ["a test"]
basis = "a test"
"""
TEXTS = {
    "nets.py": NETS,
    "board.toml": BOARD,
    "budgets.toml": b'[[budget]]\ndevice = "host"\nmodel = "lenet5"\nlatency = "8ms"\nmemory = "30MB"\n',
    "sweep.toml": b'[sweep]\nmodels = ["lenet5"]\ndevices = ["rpi4"]\nwidths = [0.5, 1.0]\nhow = "auto"\n',
    "noise.toml": b'device = "host"\nthreshold = "4.5%"\nmachine = "1a2b3c4d"\nprocesses = 60\n',
    "accuracy.csv": b"model,top1,width\nlenet5,99.1,\n",
    "choice.json": b'{"schema":1,"device":"rpi4","family":"resnet","candidates":3}',
    "text.onnx": b"this is not a network\n",
    "results/host/2026-11-21-a.jsonl": hostile.record() + hostile.record(id="b", status="failed", error="no"),
    "old/host/2026-11-20-a.jsonl": hostile.record(id="c", time="2026-11-20T03:00:00+00:00"),
}


def _fails(error: Exception) -> object:
    def raises(*arguments: object, **options: object) -> NoReturn:
        raise error

    return raises


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A user's files by their names, before any of them is damaged."""
    import torch
    from safetensors.torch import save

    folder, found = tmp_path_factory.mktemp("seeds"), dict(TEXTS)
    _onnx(folder / "net.onnx")
    _tflite(folder / "net.tflite")
    for form in ("onnx", "tflite"):
        file = folder / f"net.{form}"
        manifest.write(load_artifact(file), manifest.manifest_path(file))
    found |= {path.name: path.read_bytes() for path in folder.iterdir()}
    found["foreign.onnx"] = found["net.onnx"]
    held = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, held)
    found |= {"w.pth": held.getvalue(), "w.safetensors": save({"weight": torch.zeros(3)})}
    for number, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")):
        held = io.BytesIO()
        Image.radial_gradient("L").resize((24, 20)).rotate(40 * number).convert("RGB").save(held, kind)
        for folder in ("photos/train/a", "photos/train/b", "photos/val/a", "photos/val/b", "flat"):
            found[f"{folder}/{number}.{kind.lower()}"] = held.getvalue()
    return found


@pytest.fixture(scope="module", autouse=True)
def _nothing_takes_long(seeds: dict[str, bytes]) -> Iterator[None]:
    """Measuring, converting, training and connecting fail at once; a sweep's cells run here."""
    from edgebench.run.sweep.cells import run_cell

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgebench.places.local.LocalTarget.run", _fails(DeviceError("not measured by a fuzzer")))
        patch.setattr("edgebench.formats.pipeline._export", _fails(ExportError("not converted by a fuzzer")))
        patch.setattr("edgebench.training.trainer.Trainer._train", _fails(TrainingError("not trained by a fuzzer")))
        for name in ("edgebench.places.board.reach.link", "edgebench.places.emulator.emulator.EmulatorTarget.run"):
            patch.setattr(name, _fails(DeviceError("not connected by a fuzzer")))
        patch.setattr(
            "edgebench.run.sweep.local.LocalWorkers.results",
            lambda workers, cells: ((cell, run_cell(cell, Path("out"))) for cell in list(cells)[:5]),
        )
        yield


def _snapshot(root: Path) -> dict[str, bytes | None]:
    """The content of every file below a folder; of what is no file, nothing."""
    found = (Path(here) / name for here, _, names in os.walk(root) for name in names)
    return {path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in found}


def _onnx(path: Path) -> None:
    """A convolution and a dense layer."""
    ends = [helper.make_tensor_value_info("x", 1, ["n", 1, 8, 8]), helper.make_tensor_value_info("y", 1, ["n", 5])]
    nodes = [
        helper.make_node("Conv", ["x", "c"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    held = {"c": (2, 1, 3, 3), "w": (72, 5)}
    weights = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in held.items()]
    graph = helper.make_graph(nodes, "net", *([each] for each in ends), weights)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)


def _tflite(path: Path) -> None:
    """A pool and a dense layer."""
    weight = np.ones((5, 3), np.float32)
    layers = (
        Input(name="image", inputs=(), shape=(1, 3, 8, 8)),
        GlobalPool(name="pool", inputs=("image",), shape=(1, 3)),
        Dense(name="y", inputs=("pool",), shape=(1, 5), in_features=3, weight=weight, bias=np.zeros(5, np.float32)),
    )
    write(Graph(layers, "y"), path, "fp32")


class _Hung(BaseException):
    """A command takes too long."""


def _run(arguments: list[str]) -> tuple[int, str]:
    """A command's exit code and what it said; one that hangs is interrupted by an error that nothing catches."""

    began = time.process_time()

    def hung(signum: int, frame: FrameType | None) -> None:
        if not LONGEST_S / 20 < time.process_time() - began < LONGEST_S:
            raise _Hung
        signal.alarm(LONGEST_S)  # it computes, on a busy machine

    said = io.StringIO()
    before = signal.signal(signal.SIGALRM, hung)
    sys.argv = ["edgebench", *arguments]
    signal.alarm(LONGEST_S)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            return cli._run(), said.getvalue()
    except _Hung:
        return -1, f"runs for more than {LONGEST_S} s"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _allowed(arguments: list[str]) -> tuple[str, ...]:
    """Where a command may write: the outputs that it was given, or those that it has by itself."""
    flags = ("--output=", "-o=", "--preview=", "--trace=", "--sweep=", "--results=")
    named = [each.partition("=")[2] for each in arguments if each.startswith(flags)]
    own = (
        "artifacts",
        "results",
        "trained",
        "report.html",
        "augmented.png",
        "noise-host",
        "plot",
        "devices",
        "out",
        ".tmp",
    )
    return (*filter(None, named), *own)


def _folder(root: Path, seeds: dict[str, bytes], chance: Random, words: list[str]) -> list[str]:
    """Writes a user's folder with some files damaged, mostly those that a command names; returns which."""
    mentioned = [name for name in seeds if any(word in name for word in words)]
    broken = [chance.choice(mentioned or list(seeds)) for _ in range(chance.choice((0, 1, 1, 2)))]
    for name, content in seeds.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hostile.damaged(chance, content) if name in broken else content)
    os.mkfifo(root / "pipe.onnx")
    (root / "folder.onnx").mkdir()
    (root / "link.onnx").symlink_to("nowhere")
    return broken


def _faults(number: int, seeds: dict[str, bytes], home: Path, told: Counter[str]) -> Iterator[str]:
    """Runs one input; yields what is wrong with how it ended."""
    chance = Random(number)
    arguments = hostile.arguments(chance)
    root = home / "deep" / "er"
    broken = _folder(root, seeds, chance, [each for word in arguments if (each := word.rpartition("=")[2])])
    before, began = _snapshot(home), time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        code, said = _run(arguments)
    told.update({"inputs": 1, f"exit {code}": 1})
    told["longest s"] = max(told["longest s"], round(time.monotonic() - began))
    where = f"{number}: {arguments} with {broken} damaged"
    if code not in FINE or "Traceback" in said:
        yield f"{where}: {said.strip()[-800:]}"
    after = _snapshot(home)
    touched = [
        name for name in {**before, **after} if (name in before, before.get(name)) != (name in after, after.get(name))
    ]
    allowed = tuple(f"deep/er/{each}" for each in _allowed(arguments))
    if stray := [name for name in touched if not name.startswith(allowed)]:
        yield f"{where}: touched {stray}"


def test_every_command_ends_in_a_sentence(seeds: dict[str, bytes], tmp_path: Path) -> None:
    told, faults = Counter[str](), []
    for number in range(FIRST, FIRST + COUNT):
        for fault in _faults(number, seeds, tmp_path / "home", told):
            faults.append(fault)
            print(fault, flush=True)
        shutil.rmtree(tmp_path / "home")
        if number % 500 == 499:
            print(dict(sorted(told.items())), flush=True)
    print(dict(sorted(told.items())))
    assert not faults
