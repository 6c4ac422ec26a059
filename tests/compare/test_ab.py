import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edgebench.compare import ab, processes
from edgebench.compare.ab import Limits, Side, run_ab
from edgebench.ground.errors import DeviceError, Inconclusive, Regression, UsageError
from edgebench.ground.progress import Step
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec
from edgebench.places.local import LocalTarget
from edgebench.places.target import Job


class Machine:
    """A shared machine without time: the weather drifts slowly, each process errs, `slowdown` is the new file's."""

    def __init__(self, slowdown: float = 1.0, noise: float = 0.02, seed: int = 0, seconds: float = 1.5) -> None:
        self.slowdown, self.noise, self.seconds = slowdown, noise, seconds
        self.chance, self.now, self.weather = random.Random(seed), 0.0, 0.0
        self.order: list[Side] = []

    def run(self, side: Side) -> Sequence[float]:
        self.now += self.seconds
        self.order.append(side)
        self.weather = 0.95 * self.weather + self.chance.gauss(0, 0.02)
        middle = 0.007 * (self.slowdown if side == "new" else 1.0)
        middle *= 2.718281828 ** (self.weather + self.chance.gauss(0, self.noise))
        return [middle * (1 + 0.2 * self.chance.random() ** 3) for _ in range(30)]

    def clock(self) -> float:
        return self.now

    def answer(self, limits: Limits, **options: object) -> ab.AbReport:
        return run_ab(self.run, limits, clock=self.clock, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("slowdown", "verdict"), [(1.0, "same"), (1.1, "slower"), (0.9, "faster"), (1.02, "same")])
def test_the_answer_is_found_within_the_time(slowdown: float, verdict: str) -> None:
    report = Machine(slowdown).answer(Limits(time_s=180))
    assert report.verdict == verdict
    assert report.elapsed_s <= 180
    assert report.ratio.low <= slowdown <= report.ratio.high


def test_no_false_alarm_in_fifty_runs_on_a_drifting_machine() -> None:
    verdicts = [Machine(seed=seed, noise=0.04).answer(Limits(time_s=60)).verdict for seed in range(50)]
    assert verdicts.count("slower") + verdicts.count("faster") == 0


def test_noise_ends_at_the_time_limit_without_a_verdict() -> None:
    report = Machine(noise=0.5).answer(Limits(time_s=60))
    assert report.verdict == "inconclusive"
    assert 55 <= report.elapsed_s <= 60
    with pytest.raises(Inconclusive, match="give it more time"):
        ab.check(report)


def test_a_slowdown_is_a_regression() -> None:
    with pytest.raises(Regression, match="new against base: more than 5% above the baseline"):
        ab.check(Machine(1.2).answer(Limits()))


def test_every_pair_runs_both_sides_in_an_order_that_chance_decides() -> None:
    machine = Machine(noise=0.5)
    machine.answer(Limits(time_s=120))
    pairs = [tuple(machine.order[i : i + 2]) for i in range(0, len(machine.order), 2)]
    assert set(pairs) == {("base", "new"), ("new", "base")}


def test_all_samples_are_kept_in_time_order_and_the_path_is_told() -> None:
    told: list[Step] = []
    report = Machine().answer(Limits(), on_progress=told.append)
    assert [step.title.partition(":")[0] for step in told] == [f"pair {n + 1}" for n in range(len(report.path))]
    assert len(report.base_s) == len(report.new_s) == len(report.path)
    assert all(len(process) == 30 for process in report.base_s)
    assert report.path[-1] == report.ratio


def test_a_tight_interval_around_the_threshold_is_an_answer() -> None:
    report = Machine(1.049, noise=0.001).answer(Limits(threshold=0.05, time_s=3600, tight=0.002))
    assert report.verdict in ("same", "slower")
    assert report.elapsed_s < 3600


def test_what_a_process_raises_ends_it() -> None:
    def broken(side: Side) -> Sequence[float]:
        raise DeviceError("crashed")

    with pytest.raises(DeviceError, match="crashed"):
        run_ab(broken, Limits())


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Job]:
    """The job of the fake engine behaving as told; its time is virtual."""

    def make(name: str, **behaviour: object) -> Job:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(behaviour))
        return Job(runtime="fake", artifact=str(path), scenario=ab.SCENARIO)

    return make


def test_real_processes_of_the_fake_engine(fake: Callable[..., Job]) -> None:
    jobs: dict[Side, Job] = {
        "base": fake("base", latency_s=[0.01], process_noise=0.01),
        "new": fake("new", latency_s=[0.012], process_noise=0.01, seed=1),
    }
    report = run_ab(processes.run_on(LocalTarget(), jobs), Limits())
    assert report.verdict == "slower"
    assert report.ratio.value == pytest.approx(1.2, rel=0.02)


def test_a_crash_of_the_fake_engine_is_one_sentence(fake: Callable[..., Job]) -> None:
    job = fake("broken", fail={"load": "raise"})
    with pytest.raises(
        DeviceError, match=r"fake raised RuntimeError on .*broken.json: the fake engine was told to raise"
    ):
        processes.run_on(LocalTarget(), {"base": job, "new": job})("base")


def test_a_runtime_has_to_run_the_format() -> None:
    artifact = Artifact(
        model=ModelSpec(name="x", family="x"),
        export=ExportSpec(format="onnx"),
        path="x",
        sha256="",
        size_bytes=1,
        inputs=(),
        outputs=(),
    )
    assert processes.runtime_for(artifact, None) == "onnxruntime"
    assert processes.runtime_for(artifact, "fake") == "fake"
    with pytest.raises(UsageError, match="runtime litert does not run onnx files; onnxruntime does"):
        processes.runtime_for(artifact, "litert")


def test_only_this_machine_can_time() -> None:
    processes.check_here("host", 1)
    with pytest.raises(UsageError, match="nothing can be timed on rpi4 from here"):
        processes.check_here("rpi4", 1)


def test_a_network_or_file_that_is_neither() -> None:
    with pytest.raises(UsageError, match=r"did you mean mobilenetv2"):
        processes.open_artifact("mobilenetv22", "tflite")
    with pytest.raises(UsageError, match="unknown format 'tflit'; did you mean tflite"):
        processes.open_artifact("mobilenetv2", "tflit")
    with pytest.raises(UsageError, match=r"nowhere\.onnx"):
        processes.open_artifact("nowhere.onnx", "onnx")
