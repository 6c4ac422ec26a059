"""The page in a real headless Chromium: it draws, sorts, filters, prints, asks for nothing and runs nothing foreign."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import example_records as made
import pytest
from browser import Browser, Page

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.report.page import write_report

pytest.importorskip("altair", reason="needs altair: pip install 'edgebench[report]'")
pytest.importorskip("vl_convert", reason="needs vl-convert-python: pip install 'edgebench[report]'")

DRAWN = "document.querySelectorAll('#trade .chart svg, #details .chart svg').length >= 3"
STATUS = "#overview [role=status]"
ROWS = "#overview tbody tr"

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def report(example_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    base = made.write(
        folder / "base", [made.measurement(made.spec(name), day=1, seed=7, factor=0.9) for name in made.NETWORKS]
    )
    path = folder / "report.html"
    write_report(str(example_store), path, base=str(base), latency_budget_s=0.01, on_warning=pytest.fail)
    return path


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    pages: list[Page] = []

    def open_page(path: Path, **options: object) -> Page:
        pages.append(browser.open(path, **options))
        pages[-1].wait(DRAWN)
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


def column(page: Page, label: str) -> list[str]:
    """The texts of one column of the overview, as shown."""
    number = page.texts("#overview thead th").index(label)
    return page.js(f"[...document.querySelectorAll('{ROWS}')].map((row) => row.children[{number}].textContent)")


def sort(page: Page, label: str) -> str:
    """Clicks a column's header and returns its aria-sort."""
    number = page.texts("#overview thead th").index(label) + 1
    page.click(f"#overview thead th:nth-child({number}) button")
    return page.js(f"document.querySelector('#overview thead th:nth-child({number})').getAttribute('aria-sort')")


def milliseconds(text: str) -> float:
    value, unit = text.removeprefix("~").split()
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


@pytest.mark.parametrize(("width", "dark"), [(480, False), (1024, True), (1200, False)])
def test_it_draws_at_every_width_without_a_request_or_an_error(
    report: Path, opened: Open, width: int, dark: bool
) -> None:
    page = opened(report, width=width, dark=dark)
    assert page.problems == []
    assert page.requests == []
    assert page.js("document.documentElement.scrollWidth") <= width
    if width >= 1200:
        assert (
            page.js("(each => each.scrollWidth - each.clientWidth)(document.querySelector('#comparison .scroll'))") == 0
        )
    assert page.texts(STATUS) == ["Rows 1\u201325 of 28"]
    assert len(page.texts(ROWS)) == 25
    assert page.texts("h2") == [
        "Overview", "Networks by devices", "Trade-off", "Details of one cell", "Comparison", "Environment and method",
    ]  # fmt: skip
    wide = page.js("[...document.querySelectorAll('.chart svg')].map((each) => each.getBoundingClientRect().right)")
    assert len(wide) == 6
    assert max(wide) <= width


def test_networks_stand_against_devices_by_how_certainly_they_keep_a_rate(report: Path, opened: Open) -> None:
    page = opened(report)
    page.wait("document.querySelectorAll('#matrix td.sure').length > 4")
    assert set(page.texts("#matrix thead th")) == {"network", "host", "rpi4"}
    assert page.texts("#matrix caption") == ["Latency, and how certainly it is at most 10.0 ms"]
    assert len({text.split("ms")[-1] for text in page.texts("#matrix td.sure")}) > 1
    page.js("document.querySelector('#matrix input').value = '0.01'")
    page.js("document.querySelector('#matrix input').dispatchEvent(new Event('input'))")
    page.wait("[...document.querySelectorAll('#matrix td.sure small')].every((each) => each.textContent === '>99%')")


def test_dark_and_light_are_the_readers_choice_and_change_at_once(report: Path, opened: Open) -> None:
    page = opened(report)
    colours = """[document.body, document.querySelector('.chart svg text')].map((each) => getComputedStyle(each))
        .map((style) => [style.backgroundColor, style.fill, style.color])"""
    light = page.js(colours)
    page.media(dark=True)
    dark = page.js(colours)
    assert light[0][0] == "rgb(247, 248, 249)"
    assert dark[0][0] == "rgb(18, 21, 24)"
    assert light[1][1] != dark[1][1]


def test_a_header_sorts_and_the_second_time_the_other_way_round(report: Path, opened: Open) -> None:
    page = opened(report)
    page.js(
        "const size = document.querySelector('#overview .pager select');"
        "size.value = '100'; size.dispatchEvent(new Event('change'))"
    )
    assert sort(page, "p50") == "ascending"
    up = [milliseconds(text) for text in column(page, "p50") if text != "\u2013"]
    assert up == sorted(up)
    assert len(up) == 27
    assert column(page, "p50")[-1] == "\u2013"
    assert sort(page, "p50") == "descending"
    down = column(page, "p50")
    assert [milliseconds(text) for text in down[:-1]] == up[::-1]
    assert down[-1] == "\u2013"  # what has no number stays last
    assert sort(page, "model") == "ascending"
    assert column(page, "model") == sorted(column(page, "model"))
    assert page.js("document.querySelectorAll('#overview th[aria-sort]').length") == 1


