"""What comparing yields: frozen records like those they were made from. Numbers, verdicts and reasons, no layout."""

from __future__ import annotations

from typing import Literal

from edgebench.ground.records import SCHEMA, Provenance, Record

Verdict = Literal["faster", "same", "slower", "inconclusive", "missing", "failed", "new"]

# Verdicts that end a command with exit code 1.
FAILING: tuple[Verdict, ...] = ("slower", "missing", "failed")


class Cell(Record, frozen=True, kw_only=True):
    """What is compared with its own kind: one file of one network on one device, runtime, thread count and batch, and
    how its numbers came about.

    `model` and `export` are the keys of the specs: mobilenetv2-w1-d1-r224, tflite-fp32.
    """

    model: str
    export: str
    device: str
    runtime: str
    threads: int
    processor: str = "cpu"
    batch: int = 1
    provenance: Provenance = "measured"

    @property
    def label(self) -> str:
        """mobilenetv2-w1-d1-r224 tflite-fp32 on host (litert, 1 thread); also the batch and how, where not usual."""
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        where = threads if self.processor == "cpu" else self.processor
        batch = f", batch {self.batch}" if self.batch != 1 else ""
        how = f", {self.provenance}" if self.provenance != "measured" else ""
        return f"{self.model} {self.export} on {self.device} ({self.runtime}, {where}{batch}{how})"


class Difference(Record, frozen=True, kw_only=True):
    """Something that two results do not share. A decisive one makes their times incomparable."""

    name: str
    base: str
    new: str
    decisive: bool

    def __str__(self) -> str:
        """machine: 1a2b3c4d, now 5e6f7a8b."""
        return f"{self.name}: {self.base}, now {self.new}"


class Comparison(Record, frozen=True, kw_only=True):
    """One cell and metric: both values, their ratio new/base (above 1 is worse), and the verdict with its reason.

    `base` and `new` are in base units (`unit`: s, B, 1). `low` and `high` bound the ratio at `confidence`; None for
    values without noise and where there are too few processes. `needed` is the number of processes a side that would
    carry a verdict. `decides` says whether this row takes part in the exit code. A cell that is missing, failed or new
    as a whole has no metric.
    """

    cell: Cell
    metric: str = ""
    unit: str = ""
    provenance: str = ""
    base: float | None = None
    new: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    p: float | None = None
    processes: tuple[int, int] = (0, 0)
    needed: int | None = None
    threshold: float | None = None
    verdict: Verdict
    reason: str = ""
    decides: bool = True
    differences: tuple[Difference, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether this row alone is a regression."""
        return self.decides and self.verdict in FAILING


class GeometricMean(Record, frozen=True, kw_only=True):
    """The geometric mean of a metric's ratios over the cells that could be compared."""

    metric: str
    ratio: float
    cells: int


class ComparisonReport(Record, frozen=True, kw_only=True):
    """All comparisons of two sets of results. `base_name` and `new_name` are what the user named."""

    schema: int = SCHEMA
    base_name: str
    new_name: str
    comparisons: tuple[Comparison, ...]
    geometric_means: tuple[GeometricMean, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failing(self) -> tuple[Comparison, ...]:
        """The rows that are a regression."""
        return tuple(row for row in self.comparisons if row.fails)

    @property
    def undecided(self) -> tuple[Comparison, ...]:
        """The rows that should decide and cannot."""
        return tuple(row for row in self.comparisons if row.decides and row.verdict == "inconclusive")

    @property
    def exit_code(self) -> int:
        """1 with a regression, else 3 with an undecided row, else 0."""
        return 1 if self.failing else 3 if self.undecided else 0
