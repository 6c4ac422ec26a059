"""The Python face of the commands: the same names and options, records returned instead of tables printed.

What each function takes is its class in edgebench.run.options. What the command line prints as a warning is here a
Python warning, an EdgebenchWarning. A function of `edgebench device NAME` is device_NAME.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.ground.errors import UsageError, warn
from edgebench.ground.options import keywords, listed, many, positive, whole_numbers, within
from edgebench.ground.paths import cache_folder, check_writable
from edgebench.ground.progress import OnProgress, Step, one_of, told
from edgebench.run import options

# `import edgebench.api` runs this file, so what a function needs is imported inside it.
if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from edgebench.choose import Choice
    from edgebench.choose.ranking import Ranked
    from edgebench.compare.ab import AbReport
    from edgebench.compare.database import QueryResult
    from edgebench.compare.gating import GateReport
    from edgebench.compare.history import History
    from edgebench.compare.records import ComparisonReport
    from edgebench.compare.thresholds import Noise
    from edgebench.data import Dataset
    from edgebench.deployment.app import App
    from edgebench.ground.records import Artifact, Result
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.models.published import Published
    from edgebench.models.summary import ModelSummary
    from edgebench.places.emulator.readiness import Check, Readiness
    from edgebench.places.emulator.script import Ran
    from edgebench.report.accuracy import Evaluations
    from edgebench.report.profiled import Results
    from edgebench.run import boards
    from edgebench.run.calibrate import Calibrated
    from edgebench.run.diagnosis import Diagnosis
    from edgebench.run.inspecting import Inspection
    from edgebench.run.starting import Started
    from edgebench.training.records import TrainingResult


@dataclass(frozen=True)
class Swept:
    """What a sweep did: the cells of its file, how many were missing and have been run, and where the records are."""

    cells: int
    run: int
    results: str


@keywords(options.Build)
def build(asked: options.Build) -> nn.Module:
    """Builds a network in eval mode; it takes float32 (batch, channels, height, width) and returns (batch, classes).

    `model` is a name that `edgebench models` lists, or a user's "package.module:name" or "file.py:name" with
    `input` such as "3x224x224". `options` are a network's own switches, such as {"groups": 2} for alexnet, or the
    factory's arguments. Raises UsageError for an unknown name, an impossible scaling point, or weights whose keys do
    not fit.
    """
    from edgebench.models.build import build as build_module
    from edgebench.run.network import ModelArguments

    network = ModelArguments.of(asked)
    return build_module(network.resolve(asked.model), weights=network.file, seed=asked.seed)


@keywords(options.Export)
def export(asked: options.Export) -> Artifact:
    """Converts a network to one file in `output`, runs it, compares it with torch, and returns its manifest.

    A torch module or an exported program is converted as it is: a copy in evaluation, with `input` or `example_inputs`.

    With precision "int8", `calibrate` is a data set (a folder, "synthetic:NAME"), of which `samples` images decide the
    ranges of activations; without it generated images do, which is right for timing only. See records.Quantization for
    the rest; `strict` refuses a file that is not int8 throughout, `unchecked` publishes one that nothing here can run.

    Raises UsageError for bad input and ExportError when the conversion or the comparison fails; then nothing is left
    behind in `output`.
    """
    from edgebench.run import exporting, plan

    cells, given = plan.asked(asked, asked.model, converter=asked.converter, image_input=asked.bake, sources=True)
    if len(cells) != 1:
        raise UsageError(f"this is {len(cells)} files, and one is returned: name one network, format and precision")
    asked.on_progress(Step(0, 1, cells[0].title, "converting and checking"))
    terms = {"force": asked.force, "strict": asked.strict, "unchecked": asked.unchecked}
    [found] = exporting.prepare(cells, Path(asked.output), given=given, readable=True, **terms)
    if isinstance(found, Exception):
        raise found
    return found


@keywords(options.Profile)
def profile(asked: options.Profile) -> Results:
    """Measures on this machine, or estimates for another device; one record a network, format and precision.

    Without a model it takes the focus set; without a format what `edgebench profile` takes. Every record is also
    appended to `results`/<device>/; the list of them shows as a table in a notebook and at a prompt. A cell that failed
    has status "failed" and says why in `error`. With `data`, images as `evaluate` takes them and `limit` of them at
    most, every record has the file's accuracy. `trace` is a file for Perfetto. Raises UsageError for bad input.
    """
    from edgebench.machines import profiles
    from edgebench.report import operators
    from edgebench.report.profiled import Results, operator_profiles

    if asked.limit is not None and asked.data is None:
        raise UsageError(f"`limit={asked.limit}` limits the images of `data`: name those, or leave it out")
    targets = profiles.several(asked.device)
    if len(targets) > 1 and (asked.connect or asked.trace):
        raise UsageError("`connect` and `trace` are for one device, and several are named: leave them out, or name one")
    images = _images(asked.data, None, asked.limit, exif=asked.exif) if asked.data else None
    names = [target.name for target in targets]
    done: list[Result] = []
    for at, target in enumerate(targets):
        done += _profiled(asked, target, images, one_of(asked.on_progress, names, at))
    if asked.trace:
        operators.write_trace(Path(asked.trace), operator_profiles(done))
    if asked.graph_data:
        from edgebench.report import graph_data

        for result in done:
            if result.operators:
                folder = Path(asked.graph_data) / f"{result.model.key}-{result.export.key}"
                graph_data.write(folder, graph_data.of_profile(result.operators))
    return Results(done)


@keywords(options.Runtimes)
def runtimes(asked: options.Runtimes) -> tuple[Ranked, ...]:
    """Ranks every format, precision and thread count that can be had of a network, the fastest first.

    Measured in turn in fresh processes on this machine, estimated for another. Those whose difference may be chance
    share a place; what has no latency comes last, and says why. Raises UsageError for bad input.
    """
    from edgebench.choose import ranking

    return ranking.ranked(asked)


rank_runtimes = runtimes
"""The same as the package has it, whose `runtimes` are the engines."""


@keywords(options.Evaluate)
def evaluate(asked: options.Evaluate) -> Evaluations:
    """Runs exported files on labelled images and counts what they get right, beside PyTorch in fp32.

    `model` are networks, which are exported first, or files; `data` is a folder or "synthetic:NAME". A file that failed
    has status "failed" and says why in `error`. Raises UsageError for bad input, such as other classes than the data's.
    """
    from edgebench.machines import profiles
    from edgebench.report.accuracy import Evaluations
    from edgebench.run import evaluating, plan

    of_export = ("format", "precision", *asked.values(of=options.Int8))
    said = [f"`{name}`" for name in of_export if getattr(asked, name) != getattr(options.Evaluate, name)]
    target = profiles.load(asked.device)
    evaluating.check_ready(many(asked.model), said)
    cells, given = plan.asked(asked, asked.model, ready=plan.FORMATS)
    method = evaluating.method(target, asked.via, connect=asked.connect, python=asked.python)
    batch, threads = positive(asked.batch, "batch"), positive(asked.threads, "threads")
    done = evaluating.run(
        cells,
        _images(asked.data, asked.split, asked.limit, exif=asked.exif),
        target,
        method=method,
        given=given,
        batch=batch,
        threads=threads,
        on_progress=asked.on_progress,
    )
    return Evaluations(done)


@keywords(options.Deploy)
def deploy(asked: options.Deploy) -> App:
    """Writes a project that runs one checked file on a device, without edgebench, into `output`; it tests itself.

    `to` is python, web, android, ios or cpp. Preparation of images, labels, layouts and types come from the file's
    manifest. Raises UsageError for bad input, ExportError and DeviceError where the file cannot be made or run here.
    """
    from edgebench.deployment import project
    from edgebench.deployment.target import target
    from edgebench.run import exporting, plan

    chosen, folder = target(asked.to), Path(asked.output)
    project.check(chosen, folder)
    known = chosen.formats()
    cells, given = plan.asked(asked, asked.model, default=known[:1], ready=known, image_input=asked.bake)
    if len(cells) != 1:
        raise UsageError(f"this is {len(cells)} files, and a project runs one: name one format and precision")
    chosen.check(cells[0].export.format)
    asked.on_progress(Step(0, 1, cells[0].title, "converting and checking"))
    [found] = exporting.prepare(cells, cache_folder() / "artifacts", given=given, readable=True)
    if isinstance(found, Exception):
        raise found
    images = given.preparation.over(found.preprocessing, found.model)
    asked.on_progress(Step(0, 1, cells[0].title, "running the test image"))
    image = None if asked.image is None else Path(asked.image)
    return project.deploy(found, chosen, folder, images=images, labels=given.labels or found.labels, image=image)


@keywords(options.Inspect)
def inspect(asked: options.Inspect) -> Inspection:
    """What is in a file: operators, sizes, precision, what int8 costs each layer, and what is not int8.

    Raises UsageError for a file that is not there, damaged, or of an unknown kind; with `strict` ExportError for one
    that is not int8 throughout.
    """
    from edgebench.run import inspecting
    from edgebench.run.network import named

    file = named(asked.file)
    if file is None:
        raise UsageError("`inspect` looks into files: export the network, and give what `export` returned")
    found = inspecting.inspect(Path(file))
    if asked.graph_data:
        from edgebench.report import graph_data

        graph_data.write(Path(asked.graph_data), graph_data.of_file(found))
    if asked.strict:
        inspecting.check(found)
    return found


@keywords(options.Train)
def train(asked: options.Train) -> TrainingResult:
    """Trains a network on labelled images and returns what came of it; `weights` of that names the best weights' file.

    The network gets as many classes as the data; `export` and `profile` find classes and preprocessing in the weights.
    Raises UsageError for bad input, TrainingError when the loss or the disk fails.
    """
    from edgebench.run.network import ModelArguments
    from edgebench.training.run import TrainingRequest, train
    from edgebench.training.settings import Settings
    from edgebench.training.settings import settings as checked
    from edgebench.training.start import frozen_at_random

    settings = checked({name: each for name, each in asked.values().items() if name in Settings.__struct_fields__})
    network = ModelArguments.of(asked)
    [model], given = network.taken(asked.model, asked)
    request = TrainingRequest(
        network.resolve(model) if isinstance(model, str) else model,
        str(asked.data),
        settings,
        Path(asked.output),
        given,
        asked.resume,
        asked.on,
    )
    if warning := frozen_at_random(settings.freeze, from_weights=network.file is not None):
        warn(warning)
    return train(request, asked.on_progress)


@keywords(options.Augment)
def augment(asked: options.Augment) -> Path:
    """Draws what each kind of augmentation does to some images, and returns the picture's path.

    Raises UsageError for a data set that cannot be read, and a picture that cannot be written.
    """
    from edgebench.report import output, trained
    from edgebench.training.augment import preview
    from edgebench.training.settings import checked_seed, chosen

    path = Path(asked.preview)
    if path.suffix.lower() != ".png":
        raise UsageError(f"`preview` is {path}; the picture is a PNG, so give a name that ends in .png")
    check_writable(path)
    columns, resolution = within(asked.columns, "columns", 1, 64), within(asked.resolution, "resolution", 8, 1024)
    kinds, seed = chosen(",".join(many(asked.kinds))), checked_seed(asked.seed)
    rows = preview(str(asked.data), kinds, columns=columns, resolution=resolution, seed=seed)
    output.write(path, trained.grid(rows))
    return path


@keywords(options.Scale)
def scale(asked: options.Scale) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device, or on each of several.

    Limits are text with a unit ("50ms", "64MB") or numbers in base units; accuracy is top-1 in percent. `confirmed`
    exports, checks and measures or emulates the finalists; `data` trains a few of them to learn what to expect on it.
    `base` is a factory of your own, by its name or itself, to scale in place of a family.
    Raises UsageError for bad input or a device without the calibration, ExportError when no finalist could be exported,
    and errors.Regression, saying what would do, when nothing keeps the limits.
    """
    from edgebench.choose import scale

    if not isinstance(asked.family, str):
        raise UsageError("`scale` chooses in a family of the zoo, by its name: a network in hand has one size")

    for file in (asked.sweep, asked.output and Path(asked.output) / "choice.json"):
        if file:
            check_writable(Path(file))
    return scale(asked)


