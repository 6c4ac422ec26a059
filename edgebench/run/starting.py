"""A project's first files, made by looking around: edgebench.toml and the workflow that watches its pull requests."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from edgebench.data.folders import is_own_file
from edgebench.data.images import is_image
from edgebench.ground.paths import write
from edgebench.ground.toml import show

SETTINGS, WORKFLOW = "edgebench.toml", ".github/workflows/edgebench.yml"
ELSEWHERE: Final = ("tests", "test", "docs", "examples", "build", "dist", "venv", "node_modules")
ENOUGH: Final = 2  # class folders, from which on a folder is taken for a data set
MOST_FILES: Final = 200  # of Python that are read, and of a folder that are looked at

STEPS: Final = """\
name: edgebench
on: pull_request
permissions:
  contents: read
jobs:
  # Latency on the device is estimated, which does not depend on the runner: both sides are made here.
  latency:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    env:
      BASE: ${{ github.event.pull_request.base.sha }}
      NEW: ${{ github.sha }}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - run: pip install torch --index-url https://download.pytorch.org/whl/cpu && pip install 'edgebench[all]'
      - run: |
          git checkout -q "$BASE"
          test -f edgebench.toml || { echo "nothing to compare with before edgebench.toml"; exit 0; }
          edgebench profile --results "$RUNNER_TEMP/base"
          git checkout -q "$NEW"
          edgebench profile --results "$RUNNER_TEMP/new"
          edgebench compare "$RUNNER_TEMP/base" "$RUNNER_TEMP/new" --allow artifact --format github
"""


@dataclass(frozen=True)
class Started:
    """What was found in a folder, and which files were written, and which kept since they were there already."""

    networks: tuple[str, ...]
    data: tuple[str, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    settings: str = SETTINGS


def start(folder: Path, device: str) -> Started:
    """Writes the files that are not there yet. Raises UsageError where that cannot be done."""
    found, data = tuple(networks(folder)), tuple(datasets(folder))
    texts = {SETTINGS: _settings(found, data, device), WORKFLOW: STEPS}
    missing = tuple(path for path in texts if not (folder / path).exists())
    for path in missing:
        write(folder / path, texts[path])
    return Started(found, data, missing, tuple(path for path in texts if path not in missing))


def networks(folder: Path) -> Iterator[str]:
    """What can be made without an argument, as file.py:name: factories first, then modules that no other one uses.

    The files are read, not run.
    """
    for path in _sources(folder):
        try:
            body = ast.parse(path.read_bytes()).body
        except (SyntaxError, ValueError, OSError):
            continue  # not of this Python: it cannot be imported either
        modules = {each.name: each for each in body if isinstance(each, ast.ClassDef) and _is_module(each)}
        inside = {name for each in modules.values() for name in _names(each.body)}
        made = [each.name for each in body if isinstance(each, ast.FunctionDef) and _makes(each, modules)]
        whole = [name for name, each in modules.items() if name not in inside and _is_free(_constructor(each))]
        yield from (f"{path.relative_to(folder).as_posix()}:{name}" for name in made or whole)


def datasets(folder: Path) -> Iterator[str]:
    """Folders of labelled images, one folder a class, at most two below `folder`."""
    for place in (*_folders(folder), *(each for above in _folders(folder) for each in _folders(above))):
        classes = list(_folders(place))
        if len(classes) >= ENOUGH and all(_holds_images(each) for each in classes):
            yield place.relative_to(folder).as_posix()


def _folders(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith((".", "_")):
            yield path


def _holds_images(folder: Path) -> bool:
    return any(is_image(path) for path in islice(folder.iterdir(), MOST_FILES) if is_own_file(path))


def _sources(folder: Path) -> Iterable[Path]:
    places = [folder, *(each for each in _folders(folder) if each.name not in ELSEWHERE)]
    found = [path for place in places for path in sorted(place.glob("*.py")) if not path.name.startswith("test_")]
    return found[:MOST_FILES]


def _is_module(one: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] == "Module" for base in one.bases)


def _constructor(one: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in one.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)


def _is_free(function: ast.FunctionDef | None, bound: int = 1) -> bool:
    """Whether it can be called without an argument, but for `bound` ones such as self."""
    if function is None:
        return True
    taken = function.args
    needed = len(taken.posonlyargs) + len(taken.args) - len(taken.defaults) - bound
    return needed <= 0 and None not in taken.kw_defaults


def _makes(function: ast.FunctionDef, modules: Iterable[str]) -> bool:
    """Whether it says that it returns a module, or returns one that its file defines."""
    if function.name.startswith("_") or not _is_free(function, 0):
        return False
    if function.returns is not None:
        return ast.unparse(function.returns).rpartition(".")[2] in {"Module", *modules}
    answers = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
    return any(isinstance(each, ast.Call) and ast.unparse(each.func) in modules for each in answers)


def _names(body: Iterable[ast.stmt]) -> set[str]:
    return {node.id for each in body for node in ast.walk(each) if isinstance(node, ast.Name)}


def _settings(found: tuple[str, ...], data: tuple[str, ...], device: str) -> str:
    """edgebench.toml; what was not found stands in a comment, to be filled in."""
    said = {"model": found[:1], "data": data[:1], "device": (device,)}
    missing = {"model": 'model = "nets.py:make"', "data": 'data = "photos"  # a folder for each class'}
    lines = ["# What edgebench's commands take when nothing else is typed; keys are the names of options.\n"]
    for name, values in said.items():
        lines += [show({name: values[0]}) if values else f"# {missing[name]}\n"]
        others = {"model": found, "data": data}.get(name, ())[1:]
        lines += [f"# also found: {', '.join(others)}\n"] if others else []
    return "".join([*lines, '\n# [scale]\n# max_latency = "33ms"\n'])
