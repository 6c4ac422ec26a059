"""The answer of `edgebench scale`: printed, written, and as a section of the page."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console

from edgebench.choose import Choice, scale
from edgebench.cli import app
from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.report import choice as shown


@pytest.fixture(scope="module")
def choice() -> Choice:
    return scale("rpi4", "mobilenetv2", max_latency="50ms", max_memory="64MB", confirmed=False)


def printed(*blocks: object) -> str:
    console = Console(width=300, file=io.StringIO())
    for block in blocks:
        console.print(block)
    return console.file.getvalue()


def test_the_summary_names_the_pick_its_ties_and_the_room(choice: Choice) -> None:
    text = printed(*shown.summary(choice))
    assert text.index("pick") < text.index(choice.picked.model.key)
    for tie in choice.ties:
        assert f"tie: {tie.model.key}" in text
    assert "of 50.0 ms" in text and "of 64.0 MB" in text
    assert "estimated" in text and "(expected)" in text
    assert "train the pick to know" in text


def test_the_explanation_gives_every_loser_its_reason(choice: Choice) -> None:
    text = printed(*shown.explanation(choice))
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


def test_the_report_shows_the_choice_of_a_folder(choice: Choice, tmp_path: Path) -> None:
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
    assert "id='choice'" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(("content", "message"), [(None, "there is no choice at"), ("{}", "is no choice of this")])
def test_another_file_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "choice.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        shown.read(tmp_path)
