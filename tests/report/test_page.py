"""The page's data and its text: bounded, honest about what is left out, and closed against markup in records."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import example_records as made
import pytest

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Measurement
from edgebench.report import overview, stored
from edgebench.report.page import page, vega_library, write_report
from edgebench.report.page.payload import Limits, PageRequest, Surroundings, payload

pytest.importorskip("altair", reason="needs altair: pip install 'edgebench[report]'")
pytest.importorskip("vl_convert", reason="needs vl-convert-python: pip install 'edgebench[report]'")

HOSTILE = "</script><script>window.hacked=1</script><!--<img src=x onerror='window.hacked=1'>"


def found(folder: Path) -> stored.Stored:
    return stored.load(str(folder), on_warning=print)


def data_of(text: str) -> dict:
    [held] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(held)


def test_a_row_a_cell_the_newest_first_and_details_beside_them(example_store: Path) -> None:
    data = payload(found(example_store), PageRequest(source="results"))
    times = [row[overview.KEYS.index("time")] for row in data["rows"]]
    assert times == sorted(times, reverse=True)
    assert len(data["rows"]) == len(data["cells"]) == len(data["families"]) == data["meta"]["cells"] == 28
    assert data["meta"]["records"] == 44
    assert data["meta"]["left_out"] == []
    newest = data["samples"][0]
    assert len(newest["processes"]) == 5
    assert [row["change"] for row in data["histories"][0]["levels"]] == ["", "+11.8%"]
    assert len(data["operators"][0]["operators"]) == 40
    assert data["environments"][0]["facts"]["cpu"] == "AMD EPYC"
    assert any(sentence.startswith("Estimated for rpi4") for sentence in data["methods"])


def test_numbers_that_the_samples_cannot_carry_are_words(example_store: Path) -> None:
    data = payload(found(example_store), PageRequest(source="results"))
    place = overview.KEYS.index("p99_s")
    values = {row[place] for row in data["rows"] if not isinstance(row[place], float)}
    assert values == {"quick run", None}  # None: estimates, and a cell that failed
    few = overview.row(
        made.measurement(scenario=made.Scenario(processes=1, min_runs=30, min_s=0.1)), 1, PageRequest("").accuracies
    )
    assert few[overview.KEYS.index("p90_s")] == "needs 64 runs"


def test_counted_instructions_have_a_column() -> None:
    counted = made.measurement(counts={"instructions": 123_444_063}, provenance="emulated")
    row = overview.row(counted, 1, PageRequest("").accuracies)
    assert row[overview.KEYS.index("instructions")] == 123_444_063
    assert row[overview.KEYS.index("provenance")] == "emulated"


def test_what_exceeds_the_limits_is_left_out_and_said(example_store: Path) -> None:
    limits = Limits(rows=20, sample_cells=3, operator_cells=0, history_cells=0, environments=0)
    data = payload(found(example_store), PageRequest(source="results", limits=limits))
    assert (len(data["rows"]), len(data["samples"]), len(data["operators"]), len(data["histories"])) == (20, 3, 0, 0)
    assert sorted(data["meta"]["left_out"]) == [
        "1 more machines or sets of versions",
        "1 older cells, whose history `edgebench history` shows",
        "1 older cells, whose operators are only in the results folder",
        "16 older cells, whose samples are only in the results folder",
        "8 older cells, which have no row",
    ]


def test_without_the_packages_for_change_points_the_history_is_plain_and_says_so(
    example_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ruptures", None)
    data = payload(found(example_store), PageRequest(source="results"))
    assert data["histories"][0]["levels"] == []
    assert len(data["histories"][0]["points"]) == 16
    assert any(note.startswith("changes are not marked: finding change points needs") for note in data["meta"]["notes"])


def test_records_cannot_leave_the_data_element(tmp_path: Path) -> None:
    record = made.measurement(made.spec(HOSTILE), warnings=(HOSTILE,), runtime_version=HOSTILE)
    made.write(tmp_path, [record])
    text = page(payload(found(tmp_path), PageRequest(source=HOSTILE)))
    assert HOSTILE not in text
    assert len(re.findall(r"<script[ >]", text.replace(vega_library(), ""))) == 4  # the page's own
    assert data_of(text)["rows"][0][0] == HOSTILE


def test_only_the_pages_own_scripts_may_run_and_nothing_may_be_asked_for(example_store: Path) -> None:
    text = page(payload(found(example_store), PageRequest(source="results")))
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)">', text)
    assert policy.startswith("default-src 'none';")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy


def test_a_report_is_written_whole_or_not_at_all(example_store: Path, tmp_path: Path) -> None:
    write_report(str(example_store), tmp_path / "new" / "report.html", on_warning=print)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["report.html"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write_report(str(example_store), tmp_path / "folder", on_warning=print)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "new"]


def test_a_comparison_has_every_verdict_with_its_reason(example_store: Path, tmp_path: Path) -> None:
    base = made.write(tmp_path / "base", [made.measurement(made.spec(name), seed=7) for name in made.NETWORKS])
    write_report(str(example_store), tmp_path / "report.html", base=str(base), on_warning=print)
    held = data_of((tmp_path / "report.html").read_text())["comparison"]
    assert (held["base"], held["new"]) == (str(base), str(example_store))
    assert {"new", "same", "inconclusive"} <= {row["verdict"] for row in held["rows"]}
    assert all(row["reason"] for row in held["rows"] if row["verdict"] in ("new", "inconclusive"))


def test_a_baseline_with_other_models_only_is_refused(example_store: Path, tmp_path: Path) -> None:
    base = made.write(tmp_path / "base", [made.measurement(made.spec("another"))])
    with pytest.raises(UsageError, match="have no file in common"):
        write_report(str(example_store), tmp_path / "report.html", base=str(base), on_warning=print)
    assert not (tmp_path / "report.html").exists()


def test_a_torn_line_is_told_in_the_page_too(tmp_path: Path) -> None:
    folder = made.write(tmp_path / "results", [made.measurement()])
    [file] = folder.rglob("*.jsonl")
    with file.open("ab") as end:
        end.write(b'{"kind":"meas')
    told: list[str] = []
    write_report(str(folder), tmp_path / "report.html", on_warning=told.append)
    assert len(told) == 1
    assert data_of((tmp_path / "report.html").read_text())["meta"]["notes"] == told


def test_the_vega_library_is_bundled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.report import page as library

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = library.vega_library()
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda _: pytest.fail("bundled again"))
    assert library.vega_library() == first
    assert "</script" not in first


def test_a_cache_that_cannot_be_written_does_not_stop_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgebench.report import page as library

    (tmp_path / "edgebench").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "vegaEmbed" in library.vega_library()


def test_a_missing_package_is_named_with_its_extra(example_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from edgebench.ground.errors import MissingPackage

    monkeypatch.setitem(sys.modules, "altair", None)
    monkeypatch.delitem(sys.modules, "edgebench.report.plots", raising=False)
    monkeypatch.delattr("edgebench.report.plots", raising=False)
    with pytest.raises(MissingPackage, match=r"pip install 'edgebench\[report\]'"):
        page(payload(found(example_store), PageRequest(source="results")))


def test_a_record_without_anything_still_has_a_row(tmp_path: Path) -> None:
    bare = made.measurement(
        latency_s=(), load_s=(), first_s=(), memory_bytes={}, size_bytes=None, parameters=None, macs=None, parity=None,
        artifact_sha256=None, environment={}, status="skipped", error="CoreML runs files on a Mac only",
    )  # fmt: skip
    assert isinstance(bare, Measurement)
    made.write(tmp_path, [bare])
    data = payload(found(tmp_path), PageRequest(source="results"))
    assert data["cells"][0]["error"] == "CoreML runs files on a Mac only"
    assert data["methods"] == []


def test_a_machine_stands_once_however_many_records_were_emulated_on_it() -> None:
    settings = Surroundings()
    for run in (1, 2):
        facts = made.ENVIRONMENT | {"emulated_s": [0.5 * run], "counted": [1000 + run]}
        settings.add(made.measurement(seed=run, environment=facts))
    [machine] = settings.environments
    assert machine["rows"] == 2
