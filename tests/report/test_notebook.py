"""What a notebook shows: a table, never a hundred thousand raw numbers."""

from edgebench.ground.records import QUICK, Estimate, ExportSpec, Interval, Measurement, ModelSpec
from edgebench.report.notebook import Results

MODEL = ModelSpec(name="mobilenetv2", family="mobilenetv2", width=0.5)
MEASURED = Measurement(
    id="a",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="host",
    runtime="litert",
    runtime_version="2.3.0",
    scenario=QUICK,
    latency_s=((0.007,) * 20_000,) * 3,
)
ESTIMATED = Estimate(
    id="b",
    time="2026-11-21T00:00:00+00:00",
    model=ModelSpec(name="<b>", family="user", resolution=48, height=32),
    export=ExportSpec(),
    device="rpi4",
    runtime="litert",
    latency_s=Interval(value=0.05, low=0.04, high=0.06, confidence=0.9),
)


def test_a_record_cuts_raw_samples_short() -> None:
    html = MEASURED._repr_html_()
    assert len(html) < 5_000
    assert "0.007, 0.007" in html and "mobilenetv2" in html


def test_results_are_one_table() -> None:
    found = Results([MEASURED, ESTIMATED])
    html = found._repr_html_()
    assert html.count("<tr>") == 3
    assert "7.00 ms" in html and "40.0-60.0 ms" in html and "estimated" in html
    assert "&lt;b&gt;" in html and "<b>" not in html


def test_results_at_a_prompt_leave_out_what_no_row_has() -> None:
    shown = repr(Results([ESTIMATED]))
    assert "50.0 ms" in shown and "32x48" in shown
    assert "parity" not in shown and "first" not in shown


def test_results_are_the_list_of_their_records() -> None:
    assert Results([MEASURED]) == [MEASURED]
    assert repr(Results()).strip() == ""
    assert Results()._repr_html_() == "<table></table>"
