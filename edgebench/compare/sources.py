"""Where the two sides of a comparison come from: a file, a folder, or a git revision of either."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import Tell
from edgebench.ground.records import Result


def load(source: str, *, on_warning: Tell, leave_out: str = "") -> list[Result]:
    """Reads the results that `source` names: a path, or `revision:path` as git writes it (main:results/baseline).

    `leave_out` is the other side's path: where it lies inside `source`, as results/baseline does in results, it is not
    read. Raises UsageError when there is nothing to read, no such revision, no result in it, or a time that is not
    above 0.
    """
    path = Path(source)
    found = _from_path(path, Path(leave_out), on_warning) if path.exists() else _from_git(source, on_warning)
    if not found:
        raise UsageError(f"{source} holds no results: `edgebench profile` writes them, as .jsonl files")
    for result in found:
        estimate = result.latency if result.scenario is None else None
        timed: list[tuple[str, Sequence[float]]] = [("a latency", (estimate.value,))] if estimate else []
        if result.scenario is not None:
            timed = [*(("a latency", process) for process in result.samples_s), ("a load time", result.load_s)]
            timed.append(("a first inference", result.first_s))
        for name, times in timed:
            for seconds in times:
                check_time(seconds, f"{source}: record {result.id} has {name}")
    return found


def _from_path(path: Path, leave_out: Path, on_warning: Tell) -> list[Result]:
    other = leave_out.resolve()
    if path.is_file() or path.resolve() not in other.parents:
        return store.read(path, on_warning=on_warning)
    files = [file for file in sorted(path.rglob("*.jsonl")) if other not in (file.resolve(), *file.resolve().parents)]
    return [result for file in files for result in store.read(file, on_warning=on_warning)]


def _from_git(source: str, on_warning: Tell) -> list[Result]:
    revision, colon, path = source.partition(":")
    if not colon:
        raise UsageError(
            f"there is no file or folder {source}: name one, or a git revision of one such as main:results/baseline"
        )
    commit = _git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}",
        refusal=f"there is no git revision '{revision}' here: see `git branch --all` (a shallow clone may lack it)",
    ).decode().strip()  # fmt: skip
    # The path counts from the top of the repository, as in git's own revision:path.
    listing = _git(
        "ls-tree", "-r", "-z", "--full-tree", "--name-only", commit, "--", path.rstrip("/") or ".",
        refusal=f"git cannot list {source}",
    )  # fmt: skip
    names = [name for name in listing.decode().split("\0") if name.endswith(".jsonl")]
    if not names:
        raise UsageError(f"{source}: git has no .jsonl file of that name; the path counts from the repository's top")
    return [
        result
        for name in sorted(names)
        for result in store.parse(
            _git("cat-file", "blob", f"{commit}:{name}", refusal=f"git cannot read {name}"),
            f"{revision}:{name}",
            on_warning,
        )
    ]


def _git(*arguments: str, refusal: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(f"{refusal} (git is not installed)") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"{refusal} ({reason[0].removeprefix('fatal: ')})" if reason else refusal)
    return done.stdout


def check_time(seconds: float, what: str) -> float:
    """Returns a time above zero. Raises UsageError, naming what has it, for another number."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"{what} of {seconds:g} s, and times are above zero: the file was not written by edgebench, or was"
            " changed; measure again"
        )
    return seconds