@keywords(options.Sweep)
def sweep(asked: options.Sweep) -> Swept:
    """Runs the missing cells of a sweep file; interrupted or killed, the same call goes on where it was."""
    from edgebench.ground import store
    from edgebench.ground.paths import alone, cache_folder
    from edgebench.run import sweep
    from edgebench.run.sweep.driver import Workers
    from edgebench.run.sweep.local import LocalWorkers

    cells = sweep.read(Path(asked.file))
    artifacts, results = cache_folder() / "artifacts", Path(asked.results)
    workers: Workers = LocalWorkers(positive(asked.jobs, "jobs"), artifacts)
    if asked.ray is not None:
        from edgebench.run.sweep.cluster import RayWorkers

        workers = RayWorkers(asked.ray, artifacts)
    store.check_writable(results)
    with alone(results / f".{Path(asked.file).stem}.sweep.lock", f"a sweep of {asked.file} into {results}"):
        run = sweep.run(cells, workers, results, retry_failed=asked.retry_failed, on_progress=asked.on_progress)
    return Swept(len(cells), run, str(results))


@keywords(options.Compare)
def compare(asked: options.Compare) -> ComparisonReport:
    """Compares two sets of results; `edgebench.compare.check` of what is returned raises for what is slower.

    Measured sides need 7 processes or more each, better 10. Raises UsageError for sources that hold no results.
    """
    from edgebench.compare import Settings, compare, sources, thresholds
    from edgebench.compare.metrics import CONDITIONS, METRICS

    metrics, allowed = listed(asked.metric, "metric", METRICS), listed(asked.allow, "difference", CONDITIONS)
    settings = Settings(thresholds.parse(asked.fail_on), metrics, allowed)
    base, new, confirm = (str(each or "") for each in (asked.base, asked.new, asked.confirm))
    warnings: list[str] = []
    before = sources.load(base, on_warning=warnings.append)
    after, again = (
        sources.load(each, on_warning=warnings.append, leave_out=base) if each else [] for each in (new, confirm)
    )
    return compare(before, after, settings, names=(base, new), confirm=again, warnings=warnings)


