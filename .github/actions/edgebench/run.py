"""The script of the action: profile, compare, gate, and tell it where reviewers look.

Reads the action's inputs from EDGEBENCH_* variables and GitHub's own from GITHUB_*; outside of GitHub the missing ones
are skipped, so that the same file serves any CI system. Ends with the exit code of edgebench.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import pull_request

from edgebench.compare import ComparisonReport, Settings, check, compare, gating, sources, thresholds
from edgebench.compare.budgets import load as load_budgets
from edgebench.compare.metrics import CONDITIONS, METRICS
from edgebench.ground.errors import EdgebenchError, Inconclusive
from edgebench.ground.options import listed
from edgebench.report.comparison import render
from edgebench.report.comparison.build import sheet

# The worst first: what ends the action when several things went wrong.
SEVERITY = (2, 4, 1, 3, 0)


@dataclass
class Run:
    """One use of the action: its inputs, the folder it fills, and what it has found so far."""

    inputs: Mapping[str, str]
    folder: Path
    codes: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        """One input, without the spaces around it."""
        return self.inputs.get(f"EDGEBENCH_{name}", "").strip() or default

    @property
    def code(self) -> int:
        """The exit code of everything together."""
        return next(code for code in SEVERITY if code in (*self.codes, 0))

    def judge(self, what: Callable[[], None]) -> None:
        """Runs a step; an error of edgebench becomes an annotation and its exit code, and the next step goes on."""
        try:
            what()
        except EdgebenchError as error:
            tolerated = isinstance(error, Inconclusive) and self.get("ON_INCONCLUSIVE", "fail") == "warn"
            self.codes.append(0 if tolerated else error.exit_code)
            if not isinstance(error, Inconclusive) and error.exit_code != 1:
                self.parts.append(f"**edgebench stopped:** {pull_request.escape(str(error))}\n")
                self.summaries.append("stopped with an error")
            pull_request.annotate("warning" if tolerated else "error", str(error))


def main(environment: Mapping[str, str]) -> int:
    """Runs the action and returns its exit code."""
    run = Run(environment, Path(mkdtemp(prefix="edgebench-", dir=environment.get("RUNNER_TEMP"))))
    results = run.get("RESULTS") or str(profile(run, "results"))
    if baseline := run.get("BASELINE"):
        run.judge(lambda: compare_with(run, baseline, results))
    if budgets := run.get("BUDGETS"):
        run.judge(lambda: hold_against(run, Path(budgets), results))
    write_report(run, results)
    tell(run)
    return run.code


def profile(run: Run, name: str) -> Path:
    """Profiles the models into a folder of that name; a failing cell is a result, and noted in the exit code."""
    folder = run.folder / name
    command = [
        sys.executable, "-m", "edgebench.cli", "profile", *shlex.split(run.get("MODELS")),
        "--device", run.get("DEVICE", "host"), "--results", str(folder), *shlex.split(run.get("PROFILE_ARGUMENTS")),
    ]  # fmt: skip
    code = subprocess.run(command, check=False).returncode
    if code:
        run.codes.append(code if code in SEVERITY else 4)
    return folder


def compare_with(run: Run, baseline: str, results: str) -> None:
    """Compares, confirms a regression by a second run, and writes the comparison in every format."""
    notes: list[str] = []
    metrics, allowed = listed(run.get("METRIC") or None, "metric", METRICS), run.get("ALLOW") or None
    settings = Settings(thresholds.parse(run.get("FAIL_ON", "5%")), metrics, listed(allowed, "difference", CONDITIONS))
    base, new = (sources.load(each, on_warning=notes.append) for each in (baseline, results))
    names = (baseline, "this commit")
    report = compare(base, new, settings, names=names, warnings=notes)
    if needs_confirmation(run, report):
        again = sources.load(str(profile(run, "confirmation")), on_warning=notes.append)
        report = compare(base, new, settings, names=names, warnings=notes, confirm=again)
    publish(run, report, "comparison")
    check(report)


def needs_confirmation(run: Run, report: ComparisonReport) -> bool:
    """Whether something noisy is slower, and the models can be run here once more."""
    slower = any(row.verdict == "slower" and row.p is not None for row in report.failing)
    return slower and run.get("CONFIRM", "true") == "true" and not run.get("RESULTS")


def hold_against(run: Run, budgets: Path, results: str) -> None:
    """Holds the results against budgets, and writes the outcome in every format."""
    bounds, waivers = load_budgets(budgets, datetime.now(UTC).date())
    found = sources.load(results, on_warning=lambda sentence: pull_request.annotate("warning", sentence))
    report = gating.gate(found, bounds, waivers, names=(str(budgets), "this commit"))
    publish(run, report, "budgets")
    gating.check(report)


def publish(run: Run, report: ComparisonReport | gating.GateReport, name: str) -> None:
    """Annotations on standard output, files in the folder, Markdown for the summary and the comment."""
    print(render(report, "table"))
    print(render(report, "github"), end="")
    (run.folder / f"{name}.json").write_text(render(report, "json"), encoding="utf-8")
    (run.folder / f"{name}-junit.xml").write_text(render(report, "junit"), encoding="utf-8")
    run.parts.append(render(report, "markdown"))
    run.summaries.append(sheet(report).summary)


def write_report(run: Run, results: str) -> None:
    """The HTML report; without it the action still says all it found."""
    path = run.folder / "report.html"
    command = [sys.executable, "-m", "edgebench.cli", "report", results, "-o", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        pull_request.annotate("warning", f"no HTML report: {reason[-1]}")


def tell(run: Run) -> None:
    """Step summary, outputs, and the comment of the pull request."""
    title = pull_request.escape(run.get("NAME", "edgebench"))
    text = f"## {title}\n\n" + "\n".join(run.parts or ["Nothing to judge.\n"])
    (run.folder / "comment.md").write_text(text, encoding="utf-8")
    append(run.inputs.get("GITHUB_STEP_SUMMARY"), text)
    summary = "; ".join(run.summaries) or "nothing to judge"
    append(run.inputs.get("GITHUB_OUTPUT"), f"exit-code={run.code}\nsummary={summary}\nfolder={run.folder}\n")
    if run.get("COMMENT", "true") == "true":
        pull_request.comment(run.inputs, run.get("NAME", "edgebench"), run.get("TOKEN"), text)


def append(path: str | None, text: str) -> None:
    """Appends to one of GitHub's files, where there is one."""
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main(os.environ))
