"""Where the two sides of a comparison come from: a file, a folder, or a git revision of either."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import Tell
from edgebench.ground.records import Result


def load(source: str, *, on_warning: Tell, leave_out: str = "") -> list[Result]:
    """Reads the results that `source` names: a path, or `revision:path` as git writes it (main:results/baseline).

    `leave_out` is the other side's path: where it lies inside `source`, as results/baseline does in results, it is not
    read. Raises UsageError as store.read does, and when there is no such revision, or no result in it.
    """
    path = Path(source)
    found = _from_path(path, Path(leave_out), on_warning) if path.exists() else _from_git(source, on_warning)
    if not found:
        raise UsageError(f"{source} holds no results: `edgebench profile` writes them, as .jsonl files")
    return found


def _from_path(path: Path, leave_out: Path, on_warning: Tell) -> list[Result]:
    other = leave_out.resolve()
    inside = path.resolve() in other.parents
    files = [file for file in store.files(path) if not (inside and other in (file.resolve(), *file.resolve().parents))]
    return [result for file in files for result in store.stream(file, on_warning)]


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
