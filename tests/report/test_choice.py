"""The answer of `edgebench scale`: printed, written, and as a section of the page."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser
from click.testing import CliRunner
from msgspec.structs import replace

from edgebench.api import scale
from edgebench.choose import Choice
from edgebench.cli import app
from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.report import choice as shown
from edgebench.report import output


@pytest.fixture(scope="module")
def choice() -> Choice:
    return scale("rpi4", "mobilenetv2", max_latency="50ms", max_memory="64MB", confirmed=False)


def printed(*blocks: object) -> str:
    file = io.StringIO()
    with output.all_columns():
        console = output.wide_console(file)
        for block in blocks:
            console.print(block)
    return file.getvalue()


def test_the_short_answer_is_ten_lines(choice: Choice) -> None:
    file = io.StringIO()
    console = output.wide_console(file)
    for block in shown.summary(choice):
        console.print(block)
    lines = file.getvalue().splitlines()
    assert len(lines) <= 10 and all(len(line) <= 100 for line in lines[:5])
    assert choice.picked.model.key in lines[1] and lines[1].startswith("pick: ")
    assert choice.ties[0].model.key in file.getvalue() and "of 50.0 ms left" in file.getvalue()
    assert "of 64.0 MB left" in file.getvalue()
    point = choice.picked.model
    width = "" if point.width == 1 else f" --width {point.width:g}"
    assert f"edgebench train mobilenetv2{width} " in lines[-1] and f"{point.resolution}" in lines[-1]


def test_the_explanation_gives_every_loser_its_reason(choice: Choice) -> None:
    text = printed(*shown.explanation(choice))
    for tie in choice.ties:
        assert f"tie: {tie.model.key}" in text
    assert "estimated" in text and "(expected)" in text
    assert "train the pick to know" in text
    for each in choice.rejected:
        assert each.point.model.key in text
    assert "over --max-latency 50.0 ms" in text
    assert "mobilenetv2: efficientnet_paper" in text


def test_an_extrapolated_accuracy_is_marked(choice: Choice) -> None:
    far = replace(choice, picked=replace(choice.picked, extrapolated=True))
    assert "extrapolated" in printed(*shown.summary(far))


def test_the_folder_holds_the_record_and_the_pictures(choice: Choice, tmp_path: Path) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    written = shown.save(choice, tmp_path)
    assert [path.name for path in written] == ["choice.json", "frontier.png", "frontier.svg"]
    assert json.loads(written[0].read_text())["picked"]["model"]["family"] == "mobilenetv2"
    assert written[1].read_bytes().startswith(b"\x89PNG")
    svg = written[2].read_text()
    assert choice.picked.model.key in svg and "expected top-1" in svg
    assert not list(tmp_path.glob("*.tmp"))


def test_without_altair_the_record_is_still_written(
    choice: Choice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    assert [path.name for path in shown.save(choice, tmp_path)] == ["choice.json"]
    assert "pip install 'edgebench[report]'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_sentence(choice: Choice, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        shown.save(choice, tmp_path / "file" / "inside")


pytest.importorskip("altair")
pytest.importorskip("vl_convert")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_section_holds_the_pick_the_reasons_and_the_picture(choice: Choice) -> None:
    text = shown.section(choice)
    tags = _Tags()
    tags.feed(text)
    assert not tags.open
    picks = 1 + len(choice.ties) + (choice.upgrade is not None)
    assert tags.rows == 3 + picks + len(choice.rejected) + len(choice.frontier)
    assert choice.picked.model.key in text and "over --max-latency 50.0 ms" in text
    assert "<svg" in text and "expected top-1" in text and "train the pick to know" in text


def test_the_legend_names_only_what_is_drawn(choice: Choice) -> None:
    drawn = shown._picture(replace(choice, ties=()), ".svg").decode()
    assert ">tie<" not in drawn
    assert ">pick<" in drawn and ">frontier<" in drawn


def test_text_from_a_record_never_becomes_markup(choice: Choice) -> None:
    evil = "<img src=x onerror=alert(1)>"
    text = shown.section(replace(choice, family=evil, warnings=(evil,), picked=replace(choice.picked, path=evil)))
    assert "<img" not in text and "&lt;img" in text


def test_the_report_shows_the_choice_of_a_folder(choice: Choice, tmp_path: Path, browser: Browser) -> None:
    shown.save(choice, tmp_path / "chosen")
    assert shown.read(tmp_path / "chosen") == shown.read(tmp_path / "chosen" / "choice.json") == choice
    from edgebench.estimate.estimator import estimate
    from edgebench.machines.profiles import load
    from edgebench.models.sketch import sketch

    point = choice.picked
    record = estimate(sketch(point.model), load("rpi4"), spec=point.model, export=point.export)
    store.append(tmp_path / "results" / "rpi4", record)
    asked = [str(tmp_path / "results"), "--choice", str(tmp_path / "chosen"), "-o", str(tmp_path / "r.html")]
    done = CliRunner().invoke(app, ["report", *asked])
    assert done.exit_code == 0, done.output
    page = browser.open(tmp_path / "r.html")
    page.wait("document.querySelectorAll('#choice .chart svg.marks').length")
    rows = "[...[...document.querySelectorAll('#choice tbody')].at(-1).rows]"
    for order in (1, -1):
        page.js("[...document.querySelectorAll('#choice table')].at(-1).tHead.rows[0].cells[5].firstChild.click()")
        found = page.js(f"{rows}.map((row) => +row.cells[5].dataset.key)")
        assert found == sorted(found, reverse=order < 0) and len(set(found)) > 2
    assert page.js("document.querySelector('#choice th:nth-child(7) button').title").startswith("One inference")
    assert page.js("document.querySelectorAll('#choice .chart path[aria-label*=latency]').length") > 2
    assert page.problems == []
    page.close()


@pytest.mark.parametrize(("content", "message"), [(None, "there is no choice at"), ("{}", "is no choice of this")])
def test_another_file_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "choice.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        shown.read(tmp_path)