@keywords(options.Gate)
def gate(asked: options.Gate) -> GateReport:
    """Holds results against absolute budgets; `edgebench.compare.gating.check` raises for what is not kept."""
    from datetime import UTC, datetime

    from edgebench.compare import gating, sources
    from edgebench.compare.budgets import load

    bounds, waivers = load(Path(asked.budgets), datetime.now(UTC).date())
    found = sources.load(str(asked.results), on_warning=warn)
    return gating.gate(found, bounds, waivers, names=(str(asked.budgets), str(asked.results)))


@keywords(options.Ab)
def ab(asked: options.Ab) -> AbReport:
    """Runs two files in turn, in fresh processes, until the interval of their ratio decides or the time is up.

    Raises UsageError for a file that cannot be run here, DeviceError when a process fails.
    """
    from msgspec.structs import replace

    from edgebench.compare import ab, processes, thresholds
    from edgebench.models.user import parse_input
    from edgebench.places.local import LocalTarget

    processes.check_here(asked.device, asked.threads)
    base, new = Path(asked.base_file), Path(asked.new_file)
    limits = ab.Limits(thresholds.parse(asked.fail_on).of(asked.device), asked.time_limit_s)
    scenario = replace(ab.SCENARIO, threads=asked.threads)
    size = parse_input(asked.input) if asked.input else None
    runner = processes.run_on(LocalTarget(), processes.jobs(base, new, asked.runtime, scenario, size))
    return ab.run_ab(runner, limits, names=(str(base), str(new)), on_progress=asked.on_progress)


