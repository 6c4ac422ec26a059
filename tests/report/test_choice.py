"""What people see of a choice: the summary, the explanation, and the files that `-o` writes."""

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from edgebench.choose import Choice, scale
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
    with pytest.raises(UsageError, match="cannot write to"):
        shown.save(choice, tmp_path / "file" / "inside")
