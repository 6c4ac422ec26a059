"""The GitHub action's script in a fake runner: an event file, summary and output files, and a server for the API."""

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from edgebench.ground.records import Measurement

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "edgebench"
Measured = Callable[..., Measurement]
Stored = Callable[..., Path]


class GitHub(ThreadingHTTPServer):
    """Comments of one pull request, by GitHub's rules; `status` other than 200 refuses everything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Calls)
        self.comments: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def write(self, body: str, kind: str = "Bot", association: str = "NONE") -> None:
        number = len(self.comments)
        self.comments.append({"id": number, "body": body, "user": {"type": kind}, "author_association": association})


class Calls(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        page = int(self.path.rpartition("page=")[2])
        self.answer(self.server.comments[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        if self.server.status == 200:
            self.server.write(self.content()["body"])
        self.answer({})

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        self.server.comments[number]["body"] = self.content()["body"]
        self.answer({})

    def content(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def answer(self, value: object) -> None:
        self.server.calls.append(f"{self.command} {self.path} {self.headers['Authorization']}")
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ACTION))
    module = importlib.import_module("run")
    yield module
    for name in ("run", "pull_request"):
        del sys.modules[name]


class Runner:
    """What GitHub gives to a step, and what the step left there."""

    def __init__(self, folder: Path, github: GitHub) -> None:
        self.folder = folder
        event = folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        (folder / "temporary").mkdir()
        self.environment = {
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": "owner/project",
            "RUNNER_TEMP": str(folder / "temporary"),
            "EDGEBENCH_TOKEN": "secret",
        }

    def inputs(self, **values: object) -> dict[str, str]:
        return self.environment | {f"EDGEBENCH_{name.upper()}": str(value) for name, value in values.items()}

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text("utf-8")

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.folder / "output").read_text("utf-8").splitlines())


@pytest.fixture
def runner(tmp_path: Path, github: GitHub) -> Runner:
    return Runner(tmp_path, github)


def test_a_regression_is_told_everywhere_and_fails(
    measured: Measured,
    stored: Stored,
    run: ModuleType,
    runner: Runner,
    github: GitHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, new = stored("base", measured()), stored("new", measured(seed=1, middle=0.0077))
    assert run.main(runner.inputs(baseline=base, results=new)) == 1
    assert "1 slower" in runner.summary and "❌" in runner.summary
    assert runner.outputs["exit-code"] == "1" and runner.outputs["summary"].startswith("1 slower, ")
    out = capsys.readouterr().out
    assert "::error title=edgebench%3A slower::mobilenetv2" in out
    (comment,) = github.comments
    assert comment["body"].startswith("<!-- edgebench: edgebench -->\n## edgebench") and "1 slower" in comment["body"]
    assert github.calls[0] == "GET /repos/owner/project/issues/7/comments?per_page=100&page=1 Bearer secret"
    folder = Path(runner.outputs["folder"])
    assert ElementTree.parse(folder / "comparison-junit.xml").getroot()[0].get("failures") == "1"
    assert json.loads((folder / "comparison.json").read_text("utf-8"))["comparisons"]


def test_the_comment_is_updated_rather_than_repeated(
    measured: Measured, stored: Stored, run: ModuleType, runner: Runner, github: GitHub
) -> None:
    base, slow = stored("base", measured()), stored("slow", measured(seed=1, middle=0.0077))
    for number in range(130):
        github.write(f"comment {number}", kind="User")
    github.write("<!-- edgebench: edgebench -->\nsomebody else's", kind="User", association="NONE")
    assert run.main(runner.inputs(baseline=base, results=slow)) == 1
    assert run.main(runner.inputs(baseline=base, results=stored("new", measured(seed=2)))) == 0
    assert run.main(runner.inputs(baseline=base, results=slow, name="again")) == 1
    written = [comment["body"].splitlines()[0] for comment in github.comments[130:]]
    assert written == ["<!-- edgebench: edgebench -->"] * 2 + ["<!-- edgebench: again -->"]
    assert github.comments[130]["body"].endswith("somebody else's")
    assert "slower" not in github.comments[131]["body"].partition("<details>")[0]


def test_a_refused_comment_is_a_warning(
    measured: Measured,
    stored: Stored,
    run: ModuleType,
    runner: Runner,
    github: GitHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    github.status = 403
    base = stored("base", measured())
    assert run.main(runner.inputs(baseline=base, results=base)) == 0
    assert "::warning title=edgebench::no comment on pull request 7" in capsys.readouterr().out


@pytest.mark.parametrize("event", ["{}", '{"pull_request": {}}', None])
def test_outside_of_a_pull_request_there_is_no_comment(
    event: str | None, measured: Measured, stored: Stored, run: ModuleType, runner: Runner, github: GitHub
) -> None:
    path = Path(runner.environment["GITHUB_EVENT_PATH"])
    path.write_text(event) if event else path.unlink()
    base = stored("base", measured())
    assert run.main(runner.inputs(baseline=base, results=base)) == 0
    assert github.calls == []


def test_budgets_and_inconclusive_results(
    measured: Measured, stored: Stored, run: ModuleType, runner: Runner, tmp_path: Path
) -> None:
    budgets = tmp_path / "budgets.toml"
    budgets.write_text('[[budget]]\ndevice = "host"\nmodel = "mobilenetv2"\nlatency = "6ms"\n')
    base, other = stored("base", measured()), stored("new", measured(seed=1, artifact_sha256="b" * 64))
    assert run.main(runner.inputs(baseline=base, results=other)) == 3
    assert run.main(runner.inputs(baseline=base, results=other, allow="artifact")) == 0
    assert run.main(runner.inputs(baseline=base, results=other, on_inconclusive="warn")) == 0
    assert run.main(runner.inputs(baseline=base, results=other, budgets=budgets)) == 1
    assert "1 over" in runner.outputs["summary"]


def test_a_wrong_input_stops_with_its_sentence(
    measured: Measured, stored: Stored, run: ModuleType, runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    base = stored("base", measured())
    assert run.main(runner.inputs(baseline="results/nowhere", results=base)) == 2
    assert "there is no file or folder results/nowhere" in capsys.readouterr().out
    assert "edgebench stopped:" in runner.summary
    assert run.main(runner.inputs(baseline=base, results=base, fail_on="5")) == 2


@pytest.mark.parametrize(("again", "code"), [(0.0077, 1), (0.007, 0)])
def test_a_slowdown_is_run_once_more(
    again: float,
    code: int,
    measured: Measured,
    stored: Stored,
    run: ModuleType,
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []

    def pretend(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if "--results" in command:
            folder = Path(command[command.index("--results") + 1])
            middle = 0.0077 if folder.name == "results" else again
            made = stored(f"made-{folder.name}", measured(seed=len(commands), middle=middle))
            made.rename(folder)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(run.subprocess, "run", pretend)
    base = stored("base", measured())
    inputs = runner.inputs(baseline=base, models="mobilenetv2 lenet5", profile_arguments="--fmt 'tflite,onnx'")
    assert run.main(inputs) == code
    assert [command[3] for command in commands] == ["profile", "profile", "report"]
    assert commands[0][4:8] == ["mobilenetv2", "lenet5", "--device", "host"]
    assert commands[0][-2:] == ["--fmt", "tflite,onnx"]


def test_a_failed_profile_decides_unless_something_is_worse(
    measured: Measured, stored: Stored, run: ModuleType, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 4, "", "no space")

    monkeypatch.setattr(run.subprocess, "run", fail)
    assert run.main(runner.inputs(baseline="", models="lenet5")) == 4
    assert run.main(runner.inputs(baseline=stored("base", measured()), models="lenet5")) == 2


def test_a_long_result_is_cut_to_what_a_comment_may_hold(run: ModuleType) -> None:
    cut = run.pull_request.shortened("a line of text\n" * 10_000)
    assert len(cut) < 65_536 and cut.endswith("in the step summary and the artefact._\n")


def test_the_script_runs_as_the_action_runs_it(measured: Measured, stored: Stored, runner: Runner) -> None:
    base = stored("base", measured())
    inputs = runner.inputs(baseline=base, results=base, comment="false")
    done = subprocess.run(
        [sys.executable, str(ACTION / "run.py")], env=inputs, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "4 same" in done.stdout


def test_every_input_reaches_the_script() -> None:
    text = (ACTION / "action.yml").read_text("utf-8")
    script = (ACTION / "run.py").read_text("utf-8")
    inputs = text.partition("inputs:\n")[2].partition("outputs:\n")[0]
    names = [line.strip().removesuffix(":") for line in inputs.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(names) == 15
    for name in set(names) - {"install"}:
        variable = name.replace("-", "_").upper()
        assert f"EDGEBENCH_{variable}: ${{{{ inputs.{name} }}}}" in text
        assert f'"{variable}"' in script
