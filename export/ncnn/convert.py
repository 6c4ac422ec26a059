"""ncnn through pnnx: a folder (.ncnn) of model.param, the layers as text, and model.bin, their weights. Batch 1.

pnnx is a program of its own that reads a TorchScript file. It also writes the network as ONNX and as two Python
programs; those go nowhere here, and none of them is run. fp16 stores the weights as float16, which ncnn computes
with in float16 where the processor can; biases stay float32.

The .param file says what pnnx leaves out: the sizes of the input and of the output, in ncnn's own options for them.
"""

from __future__ import annotations

import copy
import errno
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pnnx
import torch
from torch import nn

from edgebench.formats.ncnn.activations import loaded
from edgebench.formats.ncnn.files import BIN, PARAM, Layer, parse, show
from edgebench.formats.ncnn.inspect import spec_of
from edgebench.formats.network import Conversion, Network
from edgebench.formats.quantize.replay import Replay
from edgebench.formats.quiet import Noise, quiet
from edgebench.formats.verify import difference, scale
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, Precision
from edgebench.models.in_hand import zeros
from edgebench.models.layers import Subsample

UNWANTED = ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy")  # files that pnnx writes beside the two
FILE_TOO_LARGE = -getattr(signal, "SIGXFSZ", 0)  # how a program ends at the limit on a file's size; not on Windows
FEW_AXES = "its tensors have four axes at most, and none of them is a batch"
LARGEST = {"inf": "3.402823e+38", "-inf": "-3.402823e+38"}  # what a max pool pads with: ncnn reads no other infinity
PNNX_TYPES = {torch.float32: "f32", torch.int64: "i64", torch.int32: "i32", torch.bool: "u8"}
PATIENCE_S = 1800.0  # VGG-16 takes half a minute on a busy machine
NOISE = Noise(
    warnings=(
        r"`torch\.jit\.trace(_method)?` is deprecated",
        r"Converting a tensor to a Python \w+ might cause the trace to be incorrect",  # its sizes are fixed
    )
)


def convert(network: Network, spec: ExportSpec, path: Path) -> Conversion:
    """Writes the folder `path` with input "image" (1, C, H, W), and those beside it as float32, and output "logits".

    Raises ExportError when pnnx fails or leaves an operator that ncnn does not have, by its name, and torch's own
    errors for a network that it cannot trace.
    """
    with TemporaryDirectory(prefix=".pnnx-", dir=path.parent) as name:
        folder = Path(name)
        layers = _translated(network, spec.precision, folder)
        conversion = _describe(layers, network)
        if spec.precision == "int8":
            from edgebench.formats.ncnn import int8

            report, warnings = int8.write(network, folder, path)
            return replace(conversion, quantization=report, warnings=warnings)
        path.mkdir()
        for part in (PARAM, BIN):
            os.replace(folder / part, path / part)
    return conversion


def _translated(network: Network, precision: Precision, folder: Path) -> list[Layer]:
    """The layers of the files that pnnx makes of the network; where it cannot, or errs, of the network's Graph.

    The Graph says in plain operators of few axes what a module may say in others. Raises ExportError for what it does
    not cover, which a trace may follow for one input alone, and where pnnx makes nothing of either.
    """
    graph = network.graph
    try:
        layers = _layers(network, _with_pooling(network.flat), precision, folder)
        if _agrees(network, precision, folder):
            return layers
        failure = None
    except ExportError as error:
        failure = error
    try:
        simpler = _layers(network, Replay(graph), precision, folder)
    except ExportError:
        if failure:
            raise failure from None
    else:
        if failure or _agrees(network, precision, folder):
            return simpler
    return _layers(network, _with_pooling(network.flat), precision, folder)  # the check says what is wrong with it


def _layers(network: Network, module: nn.Module, precision: Precision, folder: Path) -> list[Layer]:
    """Lets pnnx write its two files of a module into `folder`."""
    examples = zeros(network.spec)
    trace(module, examples, folder / "network.pt")
    _run_pnnx(folder, examples, precision)
    layers = renamed(parse((folder / PARAM).read_text("utf-8")), network)
    (folder / PARAM).write_text(show(layers), "utf-8")
    return layers


def _agrees(network: Network, precision: Precision, folder: Path) -> bool:
    """Whether ncnn computes what the network does on one input."""
    (image, *_), (expected, *_) = network.reference
    try:
        found = loaded(folder, list(network.outputs))(image)
        return difference(found, expected, scale(network.reference[1])).passes(precision)
    except (ExportError, RuntimeError, ValueError):  # another shape, or ncnn stops: as wrong as another value
        return False