@keywords(options.Noise)
def noise(asked: options.Noise) -> Noise:
    """Learns from runs of one file against itself the slowdown that this machine can tell, and writes it to `output`.

    Raises DeviceError when the runtime fails, Inconclusive when the machine throttled meanwhile.
    """
    from msgspec.structs import replace

    from edgebench.compare import thresholds
    from edgebench.compare.processes import check_here, open_artifact, runtime_for

    if not isinstance(asked.model, str):
        raise UsageError("`noise` runs one file many times: give the name of a network, or a file's path")
    check_here(asked.device, asked.threads)
    thresholds.check_enough(asked.processes)
    thresholds.check_output(asked.path)
    artifact = open_artifact(asked.model, asked.format)
    scenario = replace(thresholds.SCENARIO, processes=asked.processes, threads=asked.threads)
    tell = told(asked.on_progress, f"{artifact.model.name} {artifact.export.format}")
    runtime = runtime_for(artifact, asked.runtime)
    return thresholds.learn_noise(artifact, runtime, scenario, asked.path, tell=tell)


@keywords(options.History)
def history(asked: options.History) -> History:
    """How latency went over time: levels, the points where it changed, and the first bad commit of each."""
    from edgebench.compare import history, thresholds

    limit = thresholds.parse(asked.fail_on)
    threshold = limit.of(asked.device) if asked.device else limit.share
    return history.history(Path(asked.results), asked.model, device=asked.device, threshold=threshold)


