"""What becomes of networks that others defined, in each format: a table, run by hand.

    python tests/benchmarks/export_any.py timm:resnet18 torchvision:swin_t nets.py:make@3x64x64 ...
        [--formats tflite,onnx,coreml,ncnn] [--precision fp32] [--against litert-torch] [--resume FILE]

timm and torchvision are not the project's: install them beside it. Each row is one network in one format: seconds from
the built network to the file, the largest error as a share of the output's range, XNNPACK delegates, transposes and the
bytes they move, what the check could not tell, or why there is no file. `--against litert-torch` (the extra `oracle`)
converts with it too, in the same run, and alternates both files' inferences: the ratio is the median of 40 pairs, one
thread, below 1 where ours is faster. With `--resume`, rows are appended to a file, and those in it are not repeated.
Parameters that are zero or constant as initialised are drawn anew, so that nothing hides behind a zero.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np
import torch
from torch import nn

import edgebench
from edgebench.ground.errors import EdgebenchError

PAIRS = 40


def main() -> None:
    asked = _arguments()
    known = _rows(asked.resume)
    for name in asked.networks:
        missing = [form for form in asked.formats.split(",") if (name, form, asked.precision) not in known]
        if not missing:
            continue
        module, size = _network(name)
        for form in missing:
            row = {"network": name, "format": form, "precision": asked.precision, **_tried(module, size, form, asked)}
            known[name, form, asked.precision] = row
            print(_line(row), flush=True)
            if asked.resume:
                with asked.resume.open("a") as file:
                    print(json.dumps(row), file=file)
        del module
        gc.collect()
    _summary(list(known.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--formats", default="tflite,onnx,coreml,ncnn")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--against", choices=["litert-torch"])
    parser.add_argument("--resume", type=Path)
    return parser.parse_args()


def _rows(path: Path | None) -> dict[tuple[str, str, str], dict[str, Any]]:
    lines = path.read_text().splitlines() if path and path.exists() else []
    return {(row["network"], row["format"], row["precision"]): row for row in map(json.loads, lines)}


def _network(name: str) -> tuple[nn.Module | str, tuple[int, int, int] | str]:
    """The module and its input, parameters drawn anew; of a user's own file, its name and size as they are."""
    where, _, rest = name.partition(":")
    if where not in ("timm", "torchvision"):
        own, _, size = name.partition("@")
        return own, size or "3x224x224"
    torch.manual_seed(0)
    if where == "timm":
        module = importlib.import_module("timm").create_model(rest, pretrained=False)
        size = tuple(module.pretrained_cfg["input_size"])
    else:
        module, size = getattr(importlib.import_module("torchvision.models"), rest)(weights=None), (3, 224, 224)
    return _telling(module.eval(), size), size


def _telling(module: nn.Module, size: tuple[int, int, int]) -> nn.Module:
    """Draws what is constant as initialised, and measures batch statistics on noise: an output then tells its input."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in module.parameters():
            if value.numel() == 1 or value.std() == 0:
                value.add_(0.1 * torch.randn(value.shape, generator=random))
        norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        for part in norms:
            part.train()
        module(torch.randn(8, *size, generator=random))
    return module.eval()


def _tried(module: Any, size: Any, form: str, asked: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        try:
            made = edgebench.export(module, input=size, format=form, precision=asked.precision, output=folder)
        except EdgebenchError as error:
            return {"error": str(error), "total_s": time.perf_counter() - start}
        row: dict[str, Any] = {
            "total_s": time.perf_counter() - start,
            "convert_s": made.convert_s,
            "range_error": made.parity.range_error if made.parity else None,
            "relative_l2": made.parity.relative_l2_error if made.parity else None,
            "doubt": made.parity.doubt if made.parity else "unchecked",
            "delegates": made.delegates,
            "delegated_share": made.delegated_share,
            "transposes": made.operators.get("TRANSPOSE", made.operators.get("Transpose")),
        }
        if asked.against and form == "tflite":
            row |= _against(module, size, made, folder)
        return row


def _against(module: Any, size: Any, ours: Any, folder: str) -> dict[str, Any]:
    """litert-torch's file of the same network: its seconds, and the ratio of latencies."""
    start = time.perf_counter()
    try:
        theirs = edgebench.export(module, input=size, output=Path(folder) / "theirs", converter="litert-torch")
    except EdgebenchError as error:
        return {"their_error": str(error)}
    seconds = time.perf_counter() - start
    return {"their_s": theirs.convert_s or seconds, "latency_ratio": _ratio(ours.path, theirs.path)}


def _ratio(ours: str, theirs: str) -> float:
    runs = [_runner(path) for path in (ours, theirs)]
    for run in runs:
        run()
    return median(runs[0]() / runs[1]() for _ in range(PAIRS))


def _runner(path: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    [entry] = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], np.float32))

    def run() -> float:
        start = time.perf_counter()
        interpreter.invoke()
        return time.perf_counter() - start

    return run


def _line(row: dict[str, Any]) -> str:
    head = f"{row['network']:<44}{row['format']:<8}{row['precision']:<6}"
    if "error" in row:
        return f"{head}- {row['error'][:160]}"
    error = "   -   " if row["range_error"] is None else f"{row['range_error']:7.1e}"
    ratio = f"  {row['latency_ratio']:.2f} of litert-torch's" if "latency_ratio" in row else ""
    told = f"  ({row['doubt'][:60]})" if row["doubt"] else ""
    delegates = "" if row["delegates"] is None else f"  {row['delegates']} delegates"
    moved = "" if row["transposes"] is None else f"  {row['transposes']} transposes"
    return f"{head}{row['convert_s'] or 0:6.2f} s  {error}{delegates}{moved}{ratio}{told}"


def _summary(rows: list[dict[str, Any]]) -> None:
    print()
    for form, precision, some in _grouped(rows):
        made = [row for row in some if "error" not in row]
        seconds = [row["convert_s"] for row in made if row["convert_s"]]
        said = f"{form} {precision}: {len(made)} of {len(some)} ({len(made) / len(some):.0%})"
        if seconds:
            said += f", median {median(seconds):.2f} s"
        ratios = [row["latency_ratio"] for row in made if "latency_ratio" in row]
        if ratios:
            said += f", latency {geometric_mean(ratios):.3f} of litert-torch's (worst {max(ratios):.2f}, {len(ratios)})"
        print(said)


def _grouped(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for form, precision in sorted({(row["format"], row["precision"]) for row in rows}):
        yield form, precision, [row for row in rows if (row["format"], row["precision"]) == (form, precision)]


if __name__ == "__main__":
    main()
