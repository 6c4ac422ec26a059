"""The commands of edgebench/commands/compare.py."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edgebench import api
from edgebench.cli import app
from edgebench.commands import compare as commands
from edgebench.compare import ab, processes, thresholds
from edgebench.compare.statistics import least_processes
from edgebench.ground.errors import EdgebenchError, Inconclusive, Regression, UsageError, warn
from edgebench.ground.records import Artifact, ExportSpec, Measurement, ModelSpec
from edgebench.places.target import Job
from edgebench.report.stored import load as report_index
from edgebench.run import engine, resume

Measured = Callable[..., Measurement]
Stored = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


def call(name: str, *arguments: object, **options: object) -> None:
    """Runs a command in this process; its errors are raised."""
    flags = [(f"--{key.replace('_', '-')}", str(value)) for key, value in options.items()]
    given = [part for flag, value in flags for part in ([flag] if value == "True" else [flag, value])]
    getattr(commands, name).main([*map(str, arguments), *given], standalone_mode=False)


def test_compare_prints_the_table_and_passes(measured: Measured, stored: Stored, capsys: Captured) -> None:
    call("compare", str(stored("base", measured())), str(stored("new", measured(seed=1))))
    assert "4 same" in capsys.readouterr().out


def test_compare_prints_before_it_fails(measured: Measured, stored: Stored, capsys: Captured) -> None:
    base, new = stored("base", measured()), stored("new", measured(seed=1, middle=0.0077))
    with pytest.raises(Regression):
        call("compare", str(base), str(new), format="json")
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["verdict"] == "slower"
    call("compare", str(base), str(new), fail_on="20%")
    call("compare", str(base), str(new), metric="size, parity")


def test_compare_explains_and_allows(measured: Measured, stored: Stored, capsys: Captured) -> None:
    base, new = stored("base", measured()), stored("new", measured(seed=1, artifact_sha256="b" * 64))
    with pytest.raises(Inconclusive):
        call("compare", str(base), str(new), why=True)
    assert "another model file was run" in capsys.readouterr().out
    call("compare", str(base), str(new), allow="artifact")


def test_compare_takes_a_confirming_run_and_tells_of_torn_lines(
    measured: Measured, stored: Stored, capsys: Captured
) -> None:
    base, new = stored("base", measured()), stored("new", measured(seed=1, middle=0.0077))
    with next(base.rglob("*.jsonl")).open("ab") as file:
        file.write(b'{"kind":"meas')
    call("compare", str(base), str(new), confirm=str(stored("again", measured(seed=2))))
    out = capsys.readouterr().out
    assert "did not repeat" not in out, "what passes needs no reason"
    assert "was cut off" in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "xml"}, "unknown format 'xml'"),
        ({"metric": "speed"}, "unknown metric 'speed'"),
        ({"allow": "everything"}, "unknown difference 'everything'"),
        ({"fail_on": "5"}, "'5' is not a percentage"),
        ({"confirm": "nowhere"}, "there is no file or folder nowhere"),
        ({"format": "junit", "why": True}, "--why goes with table and markdown"),
    ],
)
def test_compare_refuses(options: dict[str, object], sentence: str, measured: Measured, stored: Stored) -> None:
    folder = str(stored("base", measured()))
    with pytest.raises(UsageError, match=sentence):
        call("compare", folder, folder, **options)


def test_a_baseline_inside_the_results_is_not_taken_for_new(measured: Measured, stored: Stored) -> None:
    results = stored("results", measured("mobilenetv2", seed=1))
    baseline = stored("results/baseline", measured("mobilenetv1"), measured("mobilenetv2"))
    with pytest.raises(Regression, match=r"mobilenetv1.* missing"):
        call("compare", str(baseline), str(results))


def test_profile_can_run_the_processes_that_a_verdict_needs() -> None:
    needed = least_processes()
    assert engine.scenario(processes=needed).processes == needed
    assert engine.scenario(quick=True, processes=needed).processes == needed
    assert engine.scenario(quick=True).processes < engine.scenario().processes < needed


def test_the_command_line_reads_every_option(measured: Measured, stored: Stored) -> None:
    runner, base = CliRunner(), str(stored("base", measured()))
    options = ["--fail-on", "5%", "--metric", "latency", "--allow", "artifact", "--confirm", base, "--why"]
    done = runner.invoke(app, ["compare", base, base, *options, "--format", "markdown"], catch_exceptions=False)
    assert done.exit_code == 0 and "Nothing that the results tell" in done.output
    for name in ("compare", "gate", "ab", "noise", "history", "query"):
        told = runner.invoke(app, [name, "--help"])
        assert told.exit_code == 0
        assert ("This machine only" in told.output) == (name in ("ab", "noise"))


def test_gate_reads_budgets(measured: Measured, stored: Stored, tmp_path: Path, capsys: Captured) -> None:
    budgets = tmp_path / "budgets.toml"
    budgets.write_text('[[budget]]\ndevice = "host"\nmodel = "mobilenetv2"\nlatency = "8ms"\n')
    results = str(stored("results", measured()))
    call("gate", results, budgets=budgets)
    assert "1 within" in capsys.readouterr().out
    budgets.write_text(budgets.read_text().replace("8ms", "6ms"))
    with pytest.raises(Regression, match="over the budget"):
        call("gate", results, budgets=budgets, format="github")
    assert "::error title=edgebench%3A over::" in capsys.readouterr().out


@pytest.fixture
def fake_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Files of the fake engine, which are opened in place of model files."""

    def artifact(name: object, form: str = "") -> Artifact:
        spec = ModelSpec(name=Path(str(name)).stem, family="fake")
        return Artifact(
            model=spec, export=ExportSpec(), path=str(name), sha256="0", size_bytes=1, inputs=(), outputs=()
        )

    def jobs(base: Path, new: Path, runtime: str | None, scenario: object, size: object) -> dict[str, Job]:
        return {
            side: Job(runtime=processes.runtime_for(artifact(path), runtime), artifact=str(path), scenario=ab.SCENARIO)
            for side, path in (("base", base), ("new", new))
        }

    def make(name: str, **behaviour: object) -> Path:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(behaviour))
        return path

    monkeypatch.setattr(processes, "jobs", jobs)
    monkeypatch.setattr(processes, "open_artifact", artifact)
    return make


