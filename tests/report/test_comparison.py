import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edgebench.compare.ab import AbReport
from edgebench.compare.database import QueryResult
from edgebench.compare.gating import Gate, GateReport
from edgebench.compare.records import Cell, Comparison, ComparisonReport, Difference, GeometricMean
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Interval
from edgebench.report.comparison import FORMATS, build, over_time, render, show
from edgebench.report.comparison.sheet import Line, Sheet, escape, markdown

NASTY = "<img src=x onerror=alert(1)> | `a` *b* @everyone #1\n::error::x\x00\x1b[31m ]]>&"


def cell(model: str = "mobilenetv2-w1-d1-r224") -> Cell:
    return Cell(model=model, export="tflite-fp32", device="host", runtime="litert", threads=1)


def comparison(
    model: str = "mobilenetv2-w1-d1-r224", reason: str = "more than 5% above the baseline"
) -> ComparisonReport:
    machine = Difference(name="machine", base="1a2b", new="5e6f", decisive=True)
    rows = (
        Comparison(
            cell=cell(model),
            metric="latency",
            unit="s",
            provenance="measured",
            base=0.007,
            new=0.0077,
            ratio=1.1,
            low=1.08,
            high=1.12,
            confidence=0.95,
            p=1e-5,
            processes=(10, 10),
            threshold=0.05,
            verdict="slower",
            reason=reason,
        ),
        Comparison(
            cell=cell(model), metric="first", unit="s", base=0.01, new=0.02, ratio=2, verdict="slower", decides=False
        ),
        Comparison(
            cell=cell(model),
            metric="memory",
            unit="B",
            base=3e7,
            new=3e7,
            verdict="inconclusive",
            differences=(machine,),
            reason="not comparable: machine",
        ),
        Comparison(cell=cell(model), metric="size", unit="B", base=2e7, new=1e7, ratio=0.5, verdict="faster"),
        Comparison(
            cell=cell(model),
            metric="instructions",
            unit="1",
            base=1e8,
            new=1.2e8,
            ratio=1.2,
            verdict="slower",
            details=("loads: 1 -> 2 (+1)",),
            reason="more than 0.1% above the baseline",
        ),
        Comparison(cell=cell(model), metric="parity", unit="1", base=1e-6, new=1e-6, ratio=1, verdict="same"),
        Comparison(cell=cell(model + "x"), verdict="missing", reason="the new results do not have it"),
        Comparison(cell=cell(model + "y"), verdict="new", reason="not in the baseline"),
    )
    means = (GeometricMean(metric="latency", ratio=1.1, cells=1),)
    return ComparisonReport(base_name="old", new_name="new", comparisons=rows, geometric_means=means, notes=("a note",))


def gates() -> GateReport:
    row = Gate(
        budget="mobilenetv2 on host",
        cell=cell(),
        metric="latency",
        unit="s",
        provenance="measured",
        value=0.007,
        low=0.0069,
        high=0.0071,
        least=0.001,
        most=0.006,
        verdict="over",
        reason="17% over the budget",
    )
    missing = Gate(budget="alexnet on host", metric="size", unit="B", most=1e6, verdict="missing", reason="no result")
    return GateReport(budgets_name="budgets.toml", results_name="results", gates=(row, missing))