def test_words_and_lists_filter_the_table_and_the_plot(report: Path, opened: Open) -> None:
    page = opened(report)
    page.type("#filters input[type=search]", "mobilenetv2 R160")
    page.wait(f"document.querySelectorAll('{ROWS}').length === 1")
    assert page.texts(STATUS) == ["Rows 1\u20131 of 1 (of 28)"]
    assert column(page, "point") == ["r160"]
    page.wait("document.getElementById('trade-lead').textContent.includes('1 of 1 rows')")
    page.js("document.querySelector('#filters input').value = ''")
    page.js("document.querySelector('#filters input').dispatchEvent(new Event('input'))")
    page.wait(f"document.querySelectorAll('{ROWS}').length === 25")
    label = "[...document.querySelectorAll('#filters label')].find((each) => each.firstChild.data === 'provenance')"
    page.js(f"{label}.querySelector('select').id = 'by-provenance'")
    page.choose("#by-provenance", "estimated")
    assert set(column(page, "provenance")) == {"\u25b2estimated"}
    assert all(text.startswith("~") for text in column(page, "p50"))
    page.type("#filters input[type=search]", "nothing like it")
    page.wait(f"document.querySelector('{STATUS}').textContent.includes('No row')")
    assert page.problems == []


def test_the_keyboard_reaches_and_works_everything(report: Path, opened: Open) -> None:
    page = opened(report)
    page.press("Tab")
    assert page.js("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(page.js("document.activeElement.closest('nav, #filters, thead, tbody, .scroll, #trade-controls')"
                            "?.tagName + ' ' + document.activeElement.tagName"))  # fmt: skip
        if page.js("document.activeElement.textContent === 'p50'"):
            break
    assert {"NAV A", "DIV INPUT", "DIV SELECT", "DIV DIV", "THEAD BUTTON"} <= reached
    page.press("Enter")
    assert page.js("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    page.js("document.querySelector('#overview tbody button').focus()")
    name = page.js("document.activeElement.textContent")
    page.press(" ")
    assert page.js("document.querySelector('#details select').selectedOptions[0].textContent").startswith(name)


def test_a_row_opens_its_details(report: Path, opened: Open) -> None:
    page = opened(report)
    page.js("[...document.querySelectorAll('#overview tbody tr')].find((row) => row.textContent.includes('failed'))"
            ".querySelector('button').id = 'failed'")  # fmt: skip
    page.click("#failed")
    details = page.js("document.getElementById('details-body').textContent")
    assert "onnxruntime raised Fail: the file is not there" in details
    assert "No samples of this cell are in this page." in details
    first = page.js("document.querySelector('#details select').options[0].value")
    page.choose("#details select", first)
    page.wait("document.querySelectorAll('#details .chart svg').length === 4")
    details = page.js("document.getElementById('details-body').textContent")
    assert "close other programs and measure again" in details
    assert "+11.8% from 2026-11-10" in details
    assert "first seen at commit 8e2f0c1d9b7a" in details
    assert "LiteRT's profiler" in details
    assert page.js("document.querySelectorAll('#overview tr.chosen').length") == 1
    assert page.problems == []


def test_every_number_says_how_it_came_about(report: Path, opened: Open) -> None:
    page = opened(report)
    for row, provenance in enumerate(column(page, "provenance")):
        assert provenance in ("\u25cfmeasured", "\u25b2estimated", "failed")
        estimated = provenance == "\u25b2estimated"
        for label in ("p50", "interval", "peak mem"):
            shown = column(page, label)[row]
            assert shown.startswith("~") == estimated, (label, shown)
    method = page.js("document.getElementById('method').textContent")
    assert "5 fresh processes; warm-up of at least 10 runs and 0.5 s" in method
    assert "calibrated on 31 published rows for the Raspberry Pi 4" in method
    assert "AMD EPYC" in method


def test_the_accessibility_tree_has_the_tables_and_names_every_control(report: Path, opened: Open) -> None:
    page = opened(report)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = [(node.get("role", {}).get("value"), node.get("name", {}).get("value", "")) for node in nodes
             if not node.get("ignored")]  # fmt: skip
    roles = [role for role, _ in named]
    assert roles.count("table") >= 4
    assert ("columnheader", "p50") in named
    assert ("rowheader", "mobilenetv2") in named
    assert "search" in roles
    controls = [
        (role, name) for role, name in named if role in ("button", "combobox", "searchbox", "spinbutton", "link")
    ]
    assert len(controls) > 30
    assert [role for role, name in controls if not name.strip()] == []
    charts = [name for role, name in named if role == "graphics-document" or "latency against" in name]
    assert any("file size (MB) against latency" in name for name in charts)


def test_budgets_are_drawn_and_can_be_changed(report: Path, opened: Open) -> None:
    page = opened(report)
    line = "document.querySelectorAll('#trade-chart .role-mark.mark-rule line').length"
    page.wait(f"{line} === 1")
    assert page.js("document.querySelector('#trade-controls input').value") == "10"
    page.js("document.querySelector('#trade-controls input').value = ''")
    page.js("document.querySelector('#trade-controls input').dispatchEvent(new Event('input'))")
    page.wait(f"{line} === 0")


def test_paper_is_light_whole_and_without_controls(report: Path, opened: Open, tmp_path: Path) -> None:
    page = opened(report, dark=True)
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.media(dark=True, kind="print")
    style = page.js(
        "[getComputedStyle(document.body).color, getComputedStyle(document.getElementById('filters')).display]"
    )
    assert style == ["rgb(27, 31, 36)", "none"]
    overflow = "[...document.querySelectorAll('.scroll')].every((each) => getComputedStyle(each).maxHeight === 'none')"
    assert page.js(overflow)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = "</script><script>window.hacked=1</script><img src=https://example.org/x onerror='window.hacked=1'>${1}{{1}}"
    profile = OperatorProfile(
        method=text, operators=(OperatorTime(name=text, kind=text, unit=text, time_s=(1e-3,)),), profiled_s=(2e-3,),
        plain_s=(2e-3,),
    )  # fmt: skip
    records = [
        made.measurement(
            made.spec(text), day=day, warnings=(text,), error=text, runtime_version=text, operators=profile,
            environment={"cpu": text, text: text, "commit": text, "versions": {text: text}},
        )
        for day in range(3)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("hostile")
    for place in ("new", "base"):
        made.write(folder / place, records)
    path = folder / "report.html"
    write_report(str(folder / "new"), path, base=str(folder / "base"), on_warning=pytest.fail)
    return path


def test_markup_in_a_record_is_shown_and_does_not_run(hostile: Path, opened: Open) -> None:
    page = opened(hostile)
    assert page.js("window.hacked === undefined")
    assert page.js("document.images.length") == 0
    assert page.texts("#overview tbody th")[0].startswith("</script><script>window.hacked=1")
    box = page.js("(({x, y, width, height}) => [x + width / 2, y + height / 2])"
                  "(document.querySelector('#details .mark-rect path').getBoundingClientRect())")  # fmt: skip
    page.js(f"scrollTo(0, {box[1]} - 300)")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=300)
    page.wait("document.querySelector('#vg-tooltip-element.visible') !== null")
    assert "<img" in page.texts("#vg-tooltip-element")[0]
    assert page.js("document.images.length") == 0
    assert page.js("window.hacked === undefined")
    assert page.requests == []
    assert page.problems == []


def test_even_a_script_of_the_page_could_ask_for_nothing(report: Path, opened: Open) -> None:
    page = opened(report)
    tried = page.js("fetch('https://example.org/').then(() => 'answered', () => 'refused')")
    page.js("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
    page.js("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))")
    assert tried == "refused"
    assert page.js("window.hacked === undefined")
    assert len([problem for problem in page.problems if "Content Security Policy" in problem]) >= 3


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    made.write_many(folder / "results" / "host", records=10_000, cells=10_000)
    write_report(str(folder / "results"), folder / "report.html", on_warning=pytest.fail)
    return folder / "report.html"


def test_ten_thousand_rows_are_all_there_and_a_page_of_them_is_drawn(large: Path, opened: Open) -> None:
    page = opened(large)
    assert page.texts(STATUS) == ["Rows 1\u201325 of 10,000"]
    assert len(page.texts(ROWS)) == 25
    assert page.js("document.querySelectorAll('*').length") < 8000
    before = time.monotonic()
    assert sort(page, "p50") == "ascending"
    assert time.monotonic() - before < 5  # about 0.03 s in the page; this only tells a hang
    first = column(page, "p50")
    page.click("#overview .pager button:nth-of-type(2)")
    assert page.texts(STATUS) == ["Rows 26\u201350 of 10,000"]
    assert milliseconds(column(page, "p50")[0]) >= milliseconds(first[-1])
    page.type("#filters input[type=search]", "w0.5 r128")
    page.wait(f"document.querySelector('{STATUS}').textContent.endsWith('(of 10,000)')")
    assert page.texts(STATUS) == ["Rows 1\u20131 of 1 (of 10,000)"] or len(page.texts(ROWS)) < 5
    assert "older cells, whose samples are only in the results folder" in page.js(
        "document.getElementById('footer').textContent"
    )
    assert page.problems == []


def test_rows_are_saved_as_csv_without_a_request(report: Path, opened: Open) -> None:
    page = opened(report)
    page.js(
        "HTMLAnchorElement.prototype.click = () => {}; window.kept = URL.createObjectURL;"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.csv = text; });"
        "return window.kept(blob); }"
    )
    page.js("[...document.querySelectorAll('#filters button')][0].click()")
    page.wait("window.csv !== undefined")
    lines = page.js("window.csv").split("\n")
    assert lines[0].startswith('"model","p50_s","point","device"')
    assert len(lines) == 29
    assert page.requests == []