@keywords(options.Query)
def query(asked: options.Query) -> QueryResult:
    """Asks all stored results in SQL: the table `results` has one row a record, in base units (seconds, bytes)."""
    from edgebench.compare import database

    return database.query(Path(asked.results), asked.sql)


@keywords(options.Report)
def report(asked: options.Report) -> Path:
    """Writes stored results as one HTML page that opens offline, and returns its path."""
    from edgebench.ground import units
    from edgebench.report.page import write_report

    check_writable(Path(asked.output))
    write_report(
        str(asked.results),
        Path(asked.output),
        base=None if asked.base is None else str(asked.base),
        accuracies=_path(asked.accuracy),
        choice=_path(asked.choice),
        latency_budget_s=_read(asked.latency_budget, units.seconds),
        memory_budget_bytes=_read(asked.memory_budget, units.size_bytes),
        on_warning=warn,
    )
    return Path(asked.output)


@keywords(options.Plot)
def plot(asked: options.Plot) -> Path:
    """Draws one of the report's plots as PNG or SVG, and returns its path."""
    from edgebench.ground import units
    from edgebench.report.pictures import Picture, Wanted, write_plot

    picture = Picture(
        kind=asked.kind,
        wanted=Wanted(asked.model, asked.device, asked.format, asked.precision),
        y=asked.y,
        accuracies=_path(asked.accuracy),
        latency_budget_s=_read(asked.latency_budget, units.seconds),
        look=asked.look,  # type: ignore[arg-type]  # checked against the known looks when it is drawn
    )
    check_writable(Path(asked.output))
    write_plot(str(asked.results), Path(asked.output), picture, on_warning=warn)
    return Path(asked.output)