def ab() -> AbReport:
    ratio = Interval(value=1.1, low=1.05, high=1.15, confidence=0.998)
    return AbReport(
        base_name="a.onnx",
        new_name="b.onnx",
        threshold=0.05,
        verdict="slower",
        reason="12 pairs",
        ratio=ratio,
        elapsed_s=31.0,
        base_s=((0.007,),),
        new_s=((0.0077,),),
        path=(ratio,) * 12,
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("report", [comparison(), gates(), ab()], ids=["comparison", "gates", "ab"])
def test_every_report_has_every_format(form: str, report: ComparisonReport | GateReport | AbReport) -> None:
    if form == "benchmark-action" and not isinstance(report, ComparisonReport):
        with pytest.raises(UsageError, match="benchmark-action is a format of `edgebench compare` only"):
            render(report, form)
    else:
        assert render(report, form).strip()


def test_an_unknown_format_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown format 'junitt'; did you mean junit"):
        render(comparison(), "junitt")


def test_the_table_words_verdicts_by_metric_and_gives_reasons() -> None:
    text = render(comparison(), "table")
    assert "7.00 ms" in text and "7.70 ms" in text and "1.100" in text and "1.080 to 1.120" in text
    assert "slower (shown only)" in text and "smaller" in text and "more" in text
    assert "1 slower, 1 more, 1 missing, 1 inconclusive, 1 smaller, 1 same" in text
    assert "! mobilenetv2-w1-d1-r224 tflite-fp32 on host (litert, 1 thread) latency: more than 5%" in text
    assert "    loads: 1 -> 2 (+1)" in text
    assert "Geometric mean of new/base (cells): latency 1.100 (1)" in text
    assert "Latency: the 10th percentile of each process" in text
    assert "The two sides differ: machine: 1a2b, now 5e6f" in text and "--why" in text and "a note" in text


def test_the_printed_table_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show(comparison(), "table")
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == render(comparison(), "table").splitlines()


def test_json_is_the_report_in_base_units() -> None:
    found = json.loads(render(comparison(), "json"))
    assert found["schema"] == 1
    assert found["comparisons"][0]["base"] == 0.007
    assert found["comparisons"][0]["cell"]["device"] == "host"


def test_junit_counts_failures_errors_and_skips() -> None:
    (suite,) = ElementTree.fromstring(render(comparison(), "junit"))
    assert suite.attrib == {"name": "new against old", "tests": "8", "failures": "3", "errors": "1", "skipped": "2"}
    kinds = [(case.get("name"), [child.tag for child in case]) for case in suite]
    assert kinds[0] == ("latency", ["failure"])
    assert ("memory", ["error"]) in kinds and ("first", ["skipped"]) in kinds and ("size", []) in kinds
    failure = suite[0][0]
    assert failure.get("message") == "slower: more than 5% above the baseline"


def test_github_annotates_failures_first_and_sums_up() -> None:
    lines = render(comparison(), "github").splitlines()
    levels = [line.split(" ", 1)[0] for line in lines]
    assert levels == ["::error"] * 3 + ["::warning", "::notice", "::notice"]
    assert lines[0].startswith("::error title=edgebench%3A slower::mobilenetv2")
    assert lines[-1].startswith("::notice title=edgebench::new against old: 1 slower")


def test_benchmark_action_lists_new_values_with_ranges() -> None:
    entries = json.loads(render(comparison(), "benchmark-action"))
    assert entries[0] == {
        "name": "mobilenetv2-w1-d1-r224 tflite-fp32 on host (litert, 1 thread): latency",
        "unit": "ms",
        "value": pytest.approx(7.7),
        "range": "± 0.14",
        "extra": "slower: more than 5% above the baseline",
    }
    assert {entry["unit"] for entry in entries} == {"ms", "MB", ""}


def test_markdown_begins_with_what_asks_for_a_decision() -> None:
    text = render(comparison(), "markdown")
    before, _, after = text.partition("<details>")
    assert "❌" in before and "❔" in before and "✅" not in before
    assert "✅" in after and after.count("\n| ") == 10
    assert "- mobilenetv2-w1-d1-r224 tflite-fp32 on host (litert, 1 thread) latency: more than 5%" in before


def test_gates_show_value_interval_and_band() -> None:
    text = render(gates(), "table")
    assert "6.90 ms to 7.10 ms" in text and "1.00 ms to 6.00 ms" in text and "up to 1.00 MB" in text
    assert "1 over, 1 missing" in text


def test_ab_says_that_its_interval_may_be_looked_at() -> None:
    text = render(ab(), "table")
    assert "99.8% interval" in text and "1.050 to 1.150" in text and "valid however often" in text


def test_ab_shows_no_interval_before_there_is_one() -> None:
    text = render(replace(ab(), path=ab().path[:11]), "table")
    assert "1.050 to 1.150" not in text and "1.100    " in text


def test_why_lists_each_difference_once_with_what_it_does() -> None:
    sheet = build.differences(comparison())
    ((name, base, new, cells, weight, effect),) = [line.texts for line in sheet.lines]
    assert (name, base, new, cells, weight) == ("machine", "1a2b", "5e6f", "1", "decisive")
    assert "another machine" in effect
    empty = ComparisonReport(base_name="a", new_name="b", comparisons=())
    assert build.differences(empty).notes == ("Nothing that the results tell of their environments differs.",)


@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_name_stays_text(form: str) -> None:
    report = comparison(NASTY, NASTY)
    text = render(report, form)
    if form == "markdown":
        assert "<img" not in text and "`a`" not in text and "@everyone" not in text
        known = ("|", "#", "**", "-", "  -", "<details>", "</details>", "Geo", "Latency", "The", "All", "a note")
        assert all(line.startswith(known) for line in text.splitlines() if line)
    elif form == "table":
        assert "\x1b" not in text
    elif form == "junit":
        (suite,) = ElementTree.fromstring(text)
        assert len(suite) == 8
    elif form == "github":
        assert all(
            line.startswith(("::error title=", "::warning title=", "::notice title=")) for line in text.splitlines()
        )
    elif form in ("json", "benchmark-action"):
        assert json.loads(text)


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_escaped_text_is_one_line_without_tags_or_columns(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped and "<" not in escaped
    assert escaped.replace("\\\\", "").count("|") == escaped.replace("\\\\", "").count("\\|")


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_xml_that_parses(text: str) -> None:
    line = Line(text, text, (text,), "fail", text, text, (text,))
    from edgebench.report.comparison.sheet import junit

    assert len(ElementTree.fromstring(junit(Sheet(text, ("a",), frozenset(), (line,))))) == 1


def test_a_sheet_without_lines_says_so() -> None:
    assert "nothing to list" in markdown(Sheet("t", ("a",), frozenset(), ()))


def test_rows_of_a_query_keep_their_types(capsys: pytest.CaptureFixture[str]) -> None:
    answer = QueryResult(("model", "latency_s"), (("a", 0.0071234567), ("b", None)))
    over_time.show_answer(answer, "json")
    assert json.loads(capsys.readouterr().out) == [
        {"model": "a", "latency_s": 0.0071234567},
        {"model": "b", "latency_s": None},
    ]
    over_time.show_answer(answer, "table")
    assert "0.00712346" in capsys.readouterr().out
    with pytest.raises(UsageError, match="unknown format 'csv'"):
        over_time.check_format("csv")


def test_an_answer_wider_than_the_terminal_is_printed_downwards(capsys: pytest.CaptureFixture[str]) -> None:
    over_time.show_answer(QueryResult(("model", "error"), (("a", "x" * 200), ("b", None))), "table")
    assert capsys.readouterr().out.splitlines()[:4] == ["model  a", "error  " + "x" * 200, "", "model  b"]
    over_time.show_answer(QueryResult(("model", "error"), (("a", "x" * 93),)), "table")
    assert capsys.readouterr().out.splitlines()[-2:] == ["a      " + "x" * 93, "1 row"]


def test_the_headers_of_a_query_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    over_time.show_answer(QueryResult(("root:x:0:0", "[bold]"), (("daemon:x:1:1", 1),)), "table")
    text = capsys.readouterr().out
    assert "root:x:0:0" in text and "[bold]" in text and "daemon:x:1:1" in text


def test_history_shows_levels_trend_and_the_first_bad_commit(
    capsys: pytest.CaptureFixture[str], slow_series: Callable[[], Path]
) -> None:
    from edgebench.compare.history import history

    found = history(slow_series(), None)
    over_time.show(found, "table")
    text = capsys.readouterr().out
    assert "+20.0%" in text and "slower" in text and "▁" in text and "█" in text
    assert "first bad commit bbbbbbbbbbbb, last good aaaaaaaaaaaa; with it changed machine: m, now n" in text
    over_time.show(found, "json")
    assert json.loads(capsys.readouterr().out)["series"][0]["changes"][0]["ratio"] == pytest.approx(1.2)
    over_time.show(found, "markdown")
    assert "| ℹ️ |" in capsys.readouterr().out


@pytest.fixture
def slow_series(tmp_path: Path) -> Callable[[], Path]:
    from edgebench.ground import store
    from edgebench.ground.records import ExportSpec, Measurement, ModelSpec, Scenario

    def make() -> Path:
        for day in range(20):
            late = day >= 10
            store.append(
                tmp_path / "host",
                Measurement(
                    id=f"{day:04x}",
                    time=f"2026-01-{day + 1:02}T00:00:00+00:00",
                    model=ModelSpec(name="lenet5", family="lenet5"),
                    export=ExportSpec(),
                    device="host",
                    runtime="litert",
                    runtime_version="1",
                    scenario=Scenario(),
                    latency_s=((0.012 if late else 0.010,),),
                    environment={"commit": ("b" if late else "a") * 40, "machine": "n" if late else "m"},
                ),
            )
        return tmp_path

    return make
