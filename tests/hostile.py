"""Hostile commands for tests/test_fuzz.py: arguments of every command, and files that are damaged, foreign or odd."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from random import Random

import click

from edgebench.cli import COMMANDS, app

BAR = os.fsdecode(b"caf\xe9")
NUMBERS = ("0", "1", "2", "3", "-1", "16", "999", "nan", "inf", "1e308", "9" * 30, "1.5", "")
NAMES = ("lenet5", "mobilenetv1", "nets.py:make", "net.onnx", "net.tflite", "foreign.onnx", "results", "results/host")
ODD = ("", " ", "-", "é", "\x1b[31m", "a\nb", "n" * 300, "..", BAR, "pipe.onnx", "link.onnx", "folder.onnx", "a,b,,",
       "/dev/null", "text.onnx", "https://127.0.0.1:9/x.pth", "main:results", "NAME=VALUE")  # fmt: skip
USUAL = {
    "model": NAMES,
    "file": ("net.onnx", "net.tflite", "foreign.onnx", "net.ncnn", "sweep.toml", "net.pt2"),
    "base_file": NAMES,
    "new_file": NAMES,
    "data": ("photos", "flat", "synthetic:shapes?images=20&size=16", "results"),
    "calibrate": ("photos", "flat"),
    "device": ("host", "rpi4", "board.toml", "rpi5"),
    "name": ("rpi4", "board.toml"),
    "format": ("tflite", "onnx", "json", "table", "markdown", "junit", "github"),
    "precision": ("fp32", "fp16", "int8"),
    "base": ("results", "old", "results/host", "main:results"),
    "new": ("results", "old"),
    "confirm": ("old",),
    "results": ("results", "old"),
    "budgets": ("budgets.toml",),
    "fail_on": ("5%", "noise.toml"),
    "weights": ("w.pth", "w.safetensors"),
    "accuracy": ("accuracy.csv",),
    "choice": ("choice.json",),
    "sql": ("SELECT * FROM results", ";", "SELECT 1", "DROP TABLE results"),
    "family": ("mobilenetv1", "resnet", "all"),
    "max_latency": ("50ms", "5s"),
    "max_memory": ("64MB",),
    "latency_budget": ("5ms",),
    "memory_budget": ("5MB",),
    "time_limit": ("1s",),
    "kind": ("pareto", "history", "latency", "spread", "operators"),
    "look": ("light", "dark", "page"),
    "metric": ("latency", "size"),
    "allow": ("artifact",),
    "via": ("local", "estimate", "emulator", "ssh"),
    "options": ("hidden=3", "x=", "=1"),
    "input": ("3x16x16", "1x1x1", "0x3x3"),
    "kinds": ("mirror", "none", "all"),
    "split": ("train", "val", "all"),
    "freeze": ("all-but-head",),
    "sha256": ("0" * 64,),
}
OUTPUTS = {"output": "out", "preview": "out/x.png", "trace": "out/trace.json", "sweep": "out/sweep.toml"}
# What starts a machine, a cluster or a long download is not for a fuzzer.
LEFT_OUT = {"ray", "connect", "python"}
VALUE = re.compile(rb'"[^"\n]{0,80}"|-?\d+(?:\.\d+)?(?:e-?\d+)?|true|false|null')
JUNK = (b"-1", b"0", b"nan", b"inf", b"1e308", b"null", b"[]", b"{}", b'""', b'"\\u0000"', b"9" * 400, b'"../x"',
        b'"\xff"', b"true", b'"caf\xc3\xa9"', b"2.5", b"\n", b"=", b",")  # fmt: skip


def damaged(chance: Random, content: bytes) -> bytes:
    """`content` with some values replaced, bytes flipped, or an end missing."""
    how = chance.choice(("values", "values", "bytes", "cut"))
    if how == "values" and (found := list(VALUE.finditer(content))):
        for match in sorted(
            chance.sample(found, min(len(found), chance.randint(1, 3))), key=lambda each: -each.start()
        ):
            content = content[: match.start()] + chance.choice(JUNK) + content[match.end() :]
        return content
    if how == "cut":
        return content[: chance.randint(0, len(content))]
    changed = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


@cache
def commands() -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words; a group's has two."""
    found: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(app)
    for name in COMMANDS:
        command = app.get_command(context, name)
        if isinstance(command, click.Group):
            own = ("show", "list", "calibrate")  # the others connect, or download
            found |= {(name, each): held for each, held in command.commands.items() if each in own}
        elif command is not None:
            found[(name,)] = command
    return list(found.items())


def arguments(chance: Random) -> list[str]:
    """A command with some of its options, usual and odd."""
    words, command = chance.choice(commands())
    given: list[str] = []
    for option in command.params:
        if option.name is None or option.name in LEFT_OUT:
            continue
        if isinstance(option, click.Argument):
            count = chance.randint(0, 3) if option.nargs == -1 else 1 if chance.random() < 0.97 else 0
            given += [_value(chance, option.name) for _ in range(count)]
        elif chance.random() < (0.97 if option.required else 0.15):
            flag = option.opts[0]
            given += [flag] if option.is_flag else [f"{flag}={_value(chance, option.name)}"]
    return [*words, *given, *chance.choice(([], [], [], [], ["--json"], ["--"], ["--no-such"]))]


def _value(chance: Random, name: str) -> str:
    if name in OUTPUTS:
        odd = (OUTPUTS[name], "net.onnx", "pipe.onnx", "folder.onnx", "/dev/null", "n" * 300)
        return OUTPUTS[name] if chance.random() < 0.6 else chance.choice(odd)
    return chance.choice(USUAL.get(name, NUMBERS) if chance.random() < 0.85 else (*ODD, *NUMBERS, *NAMES))


def record(**changes: object) -> bytes:
    """A stored measurement, as bytes of a line."""
    model = {"name": "lenet5", "family": "lenet5", "resolution": 32, "classes": 10, "channels": 1}
    line = {
        "kind": "measurement",
        "schema": 1,
        "id": "0123456789abcdef",
        "time": "2026-11-21T03:00:00+00:00",
        "model": model,
        "export": {"format": "onnx"},
        "device": "host",
        "runtime": "onnxruntime",
        "runtime_version": "1.0",
        "scenario": {"processes": 7},
        "latency_s": [[0.001, 0.0011, 0.0009]] * 7,
        "load_s": [0.01] * 7,
        "first_s": [0.02] * 7,
        "memory_bytes": {"baseline": 1000, "load": 2000, "first": 3000, "steady": 2500},
        "size_bytes": 240000,
        "environment": {"machine": "1a2b3c4d", "commit": "abc"},
        "status": "ok",
    }
    return json.dumps(line | changes).encode() + b"\n"
