"""Keeps known noise of third parties off the terminal, and nothing else.

The converters print progress bars, log what is missing on this system and warn about their own internals. `Noise`
lists those messages as patterns; a message that matches none of them comes through as usual.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import TextIO

DESCRIPTORS = (1, 2)  # standard output and error


@dataclass(frozen=True)
class Noise:
    """Patterns (regular expressions, matched from the start) of messages that say nothing to the user.

    `logs` maps a logger's name to the pattern of its messages; `warnings` are warnings' messages; `lines` are lines
    on Python's standard error; `native` are lines that compiled code writes to file descriptors 1 and 2 itself.
    """

    logs: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    native: tuple[str, ...] = ()


@contextmanager
def quiet(noise: Noise) -> Iterator[None]:
    """Drops the messages that `noise` lists while its block runs."""
    with ExitStack() as stack:
        for name, pattern in noise.logs.items():
            stack.enter_context(_unlogged(logging.getLogger(name), re.compile(pattern)))
        if noise.lines:
            stack.enter_context(_unprinted(re.compile("|".join(noise.lines))))
        if noise.native:
            for descriptor in DESCRIPTORS:
                stack.enter_context(_unwritten(descriptor, re.compile("|".join(noise.native))))
        stack.enter_context(warnings.catch_warnings())
        for message in noise.warnings:
            warnings.filterwarnings("ignore", message)
        yield


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Lets packages not be found while the block runs, imported before or not."""
    known = {package: sys.modules.get(package) for package in packages}
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package, module in known.items():
            if module is None:
                del sys.modules[package]
            else:
                sys.modules[package] = module


@contextmanager
def _unlogged(logger: logging.Logger, pattern: re.Pattern[str]) -> Iterator[None]:
    def keep(record: logging.LogRecord) -> bool:
        return pattern.match(record.getMessage()) is None

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


@contextmanager
def _unprinted(pattern: re.Pattern[str]) -> Iterator[None]:
    """Passes standard error on line by line, without the lines that match; a progress bar ends its lines with \\r."""
    lines = _Lines(sys.stderr, pattern)
    with redirect_stderr(lines):
        try:
            yield
        finally:
            lines.close_line()


@contextmanager
def _unwritten(descriptor: int, pattern: re.Pattern[str]) -> Iterator[None]:
    """Holds what is written to a file descriptor, and passes it on at the end without the lines that match."""
    _flush()
    kept = os.dup(descriptor)
    with TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        finally:
            _flush()
            os.dup2(kept, descriptor)
            os.close(kept)
            held.seek(0)
            for line in held:
                if pattern.match(line.decode(errors="replace")) is None:
                    os.write(descriptor, line)


def _flush() -> None:
    """Writes what Python and the C library hold back."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


class _Lines(io.TextIOBase):
    def __init__(self, target: TextIO, pattern: re.Pattern[str]) -> None:
        self._target = target
        self._pattern = pattern
        self._held = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._held = re.split(r"(?<=[\r\n])", self._held + text)
        for line in whole:
            self._pass_on(line)
        return len(text)

    def close_line(self) -> None:
        self._pass_on(self._held)
        self._held = ""

    def _pass_on(self, line: str) -> None:
        if line.strip() and self._pattern.match(line.strip()) is None:
            self._target.write(line)
