"""LiteRT's C API, as far as its profiler needs it: the Python package has the library but does not wrap the profiler.

Signatures and structures are those of litert/c/*.h in LiteRT 2.x, whose symbols are versioned (VERS_1.0). Every call
returns a status that is checked; a crash would end the profiling process only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import Structure, byref, c_char_p, c_int, c_int32, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# TfLiteType of tensors that can be an input here.
ELEMENT_TYPES = {"float32": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "float16": 10}
CPU = 1
WRITE = 1
MOST_DIMENSIONS = 8
SIGNATURE = FIRST = c_size_t(0)
ONE = c_size_t(1)


class _Layout(Structure):
    """LiteRtLayout; the rank is in the lower seven bits of `bits`."""

    _fields_ = (("bits", c_uint), ("dimensions", c_int32 * MOST_DIMENSIONS), ("strides", c_uint32 * MOST_DIMENSIONS))


class _TensorType(Structure):
    """LiteRtRankedTensorType."""

    _fields_ = (("element", c_int), ("layout", _Layout))


class _MemoryUsage(Structure):
    """LiteRtMemoryUsage."""

    _fields_ = (("total", c_size_t), ("in_use", c_size_t), ("private", c_size_t))


class _Event(Structure):
    """ProfiledEventData."""

    _fields_ = (
        ("tag", c_char_p),
        ("type", c_int),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("memory_before", _MemoryUsage),
        ("memory_after", _MemoryUsage),
        ("node", c_uint64),
        ("subgraph", c_uint64),
        ("source", c_int),
    )


@dataclass(frozen=True)
class Event:
    """One event of the profiler: what ran, which of LiteRtProfilerEventType it is, and for how long."""

    tag: str
    type: int
    elapsed_s: float


class CompiledModel:
    """A .tflite file with one input and one output, compiled for the CPU with LiteRT's profiler on.

    Raises RuntimeError, with the name of the call and its status, for whatever LiteRT refuses, and OSError when the
    package has no library.
    """

    def __init__(self, path: str, threads: int, shape: Sequence[int], dtype: str) -> None:
        self._library = _library()
        self._kept: list[Any] = []
        self._environment = self._make("LiteRtCreateEnvironment", 0, None)
        model = self._make("LiteRtCreateModelFromFile", self._environment, str(path).encode())
        options = self._options(threads)
        self._model = self._make("LiteRtCreateCompiledModel", self._environment, model, options)
        self._set_shape(shape)
        self._inputs, self._outputs = self._buffers(dtype)
        self._profiler = self._make("LiteRtCompiledModelGetProfiler", self._model)

    def fill(self, data: bytes) -> None:
        """Copies `data` into the input."""
        address, buffer = c_void_p(), c_void_p(self._inputs[0])
        self._call("LiteRtLockTensorBuffer", buffer, byref(address), WRITE)
        ctypes.memmove(address, data, len(data))
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def run(self) -> None:
        """Runs one inference."""
        self._call("LiteRtRunCompiledModel", self._model, SIGNATURE, ONE, self._inputs, ONE, self._outputs)

    def start(self) -> None:
        """Starts the profiler with an empty buffer."""
        self._call("LiteRtStartProfiler", self._profiler)

    def stop(self) -> list[Event]:
        """Stops the profiler and returns its events in the order in which they ended."""
        self._call("LiteRtStopProfiler", self._profiler)
        count = c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return [Event(event.tag.decode("utf-8", "replace"), event.type, event.elapsed_us / 1e6) for event in events]

    def _options(self, threads: int) -> c_void_p:
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        for name, text in (
            ("runtime_options_string", "enable_profiling = true\n"),
            ("xnnpack", f"num_threads = {threads}\n"),
        ):
            payload = ctypes.create_string_buffer(text.encode())
            release = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
            self._kept += [payload, release]
            opaque = self._make("LiteRtCreateOpaqueOptions", name.encode(), payload, release)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        return options

    def _set_shape(self, shape: Sequence[int]) -> None:
        """Gives a dynamic batch its size."""
        sizes = (c_int * len(shape))(*shape)
        if list(self._input_layout().dimensions[: len(shape)]) != list(shape):
            self._call(
                "LiteRtCompiledModelResizeInputTensorNonStrict",
                self._model, SIGNATURE, FIRST, sizes, c_size_t(len(shape)),
            )  # fmt: skip

    def _input_layout(self) -> _Layout:
        layout = _Layout()
        self._call("LiteRtGetCompiledModelInputTensorLayout", self._model, SIGNATURE, FIRST, byref(layout))
        return layout

    def _buffers(self, dtype: str) -> tuple[Any, Any]:
        """Arrays of one input and one output buffer. An output's element type is only its label."""
        layouts = (_Layout * 1)()
        self._call(
            "LiteRtGetCompiledModelOutputTensorLayouts", self._model, SIGNATURE, ONE, layouts, ctypes.c_bool(True)
        )
        return self._buffer("Input", self._input_layout(), dtype), self._buffer("Output", layouts[0], dtype)

    def _buffer(self, side: str, layout: _Layout, dtype: str) -> Any:
        requirements = self._make(f"LiteRtGetCompiledModel{side}BufferRequirements", self._model, SIGNATURE, FIRST)
        kind = _TensorType(ELEMENT_TYPES[dtype], layout)
        buffer = self._make(
            "LiteRtCreateManagedTensorBufferFromRequirements", self._environment, byref(kind), requirements
        )
        return (c_void_p * 1)(buffer)

    def _make(self, name: str, *arguments: Any) -> c_void_p:
        """Calls a function whose last argument is where it puts what it makes."""
        made = c_void_p()
        self._call(name, *arguments, byref(made))
        return made

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name)
        function.restype = c_int
        status = function(*arguments)
        if status:
            raise RuntimeError(f"LiteRT refused {name} with status {status}")


def _library() -> ctypes.CDLL:
    import ai_edge_litert

    folder = Path(next(iter(ai_edge_litert.__path__)))
    for name in ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll", "LiteRt.dll"):
        if (folder / name).exists():
            return ctypes.CDLL(str(folder / name))
    raise OSError(f"the package ai-edge-litert has no LiteRT library in {folder}: pip install --upgrade ai-edge-litert")
