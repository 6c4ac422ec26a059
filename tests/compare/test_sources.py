import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgebench.compare import sources
from edgebench.ground.errors import UsageError
from edgebench.ground.records import SCHEMA, Measurement

Measured = Callable[..., Measurement]
Stored = Callable[..., Path]


def refuse(sentence: str) -> None:
    raise AssertionError(f"warned: {sentence}")


def load(source: object) -> list[object]:
    return list(sources.load(str(source), on_warning=refuse))


def test_a_file_a_folder_and_a_git_revision_hold_the_same(measured: Measured, stored: Stored, repository: Path) -> None:
    result = measured()
    folder = stored("results", result)
    assert load(folder) == load(next(folder.rglob("*.jsonl"))) == [result]
    commit(repository, "results/baseline/host.jsonl", result)
    assert load("main:results/baseline") == load("main:results/baseline/host.jsonl") == load("HEAD:results") == [result]


def test_a_revision_keeps_what_the_working_tree_has_changed(measured: Measured, repository: Path) -> None:
    commit(repository, "results/host.jsonl", measured(seed=1))
    (repository / "results/host.jsonl").write_bytes(msgspec.json.encode(measured(seed=2)) + b"\n")
    assert [result.id for result in sources.load("main:results", on_warning=refuse)] == [measured(seed=1).id]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "there is no file or folder nowhere"),
        ("nosuch:results", "there is no git revision 'nosuch' here"),
        ("--all:results", "there is no git revision '--all' here"),
        ("main:nosuch", "git has no .jsonl file of that name"),
    ],
)
def test_what_is_not_there(source: str, sentence: str, measured: Measured, repository: Path) -> None:
    commit(repository, "results/host.jsonl", measured())
    with pytest.raises(UsageError, match=sentence):
        load(source)


def test_git_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="no git revision 'main'"):
        load("main:results")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no results: `edgebench profile` writes them"),
        ('[{"name": "foreign"}]\n', "is not a result of edgebench"),
        ("not json at all\n", "is not a result of edgebench"),
        (f'{{"kind":"measurement","schema":{SCHEMA + 1}}}\n', "was written by a newer edgebench"),
        ('{"kind":"measurement","schema":1,"latency_s":[[NaN]]}\n', "foreign.jsonl:1 is not a result of .* NaN,"),
        ('{"kind":"measurement","schema":1,"error":"a \\" NaN","load_s":[-Infinity]}\n', "it holds -Infinity, which"),
        ('{"kind":"measurement","schema":1,"error":"NaN",}\n', "JSON is malformed"),
    ],
)
def test_what_is_no_result(content: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=sentence):
        load(path)


def test_a_nan_in_a_revision_is_told_by_name(measured: Measured, repository: Path) -> None:
    commit(repository, "results/host.jsonl", measured())
    path = repository / "results/host.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"measurement","schema":1,"load_s":[NaN]}\n')
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-a", "-m", "nan")
    with pytest.raises(UsageError, match=r"main:results/host\.jsonl:2 .* it holds NaN, which is no number"):
        load("main:results")


def test_a_torn_last_line_is_told_and_skipped(measured: Measured, stored: Stored) -> None:
    file = next(stored("results", measured()).rglob("*.jsonl"))
    with file.open("ab") as end:
        end.write(msgspec.json.encode(measured(seed=1))[:300])
    told: list[str] = []
    assert len(sources.load(str(file), on_warning=told.append)) == 1
    assert len(told) == 1 and "was cut off" in told[0]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(folder)
    return folder


def commit(folder: Path, name: str, result: Measurement) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(result) + b"\n")
    git(folder, "add", name)
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "results")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
