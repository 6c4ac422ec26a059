"""From two sets of results to a decision: statistics know nothing of files, verdicts nothing of layout.

statistics, sequential   arrays in, numbers out
metrics, verdicts        what is compared, and when it counts
sources, cells           reading both sides, pairing their results
comparing, gating        all cells of two sides; results against budgets
ab, noise, history       interleaved A/B runs, what a device's noise allows, latency over time
"""

from edgebench.compare.comparing import Settings, check, compare
from edgebench.compare.records import Cell, Comparison, ComparisonReport, Difference, Verdict

__all__ = ["Cell", "Comparison", "ComparisonReport", "Difference", "Settings", "Verdict", "check", "compare"]
