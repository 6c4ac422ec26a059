"""`edgebench report` and `edgebench plot`, from their arguments to a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from edgebench.cli import app
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec

sys.path.append(str(Path(__file__).parent.parent / "report"))

import example_records as made

pytest.importorskip("altair", reason="needs altair: pip install 'edgebench[report]'")
pytest.importorskip("vl_convert", reason="needs vl-convert-python: pip install 'edgebench[report]'")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return made.write(tmp_path / "results", [made.measurement(), made.estimate()])


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_report_takes_the_results_folder_and_writes_report_html(store: Path) -> None:
    assert run("report") == "wrote report.html\n"
    text = Path("report.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")


def test_report_takes_budgets_accuracies_and_a_baseline(store: Path) -> None:
    Path("accuracy.csv").write_text("model,top1\nmobilenetv2,72\n")
    run("report", "results", "-o", "out/x.html", "--base", "results", "--accuracy", "accuracy.csv",
        "--latency-budget", "50ms", "--memory-budget", "64MB")  # fmt: skip
    text = Path("out/x.html").read_text("utf-8")
    assert '"budgets":[{"latency_s":0.05,"memory_bytes":64000000}]' in text
    assert '"base":"results"' in text


def test_plot_writes_a_picture(store: Path) -> None:
    assert run("plot", "results", "--kind", "latency", "--model", "mobilenetv2", "-o", "x.svg") == "wrote x.svg\n"
    assert "<svg" in Path("x.svg").read_text("utf-8")


def test_plot_takes_a_networks_own_name_and_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wide, plain = (replace(made.measurement(), model=ModelSpec(name=name, family="user")) for name in ("my-wide", "my"))
    made.write(tmp_path / "results", [wide])
    run("plot", "--kind", "latency", "--model", "my-wide", "-o", "x.svg")
    with pytest.raises(UsageError, match="no stored result fits"):
        run("plot", "--kind", "latency", "--model", "my", "-o", "x.svg")
    made.write(tmp_path / "both", [wide, plain])
    run("plot", "both", "--kind", "latency", "--model", "my", "-o", "x.svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("report", "nowhere"), "there is no file or folder nowhere"),
        (("report", "results", "--latency-budget", "50"), "'50' is not a duration"),
        (("report", "results", "--base", "no-such-revision:results"), "there is no git revision 'no-such-revision'"),
        (("plot", "results", "-o", "x.gif"), "not '.gif'"),
        (("plot", "results", "--look", "pink"), "unknown look 'pink'"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str, store: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(*arguments)
    assert sorted(each.name for each in Path().iterdir()) == ["results"]
