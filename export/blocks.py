"""Blocks of pixels as channels in the order (row, column, channel), TensorFlow's; torch has (channel, row, column)."""

from __future__ import annotations

from torch import Tensor


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """(N, block x block x C, H, W) to (N, C, H x block, W x block)."""
    _, c, h, w = x.shape
    parts = x.reshape(-1, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(-1, c // block**2, h * block, w * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """(N, C, H, W) to (N, block x block x C, H / block, W / block)."""
    _, c, h, w = x.shape
    parts = x.reshape(-1, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(-1, c * block**2, h // block, w // block)