def trace(module: nn.Module, examples: tuple[torch.Tensor, ...], path: Path) -> None:
    """Saves a module as TorchScript.

    The file is written from Python: torch's own writer ends the process where the disk is full. Raises OSError there.
    """
    with quiet(NOISE), torch.no_grad():
        traced = torch.jit.trace(module, examples, check_trace=False)  # type: ignore[no-untyped-call]
        saved = traced.save_to_buffer()
    path.write_bytes(saved)


class Pooled(nn.Module):
    """Every `stride`-th row and column as a maximum over one element: ncnn has no slice with steps."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""
        return self.pool(x)  # type: ignore[no-any-return]


def _with_pooling(module: nn.Module) -> nn.Module:
    """A copy that shares the weights, with every Subsample replaced; the module itself where it has none."""
    if not any(isinstance(part, Subsample) for part in module.modules()):
        return module
    tensors = (*module.parameters(), *module.buffers())
    copied = copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
    for parent in list(copied.modules()):
        for name, part in parent.named_children():
            if isinstance(part, Subsample):
                setattr(parent, name, Pooled(part.stride))
    return copied


def _run_pnnx(folder: Path, examples: tuple[torch.Tensor, ...], precision: str) -> None:
    given = ",".join(f"[{','.join(map(str, one.shape))}]{PNNX_TYPES[one.dtype]}" for one in examples)
    command = [pnnx.EXEC_PATH, "network.pt", f"inputshape={given}", f"fp16={int(precision == 'fp16')}"]
    command += [f"ncnnparam={PARAM}", f"ncnnbin={BIN}", *(f"{name}={os.devnull}" for name in UNWANTED)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"pnnx took longer than {PATIENCE_S:.0f} s, and was ended") from error
    if done.returncode and done.returncode == FILE_TOO_LARGE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(folder / BIN))
    if done.returncode or not (folder / PARAM).is_file() or not (folder / BIN).is_file():
        words = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ExportError(f"pnnx ended with exit code {done.returncode}: {words[-1][:200] if words else 'no message'}")


def renamed(layers: list[Layer], network: Network) -> list[Layer]:
    """Gives inputs and outputs the network's names and states their shapes.

    Raises ExportError for an operator that ncnn does not have (pnnx passes it on under its own name, with a dot), and
    for an output of one number without an axis.
    """
    results = network.outputs
    if bare := [name for name, shape in results.items() if not shape]:
        raise ExportError(f"ncnn has no tensors without axes, as {bare[0]} is: keep an axis of it, or choose onnx")
    unknown = sorted({layer.kind for layer in layers if "." in layer.kind or "::" in layer.kind})
    if unknown:
        moves = f" ({FEW_AXES})" if any(kind.startswith("Tensor.") for kind in unknown) else ""
        raise ExportError(
            f"ncnn has no operator for {', '.join(unknown)}{moves}: replace it in the network, or choose onnx"
        )
    fed = {f"in{at}": name for at, name in enumerate(network.inputs)}
    names = fed | {f"out{at}": name for at, name in enumerate(results)}
    sizes = {name: tuple(one.shape) for name, one in zip(fed, zeros(network.spec), strict=True)}
    found = []
    for layer in layers:
        inputs, outputs = (tuple(names.get(blob, blob) for blob in blobs) for blobs in (layer.inputs, layer.outputs))
        finite = {key: LARGEST.get(value, value) for key, value in layer.options.items()}
        options = finite | _stated(layer, sizes, list(results.values()))
        found.append(replace(layer, inputs=inputs, outputs=outputs, options=options))
    return found


def _stated(layer: Layer, sources: Mapping[str, tuple[int, ...]], results: list[tuple[int, ...]]) -> dict[str, str]:
    """The options that state a shape: width, height, channels, and for an output the number of dimensions before."""
    if layer.kind == "Input":
        return {str(number): str(size) for number, size in enumerate(sources[layer.outputs[0]][:0:-1])}
    ends = [results[int(blob[3:])] if blob[3:].isdecimal() and blob[:3] == "out" else () for blob in layer.outputs]
    if not any(ends):
        return {}
    hints = [(len(shape) - 1, *shape[:0:-1], *(1, 1, 1)[len(shape) - 1 :]) if shape else (0, 0, 0, 0) for shape in ends]
    return {"-23330": ",".join(map(str, (4 * len(hints), *(size for hint in hints for size in hint))))}


def _describe(layers: list[Layer], network: Network) -> Conversion:
    sources = zip(network.inputs, zeros(network.spec), strict=True)
    return Conversion(
        inputs=tuple(spec_of(name, tuple(one.shape)) for name, one in sources),
        outputs=tuple(spec_of(name, shape) for name, shape in network.outputs.items()),
        operators=dict(Counter(layer.kind for layer in layers if layer.kind not in ("Input", "Split"))),
    )
