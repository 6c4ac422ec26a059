"""Settings of this process: the collector paused or torch on one thread for a block, and an end with its parent."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pauses the collector while its block (or the function that it decorates) runs.

    torch.export imports 1,200 modules on its first use and allocates objects by the hundred thousand; walking all of
    them again and again took half of the time of a conversion (2.4 s against 1.3 s for MobileNetV2, 7 MB more memory).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps torch to one thread in its block: the same sums on every machine, and no waiting for a busy core."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def end_with_parent(parent: int) -> None:
    """Has Linux kill this process when the one that started it ends, however that ends; elsewhere it does nothing.

    `parent` is that one's number: where it ended before Linux was told, this process ends here.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
