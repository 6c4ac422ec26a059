"""Sweeps: many cells (network x file x device), each run once, on local processes or a Ray cluster."""

from edgebench.run.sweep.cells import SweepCell, read, write
from edgebench.run.sweep.driver import run

__all__ = ["SweepCell", "read", "run", "write"]
