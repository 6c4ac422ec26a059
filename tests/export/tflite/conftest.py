"""Writes a network as TFLite and runs it, for comparison with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install 'edgebench[tflite]'")

from edgebench.formats.tflite.writer import write
from edgebench.graph.capture import capture
from edgebench.ground.records import Precision
from edgebench.runtimes.litert import engine as litert

Run = Callable[[nn.Module, tuple[int, ...]], "Comparison"]


@dataclass(frozen=True)
class Comparison:
    """A written network: its file, the operators in it, and how far it is from torch, as a share of the range."""

    path: Path
    operators: dict[str, int]
    error: float
    delegates: int
    delegated_share: float

    @property
    def one_delegate(self) -> bool:
        return (self.delegates, self.delegated_share) == (1, 1.0)


def compare(network: nn.Module, shape: tuple[int, ...], path: Path, precision: Precision = "fp32") -> Comparison:
    """Writes `network` and compares it with torch on a batch of one and, in the same file, on a batch of three."""
    operators = write(capture(network.eval(), shape), path, precision).operators
    found = [_run(network, path, torch.from_numpy(_images(batch, shape))) for batch in (1, 3)]
    sessions = [session for session, _ in found]
    return Comparison(
        path=path,
        operators=operators,
        error=max(error for _, error in found),
        delegates=max(session.delegates for session in sessions),
        delegated_share=min(session.delegated_share for session in sessions),
    )


def _images(batch: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(batch).standard_normal((batch, *shape[1:]), dtype=np.float32)


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _run(network: nn.Module, path: Path, x: torch.Tensor) -> tuple[litert.LiteRTSession, float]:
    session = litert.load(str(path), batch=len(x))
    with torch.inference_mode():
        expected = network(x).numpy()
    found = session.run(_channels_last(x.numpy()))
    expected = _channels_last(expected) if expected.ndim == 4 else expected
    assert found.shape == expected.shape
    spread = float(np.ptp(expected)) or 1.0
    return session, float(np.abs(found - expected).max()) / spread


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Comparison]:
    def run(network: nn.Module, shape: tuple[int, ...], precision: Precision = "fp32") -> Comparison:
        return compare(network, shape, tmp_path / "network.tflite", precision)

    return run