@keywords(options.Init)
def init(asked: options.Init) -> Started:
    """Writes edgebench.toml and a workflow into a project, where they are not there yet, by looking around in it.

    Raises UsageError for an unknown device and a folder that cannot be written to.
    """
    from edgebench.machines import profiles
    from edgebench.run import starting

    folder = Path(asked.folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: give that of your project")
    profiles.load(asked.device)
    return starting.start(folder, asked.device)


@keywords(options.Models)
def models(asked: options.Models) -> list[ModelSummary] | list[Published]:
    """The networks and what they cost at their published points; or the accuracies that others have published."""
    from edgebench.models.published import published
    from edgebench.models.summary import summaries

    return list(published()) if asked.published else summaries()


@keywords(options.Devices)
def devices(asked: options.Devices) -> list[DeviceProfile]:
    """All devices, those with a `core` or an `npu`, or the one of that name, with what is known of each.

    Raises UsageError where none is found.
    """
    from edgebench.machines import profiles

    if asked.name is None:
        return profiles.search(asked.core or "", npu=asked.npu)
    if asked.core or asked.npu:
        raise UsageError(f"`core` and `npu` search among all devices, and {asked.name} is named: leave either out")
    return [profiles.load(asked.name)]


@keywords(options.Doctor)
def doctor(asked: options.Doctor) -> Diagnosis:
    """What is installed, what each command can do on this machine, and what disturbs timings."""
    from edgebench.run import diagnosis

    return diagnosis.examine()


@keywords(options.DeviceSetup)
def device_setup(asked: options.DeviceSetup) -> Readiness:
    """Builds what emulates a device, once: half a minute and 200 MB, without root."""
    from edgebench.machines import profiles
    from edgebench.places.bundle import assemble
    from edgebench.places.emulator import readiness

    device = profiles.load(asked.name)
    assemble.setup(device, asked.on_progress)
    return readiness.readiness(device)


@keywords(options.DeviceCheck)
def device_check(asked: options.DeviceCheck) -> boards.Answer | Check:
    """Starts a device and imports every runtime: a connected one where it has an address, else its emulator."""
    from edgebench.machines import profiles
    from edgebench.places.emulator import readiness
    from edgebench.run import boards

    device = profiles.load(asked.name)
    if asked.via == "emulator" or not (asked.via or asked.connect or isinstance(device.reach, profiles.Reach)):
        return readiness.check(device)
    tell = told(asked.on_progress, device.name)
    return boards.check(device, asked.via, asked.connect, asked.python, tell=tell)


@keywords(options.DeviceRun)
def device_run(asked: options.DeviceRun) -> Ran:
    """Runs a Python script on an emulated device, with numpy, Pillow and the runtimes, and returns what it wrote.

    Raises UsageError where the bundle is not set up, DeviceError for a script that takes longer than `timeout`.
    """
    from edgebench.machines import profiles
    from edgebench.places.emulator import script

    return script.run(profiles.load(asked.name), Path(asked.script), asked.arguments, timeout_s=asked.timeout)


@keywords(options.DeviceAdd)
def device_add(asked: options.DeviceAdd) -> tuple[Path, DeviceProfile]:
    """Adds a connected device, which says itself what it is; returns its file and its profile."""
    from edgebench.run import boards

    way = boards.way(asked.via, asked.connect, asked.python)
    return boards.add(asked.name, way, here=asked.here, force=asked.force)


@keywords(options.DeviceCalibrate)
def device_calibrate(asked: options.DeviceCalibrate) -> Calibrated:
    """Fits the constants of a device's estimates anew, from small networks that are measured or emulated."""
    from edgebench.machines import profiles
    from edgebench.run import calibrate, mode, plan

    device = profiles.load(asked.name)
    emulated = asked.via is None and asked.connect is None and device.reach is None
    via = "estimate" if asked.figures else "emulator" if emulated else asked.via
    method = mode.method(device, via, connect=asked.connect, python=asked.python)
    request = calibrate.Request(
        listed(asked.format, "format", plan.FORMATS),
        listed(asked.precision, "precision", plan.PRECISIONS),
        whole_numbers(asked.threads, "threads"),
        full=asked.full,
        fresh=asked.fresh,
        networks=asked.networks,
        figures=_path(asked.figures),
    )
    return calibrate.calibrate(device, method, request, here=asked.here, on_progress=asked.on_progress)


@keywords(options.DeviceList)
def device_list(asked: options.DeviceList) -> list[Readiness]:
    """Every device and whether it can be emulated here; `devices` has what is known of them."""
    from edgebench.machines import profiles
    from edgebench.places.emulator import readiness

    return [readiness.readiness(profiles.load(name)) for name in profiles.names() if name not in profiles.HERE]


def _profiled(
    asked: options.Profile, target: DeviceProfile, images: Dataset | None, on_progress: OnProgress
) -> list[Result]:
    """What `profile` has of one device."""
    from edgebench import models
    from edgebench.run import engine, mode, plan

    precisions = listed(asked.precision, "precision", plan.PRECISIONS)
    default = plan.default_formats(target, precisions, processor=asked.processor, counts=asked.counts)
    cells, given = plan.asked(asked, models.FOCUS if asked.model == () else asked.model, default=default)
    method = mode.method(
        target,
        asked.via,
        connect=asked.connect,
        python=asked.python,
        counts=asked.counts,
        operators=asked.per_op or bool(asked.trace) or bool(asked.graph_data),
        processor=asked.processor,
    )
    folder = asked.graph_data and Path(asked.graph_data) / "ran-by.json"
    for name, path in {"trace": asked.trace, "graph_data": folder}.items():
        if path and method.mode is not mode.Mode.MEASURE:
            raise UsageError(f"`{name}` is for times, and only operators on this machine are timed: leave it out")
        if path:
            check_writable(Path(path))
    processes = None if asked.processes is None else positive(asked.processes, "processes")

    def resumed(had: int) -> None:
        warn(f"the run that goes on had {had} of {len(cells)} cells already")

    return engine.run(
        cells,
        target,
        engine.scenario(quick=asked.quick, threads=positive(asked.threads, "threads"), processes=processes),
        Path(asked.results),
        method=method,
        given=given,
        resume=asked.resume,
        images=images,
        on_progress=on_progress,
        on_resumed=resumed,
    )


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _read(given: str | float | None, unit: Callable[[str], float]) -> float | None:
    return unit(given) if isinstance(given, str) else given


def _images(data: str | Path, split: str | None, limit: int | None, *, exif: bool) -> Dataset:
    """The images to judge files by; what is to be said of their choice is warned of."""
    from edgebench.run import evaluating

    images, notes = evaluating.dataset(str(data), split, limit, exif=exif)
    for note in notes:
        warn(note)
    return images
