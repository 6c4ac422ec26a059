"""What people see: every number with its provenance, and refused numbers as such."""

from io import StringIO

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from edgebench.ground.records import QUICK, Estimate, ExportSpec, Interval, Measurement, ModelSpec, Parity, Result
from edgebench.ground.units import show_interval
from edgebench.machines import profiles
from edgebench.report import devices, listing, profiled, rows
from edgebench.report.output import all_columns, wide_console
from edgebench.report.tables import plain

MODEL = ModelSpec(name="mobilenetv2", family="mobilenetv2", width=0.5, resolution=192)
PARITY = Parity(
    inputs=4, max_abs_error=2e-6, output_range=4.0, relative_l2_error=1e-6, gate="", passed=True, evaluated_by="litert"
)
MEASURED = Measurement(
    id="a",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="host",
    runtime="litert",
    runtime_version="2.3.0",
    scenario=QUICK,
    latency_s=tuple(tuple(0.007 + 0.0001 * (run % 5) for run in range(40)) for _ in range(3)),
    first_s=(0.01, 0.012, 0.011),
    load_s=(0.002, 0.003, 0.004),
    memory_bytes={"baseline": 10_000_000, "load": 20_000_000, "steady": 31_000_000},
    size_bytes=13_972_992,
    parameters=3_504_872,
    macs=300_774_272,
    parity=PARITY,
    warnings=("the load average was 7",),
)
ESTIMATED = Estimate(
    id="b",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="rpi4",
    runtime="litert",
    latency_s=Interval(value=0.05, low=0.04, high=0.06, confidence=0.9),
)


def shown(*blocks: RenderableType) -> str:
    file = StringIO()
    with all_columns():
        for block in blocks:
            wide_console(file).print(block)
    return file.getvalue()


def table(*results: Result, device: str = "host") -> str:
    return shown(*profiled.profile(results, profiles.load(device)))


def test_a_measured_row() -> None:
    text = table(MEASURED)
    for part in ("mobilenetv2", "w0.5 r192", "measured", "7.20 ms", "21.0 MB", "14.0 MB", "3.50 M", "301 M", "5e-07"):
        assert part in text
    assert "95% interval" in text and "the load average was 7" in text


def test_an_estimated_row_has_an_interval_and_says_how_to_measure() -> None:
    text = table(ESTIMATED, device="rpi4")
    assert "estimated" in text and "40.0-60.0 ms" in text and "90% of cases" in text
    assert "--device host" in text


def test_a_percentile_that_the_samples_cannot_carry_says_so() -> None:
    few = replace(MEASURED, latency_s=((0.007,) * 10,))
    assert rows.latency(few)["p90"] is None
    assert "needs runs" in table(few)


def test_a_failed_row_shows_its_sentence_and_no_number() -> None:
    failed = replace(MEASURED, latency_s=(), status="failed", error="the runtime crashed (SIGSEGV)")
    text = table(failed)
    assert "FAILED" in text and "the runtime crashed (SIGSEGV)" in text


def test_a_note_that_concerns_every_row_is_shown_once() -> None:
    text = table(MEASURED, replace(MEASURED, model=replace(MODEL, name="mobilenetv1")))
    assert text.count("the load average was 7") == 1


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    odd = replace(MEASURED, model=replace(MODEL, name="[bold]x[/bold]"))
    assert table(replace(odd, warnings=())).count("[bold]x[/bold]") == 1


def test_profile_row_uses_medians_of_first_and_load() -> None:
    row = rows.profile(MEASURED)
    assert row["first_s"] == 0.011 and row["load_s"] == 0.003
    assert row["peak_memory_bytes"] == 21_000_000
    assert row["parity"]["range_error"] == 5e-7


def test_nothing_is_explained_that_is_not_there() -> None:
    bare = replace(MEASURED, latency_s=(), parity=None, status="failed", error="it crashed")
    text = table(bare, replace(ESTIMATED, latency_s=None, status="failed", error="no graph"))
    assert not any(line.startswith(("measured:", "parity:", "Estimated,")) for line in text.splitlines())
    assert "it crashed" in text


def test_a_skipped_result_has_null_latency() -> None:
    row = rows.profile(replace(ESTIMATED, latency_s=None, status="skipped", error="CoreML runs on a Mac only"))
    assert set(row["latency_s"].values()) == {None}


def test_device_tables_render_for_every_device() -> None:
    for name in profiles.names():
        profile = profiles.load(name)
        assert profile.title in shown(*devices.device(profile))
    assert "rpi4" in listing.devices([profiles.load("rpi4")])
    assert listing.devices([profiles.load("rpi2")]).endswith("litert+ncnn fp16/fp32/int8 x1-4")


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0.0611, 0.0881, "61.1-88.1 ms"), (82.1e-6, 1.5e-3, "82.1 us-1.50 ms"), (None, None, "-")],
)
def test_an_interval_names_a_unit_once_only_when_both_ends_have_it(
    low: float | None, high: float | None, shown: str
) -> None:
    assert show_interval(low, high) == shown


def test_only_prose_is_narrowed_where_a_table_is_too_wide() -> None:
    table = plain("t", "package", "version", "for", left=("package", "version", "for"), prose=("for",))
    table.add_row("executorch", "missing: pip install 'edgebench[executorch]'", "export to it, running files " * 5)
    console = Console(width=100, file=StringIO(), markup=False)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 100
    assert any("missing: pip install 'edgebench[executorch]'  export" in line for line in lines)