def test_ab_runs_processes_and_fails_on_a_slowdown(fake_files: Callable[..., Path], capsys: Captured) -> None:
    base = fake_files("base", latency_s=[0.01], process_noise=0.005)
    new = fake_files("new", latency_s=[0.012], process_noise=0.005, seed=1)
    with pytest.raises(Regression, match="more than 5% above the baseline"):
        call("ab", base, new, runtime="fake", format="json")
    told = capsys.readouterr()
    assert json.loads(told.out)["verdict"] == "slower"
    assert "pair 1: new/base 1.19" in told.err and "no interval yet" in told.err


def test_ab_ends_at_its_time_limit(fake_files: Callable[..., Path], capsys: Captured) -> None:
    base = fake_files("base", latency_s=[0.01])
    with pytest.raises(Inconclusive, match="1 of at least 12 pairs, 11 more are needed: give it more time"):
        call("ab", base, base, runtime="fake", time_limit="1ms")
    assert "0.010 to 100.000" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="nothing can be timed on rpi4 from here"):
        call("ab", base, base, runtime="fake", device="rpi4")
    with pytest.raises(UsageError, match="'180' is not a duration"):
        call("ab", base, base, runtime="fake", time_limit="180")


def test_noise_writes_what_fail_on_reads(
    fake_files: Callable[..., Path],
    measured: Measured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.setattr("edgebench.measure.measure", lambda *arguments, **options: measured(processes=40))
    path = tmp_path / "noise.toml"
    call("noise", str(fake_files("file")), runtime="fake", processes=40, output=path)
    assert f"use it as --fail-on {path}" in capsys.readouterr().out
    assert thresholds.parse(str(path)).of("host") >= thresholds.LEAST
    with pytest.raises(UsageError, match="39 processes are too few"):
        call("noise", processes=39)


OURS = b'{"kind":"measurement","schema":1'
SLOWER, FOREIGN = {"middle": 0.0077}, b'{"name": "foreign"}\n'
CASES = {  # as docs/compare.md calls them: pairs of sides, each of them of changes by network, or of bytes that follow
    "both sides have a network, and it is no slower": [({}, {}), ({}, {"middle": 0.005})],
    "it is slower, by more than `--fail-on` and surely so": [({}, SLOWER)],
    "NEW lacks a network of BASE, or skipped it": [({}, None), ({}, {"status": "skipped"})],
    "a network failed in NEW": [({}, {"status": "failed"})],
    "NEW has a network that BASE lacks, or that failed there": [(None, SLOWER), ({"status": "failed"}, SLOWER)],
    "a run was throttled, is of another machine, or has too few processes": [
        ({}, {"status": "invalid"}), ({}, {"environment": {"machine": "other"}}), ({}, {"processes": 3}),
    ],
    "no side has what `--metric` names": [({}, {}, "instructions")],
    "NEW is empty, or there is no BASE yet": [({}, b""), (b"", {})],
    "no network is on both sides": [({"model": "lenet5"}, {})],
    "a line was cut off": [({}, OURS)],
    "a line is foreign, of a newer schema, or holds a NaN": [({}, FOREIGN)],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_compare_ends_as_the_table_of_the_readme_says(
    case: str, measured: Measured, stored: Stored, capsys: Captured
) -> None:
    readme = (Path(__file__).parents[2] / "edgebench" / "docs" / "compare.md").read_text("utf-8")
    _, verdicts, exit_code = next(row for row in map(cells_of, readme.splitlines()) if row[:1] == [case])
    for number, (base, new, *metric) in enumerate(CASES[case]):
        sides = []
        for side, change in (("base", base), ("new", new)):
            kept = [] if change == b"" or "no network" in case else [measured("mobilenetv1")]
            if isinstance(change, dict):
                kept.append(measured(**{"model": "mobilenetv2", **change}))
            folder = stored(f"{side}{number}", *kept)
            if isinstance(change, bytes) and change:
                (folder / "more.jsonl").write_bytes(msgspec.json.encode(measured("mobilenetv2")) + b"\n" + change)
            sides.append(folder)
        try:
            call("compare", *sides, **({"metric": metric[0]} if metric else {}))
            code = 0
        except EdgebenchError as error:
            code = error.exit_code
        out = capsys.readouterr().out
        assert code == int(exit_code), (case, number)
        assert code == 2 or any(each in out for each in verdicts.split(", ")) or "cut off" in out


def cells_of(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []


READERS = {
    "compare": lambda file: api.compare(file, file),
    "gate": lambda file: api.gate(file, budgets=file.with_name("budgets.toml")),
    "history": lambda file: api.history(results=file),
    "query": lambda file: api.query("SELECT 1", results=file),
    "report": lambda file: report_index(str(file), on_warning=warn),
    "resume": lambda file: resume.every([file.parent]),
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (OURS.replace(b"1", b"2") + b"}", "was written by a newer edgebench"),
        (OURS + b',"load_s":[NaN]}', "it holds NaN, which is no number"),
        (b'{"name": "foreign"}', "is not a result of edgebench"),
        (b"-1", "Expected `float` > 0.0"),
        (OURS, "was cut off while it was written, and is skipped"),
    ],
)
def test_every_command_takes_a_bad_line_alike(
    command: str, line: bytes, says: str, measured: Measured, stored: Stored
) -> None:
    file = next(stored("results", measured()).rglob("*.jsonl"))
    file.with_name("budgets.toml").write_text('[[budget]]\ndevice = "host"\nmodel = "mobilenetv2"\nlatency = "8ms"\n')
    line = msgspec.json.encode(measured(first_s=(-1.0,))) if line == b"-1" else line
    file.write_bytes(file.read_bytes() + line + b"\n")
    if line == OURS:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            answer = READERS[command](file)
        assert says in " ".join(str(each.message) for each in told) + " ".join(getattr(answer, "notes", ()))
    else:
        with pytest.raises(UsageError, match=says):
            READERS[command](file)


def test_history_and_query(measured: Measured, stored: Stored, capsys: Captured) -> None:
    folder = stored("results", measured(), measured(seed=1))
    call("history", "mobilenetv2", device="host", results=folder)
    assert "Latency over time" in capsys.readouterr().out
    call("query", "SELECT count(*) AS results FROM results", results=folder, format="json")
    assert json.loads(capsys.readouterr().out) == [{"results": 2}]
    with pytest.raises(UsageError, match="unknown format 'junit'"):
        call("history", results=folder, format="junit")
