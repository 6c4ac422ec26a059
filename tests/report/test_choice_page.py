"""A choice as a section of the HTML report."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from edgebench.choose import Choice, scale
from edgebench.cli import app
from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.report import choice as shown
from edgebench.report import choice_page, choice_plot

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


@pytest.fixture(scope="module")
def choice() -> Choice:
    return scale("rpi4", "mobilenetv1", max_latency="50ms", confirmed=False)


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
    text = choice_page.section(choice)
    tags = _Tags()
    tags.feed(text)
    assert not tags.open
    picks = 1 + len(choice.ties) + (choice.upgrade is not None)
    assert tags.rows == 3 + picks + len(choice.rejected) + len(choice.frontier)
    assert choice.picked.model.key in text and "over --max-latency 50.0 ms" in text
    assert "<svg" in text and "expected top-1" in text and "train the pick to know" in text


def test_the_legend_names_only_what_is_drawn(choice: Choice) -> None:
    drawn = choice_plot.svg(replace(choice, ties=()))
    assert ">tie<" not in drawn
    assert ">pick<" in drawn and ">frontier<" in drawn


def test_text_from_a_record_never_becomes_markup(choice: Choice) -> None:
    evil = "<img src=x onerror=alert(1)>"
    text = choice_page.section(replace(choice, family=evil, warnings=(evil,), picked=replace(choice.picked, path=evil)))
    assert "<img" not in text and "&lt;img" in text


def test_the_report_shows_the_choice_of_a_folder(choice: Choice, tmp_path: Path) -> None:
    shown.save(choice, tmp_path / "chosen")
    assert choice_page.read(tmp_path / "chosen") == choice_page.read(tmp_path / "chosen" / "choice.json") == choice
    from edgebench.estimate import estimate
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
        choice_page.read(tmp_path)
