"""What each command takes, on the command line and in Python alike: one class a command, of groups that they share.

How a field becomes an option is said in edgebench.ground.options. Defaults are written here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Any

from edgebench.ground import units
from edgebench.ground.errors import UsageError
from edgebench.ground.options import Flag, Options, Several
from edgebench.ground.progress import OnProgress, silent
from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS
from edgebench.run.network import Model, ModelArguments, Network, Wanted, Written
from edgebench.run.preparing import Images, Outputs

Names = str | Sequence[str]
File = str | Path
Device = Annotated[str, "Device profile; see `edgebench devices`."]
ManyDevices = Annotated[
    str,
    Flag(
        "Device profile, several with commas, or all; see `edgebench devices`.",
        python="Device profile, or several as the command line takes them, or all; see `devices`.",
    ),
]
Here = Annotated[str, "This machine only: host."]
Formats = Annotated[Names, Several(f"Formats: {', '.join(FORMATS)}; or all that are installed.", "--fmt")]
DeviceFormats = Annotated[Names, Several("Formats, or all; default: the device's first.", "--fmt")]
Precisions = Annotated[Names, Several("Precisions: fp32, fp16, int8.")]
Threads = Annotated[int, "Threads of the runtime."]
Processor = Annotated[str | None, "Estimate for: cpu, gpu or npu; default: cpu, or else what there is an estimate for."]
Limit = Annotated[int | None, "Images of `data` at most, every class in its share."]
Results = Annotated[File, "Folder that every record is appended to."]
Stored = Annotated[File, "File, folder, or git revision of one: main:results/baseline."]
Name = Annotated[str, "A device profile, or the path of one; see `edgebench device list`."]
FailOn = Annotated[str | None, "Slowdown that counts: a percentage, or a file of `edgebench noise`. Default 5%."]
Runtime = Annotated[str | None, "Runtime; default: the one of the file's format."]
Augmentations = Annotated[Names, Several("mirror, rotate, shear, warp, crop, jitter, pca; or none, or all.")]
LatencyBudget = Annotated[str | float | None, "Line at a latency, such as 50ms."]
Bake = Annotated[bool, "Take 8-bit RGB images and normalise them in the file; in CoreML as an image."]
Accuracies = Annotated[
    File | None, "CSV file with the columns model, top1 (%), and optionally width, depth, resolution."
]
OursHere = Annotated[bool, "Write to ./devices, not to your configuration folder."]


NETWORKS = Flag(
    "Networks: names, package.module:name or file.py:name of your own.",
    python="Networks: names, package.module:name or file.py:name of your own, torch modules or exported programs.",
)


class Told(Options, kw_only=True):
    """Who hears how far a run is."""

    on_progress: OnProgress = silent


class Int8(Options, kw_only=True):
    """How int8 files are made; see records.Quantization."""

    calibrate: Annotated[
        File, "int8: a data set to calibrate on: a folder, digits or synthetic:NAME; without it, random images."
    ] = ""
    samples: Annotated[int, "int8: images to calibrate on; a quarter is held out to judge by."] = 64
    calibrator: Annotated[
        str, "int8: minmax, moving, percentile, entropy or mse; auto keeps the one with the least error."
    ] = "auto"
    scheme: Annotated[str, "int8: static, dynamic (ranges at run time), or weights only."] = "static"
    float_io: Annotated[
        bool,
        Flag(
            "int8: take and give int8 tensors, not float32.",
            "--int8-io",
            python="int8: take and give float32 tensors; False for int8 ones.",
        ),
    ] = True
    activations: Annotated[str, "int8, ONNX: uint8 or int8; default: what is fast here."] = ""
    error_budget: Annotated[
        float | None, "int8: relative error of the outputs above which the worst layers stay float, such as 0.05."
    ] = None


class Judged(Options, kw_only=True):
    """What int8 may lose, and on what that is judged."""

    max_drop: Annotated[
        str | float | None,
        "int8: points of top-1 that the file may lose against PyTorch on `data`, such as 0.5pt; the layers that cost"
        " most stay float.",
    ] = None
    data: Annotated[File, "int8: labelled images for `max_drop`: a folder, digits or synthetic:NAME."] = ""
    limit: Limit = None

    @property
    def points(self) -> float | None:
        """The drop in points. Raises UsageError for a text that is none, and for nothing or less."""
        found = units.points(self.max_drop) if isinstance(self.max_drop, str) else self.max_drop
        if found is not None and not 0 < found < 100:
            raise UsageError(f"`max_drop` is {found:g}: give points of top-1 above 0 and below 100, such as 0.5pt")
        return found


NOT_JUDGED = Judged()


class Connection(Options, kw_only=True):
    """How to get to a device."""

    via: Annotated[str | None, "How to get to it: ssh, adb, emulator or local; default: as its profile says."] = None
    connect: Annotated[str | None, "Where it is: pi@host or pi@host:port for SSH, a serial number for adb."] = None
    python: Annotated[str | None, "A Python there that has the runtimes; without it, edgebench brings its own."] = None


class Files(ModelArguments, Int8, Images, Outputs, kw_only=True):
    """The files of networks: every format in every precision."""

    format: Formats = DEFAULT_FORMAT
    precision: Precisions = "fp32"


class Build(ModelArguments):
    """A torch module."""

    model: str
    _: KW_ONLY
    seed: int = 0


class Export(Files, Judged, Told):
    """`edgebench export`."""

    model: Annotated[Wanted, NETWORKS]
    _: KW_ONLY
    output: Annotated[File, Flag("Folder for the files.", "--output", "-o")] = "artifacts"
    converter: Annotated[str, "TFLite converter: default (ours) or litert-torch."] = "default"
    bake: Bake = False
    strict: Annotated[bool, "int8: fail where a layer stays float."] = False
    unchecked: Annotated[bool, "Publish a file that nothing here can run and compare, labelled so."] = False
    force: Annotated[bool, "Convert even when a cached file is valid."] = False


class Profile(Files, Connection, Told):
    """`edgebench profile`."""

    model: Annotated[
        Wanted,
        Flag(
            "Networks, or .onnx and .tflite files.",
            python="Networks, by name or as modules, .onnx and .tflite files, or what `export` returned.",
        ),
    ] = ()
    _: KW_ONLY
    device: ManyDevices = "host"
    format: DeviceFormats = ()
    via: Annotated[str | None, "ssh, adb, emulator, estimate or local; default: as the device's profile says."] = None
    processor: Processor = None
    threads: Threads = 1
    counts: Annotated[bool, "Host: count executed instructions instead of time."] = False
    quick: Annotated[bool, "3 processes of 1 s each; no p95, no p99."] = False
    processes: Annotated[int | None, "Fresh processes; default 5, `quick` 3. A comparison needs 7, better 10."] = None
    data: Annotated[File | None, "Labelled images, a folder, digits or synthetic:NAME: also each file's accuracy."] = (
        None
    )
    limit: Limit = None
    per_op: Annotated[bool, "Also time every operator (host), or count its instructions (emulator)."] = False
    trace: Annotated[File | None, "Host: write the operators' times for Perfetto: out.json. Implies `per_op`."] = None
    graph_data: Annotated[
        File | None, "Host: write the operators' times for Model Explorer into this folder. Implies `per_op`."
    ] = None
    results: Results = "results"
    resume: Annotated[bool, "Go on with the newest run, up to a day old: run only what it lacks or failed."] = False


class Runtimes(Files, Told):
    """`edgebench runtimes`."""

    model: Annotated[Model, NETWORKS]
    _: KW_ONLY
    device: Device = "host"
    format: DeviceFormats = "all"
    precision: Precisions = ("fp32", "fp16", "int8")
    threads: Annotated[int | str | Sequence[int] | None, Several("Thread counts; default: one, and all cores.")] = None
    rounds: Annotated[int, "Measured: fresh processes of each, in turn; two or more."] = 5
    results: Results = "results"


class Evaluate(Files, Connection, Told):
    """`edgebench evaluate`."""

    model: Annotated[
        Wanted,
        Flag(
            "Networks, or files: .tflite, .onnx, .mlpackage, .ncnn, .pt2.",
            python="Networks, by name or as modules, files, or what `export` returned.",
        ),
    ]
    data: Annotated[File, Flag("Labelled images: a folder, digits, or synthetic:NAME.", "--data")]
    _: KW_ONLY
    split: Annotated[
        str | None, "train, val or test; all only where there are no splits. Without it val, or what there is."
    ] = None
    limit: Limit = None
    batch: Annotated[int, "Images at a time, where the file's batch is dynamic."] = 32
    threads: Threads = 1
    device: Device = "host"


class Deploy(Files, Told):
    """`edgebench deploy`."""

    model: Annotated[
        Model,
        Flag(
            "A network, or a file: .tflite, .onnx, .mlpackage or .ncnn.",
            python="A network, by name or as a module, a file, or what `export` returned.",
        ),
    ]
    to: Annotated[str, Flag("What the project is for: python, web, android, ios or cpp.", "--to")]
    _: KW_ONLY
    output: Annotated[File, Flag("Folder for the project.", "--output", "-o")] = "app"
    format: Annotated[Names, Several("Format of the file; default: what suits the target best.", "--fmt")] = ()
    bake: Bake = False
    image: Annotated[File | None, "The image that the project tests itself with; default: a drawn one."] = None


class Train(Network, Images, Told):
    """`edgebench train`; most of it is in edgebench.training.settings.Settings, whose names these are."""

    model: Annotated[Model, NETWORKS]
    data: Annotated[File, Flag("Data set: a folder of classes, digits, or synthetic:NAME.", "--data")]
    _: KW_ONLY
    epochs: Annotated[int, "How often every image is seen."] = 30
    batch: Annotated[int, "Images a step."] = 64
    lr: Annotated[float | None, "Highest learning rate; without it 0.002 for adamw, 0.05 for sgd."] = None
    optimizer: Annotated[str, "adamw or sgd."] = "adamw"
    schedule: Annotated[str, "Learning rate after the warm-up: cosine or constant."] = "cosine"
    warmup: Annotated[float, "Epochs in which the learning rate grows."] = 1.0
    weight_decay: Annotated[float | None, "Without it 0.05 for adamw, 0.0001 for sgd."] = None
    label_smoothing: Annotated[float, "Share of the label given to all classes."] = 0.1
    ema: Annotated[float, "Decay of the averaged weights, which are kept; 0 for none."] = 0.99
    clip: Annotated[float, "Largest norm of a gradient; 0 for any."] = 5.0
    init: Annotated[str, "he or xavier, with `weights` for a new head; else as export."] = ""
    freeze: Annotated[str, "Train only what follows this module (features.14), or all-but-head."] = ""
    augment: Augmentations = ("mirror", "crop")
    normalize: Annotated[str, "Mean and deviation: data, published, or auto: the weights', else the data's."] = "auto"
    validate: Annotated[int, "Validation images after each epoch, at most."] = 2000
    quantization_aware: Annotated[bool, "Round as int8 does, so that int8 loses less."] = False
    side_weight: Annotated[float, "Weight of the loss of each side branch."] = 0.3
    mixed_precision: Annotated[
        bool, Flag("Compute in half precision where the hardware does.", "--mixed-precision/--no-mixed-precision")
    ] = True
    seed: Annotated[int, "Of weights, order and augmentation."] = 0
    threads: Annotated[int, "CPU threads; 0 for torch's own choice."] = 0
    on: Annotated[str, "Where: cpu, cuda, mps, or auto."] = "auto"
    output: Annotated[File, Flag("Folder of the run.", "--output", "-o")] = "trained"
    resume: Annotated[bool, "Go on with the run in the folder, to the same result."] = False


class Augment(Options):
    """`edgebench augment`."""

    data: Annotated[File, Flag("Data set: a folder of classes, digits, or synthetic:NAME.", "--data")]
    _: KW_ONLY
    preview: Annotated[File, "Picture to write: a row a kind."] = "augmented.png"
    kinds: Augmentations = "all"
    resolution: Annotated[int, "Height and width of an image in pixels."] = 128
    columns: Annotated[int, "Images a row."] = 8
    seed: Annotated[int, "Of the choice of images, and of what is done to them."] = 0


class Scale(Told):
    """`edgebench scale`."""

    device: Annotated[
        str, Flag("Device profile, or several with commas: the network keeps the limits on each.", "--device")
    ]
    family: Annotated[str, Flag("A family of networks, such as mobilenetv3, or all.", "--family")] = "all"
    _: KW_ONLY
    base: Annotated[
        str | Callable[..., Any] | None,
        Flag("In place of a family your own factory make(width, depth, resolution), as file.py:make.", "--base"),
    ] = None
    input: Annotated[str | Sequence[int], "`base`: what it is fed, such as 3x224x224."] = "3x224x224"
    max_latency: Annotated[str | float | None, "Longest inference, such as 50ms."] = None
    max_memory: Annotated[str | float | None, "Most peak memory, such as 64MB."] = None
    max_size: Annotated[str | float | None, "Largest file, such as 10MB."] = None
    min_accuracy: Annotated[str | float | None, "Least expected top-1 in percent, such as 70."] = None
    format: Annotated[
        Names | None, Several("Formats to choose from, or all; default: the device's first.", "--fmt")
    ] = None
    precision: Annotated[Names, Several("Precisions to choose from.")] = "fp32"
    threads: Annotated[int | str | Sequence[int], Several("Thread counts to choose from.")] = 1
    processor: Processor = None
    recipe: Annotated[str | None, "Training whose published accuracies to expect."] = None
    extrapolate: Annotated[bool, "Let in networks beyond all published accuracies."] = False
    confirmed: Annotated[bool, Flag("Export, check and emulate or measure the best few.", "--confirm/--no-confirm")] = (
        True
    )
    emulation: Annotated[
        bool, Flag("Emulate finalists where the emulator is set up.", "--emulation/--no-emulation")
    ] = True
    finalists: Annotated[int, "How many are confirmed first; up to 5 more follow where they promise more."] = 4
    data: Annotated[File | None, "Train proxies on this data set, to expect accuracies on it."] = None
    proxies: Annotated[int, "`data`: how many networks to train."] = 6
    proxy_epochs: Annotated[int, "`data`: epochs at first; better halves get twice as many."] = 2
    sweep: Annotated[File | None, "Write the finalists as a sweep file, to confirm them by edgebench sweep."] = None
    output: Annotated[File | None, Flag("Folder for files, frontier and choice.json.", "--output", "-o")] = None
    results: Annotated[File, "Folder that measurements are appended to."] = "results"


class Sweep(Told):
    """`edgebench sweep`."""

    file: Annotated[File, "Sweep file: [sweep] with models, devices and further axes."]
    _: KW_ONLY
    jobs: Annotated[int, "Processes on this machine."] = 2
    ray: Annotated[str | None, "Run on a Ray cluster: auto, or its address."] = None
    results: Results = "results"
    retry_failed: Annotated[bool, "Run failed cells again."] = False


class Compare(Options):
    """`edgebench compare`."""

    base: Stored
    new: Stored
    _: KW_ONLY
    fail_on: FailOn = None
    metric: Annotated[
        Names | None, Several("What decides: latency, first, load, memory, size, parity, error, instructions.")
    ] = None
    allow: Annotated[
        Names | None, Several("Differences that are meant: artifact, 'runtime version', threads, machine ...")
    ] = None
    confirm: Annotated[File | None, "A second run of NEW, which has to repeat a slowdown."] = None


class Gate(Options):
    """`edgebench gate`."""

    results: Stored = "results"
    _: KW_ONLY
    budgets: Annotated[File, "Budgets, a TOML file."] = "budgets.toml"


class Ab(Told):
    """`edgebench ab`."""

    base_file: Annotated[File, "The .onnx, .ort or .tflite file to compare with."]
    new_file: Annotated[File, "The .onnx, .ort or .tflite file that may be slower."]
    _: KW_ONLY
    device: Here = "host"
    runtime: Runtime = None
    threads: Threads = 1
    input: Annotated[
        str | Sequence[int] | None, "Size of the image where the files leave it open, such as 3x224x224."
    ] = None
    fail_on: FailOn = None
    time_limit: Annotated[str | float, "Most time to spend, such as 3min."] = "3min"

    @property
    def time_limit_s(self) -> float:
        """The limit in seconds. Raises UsageError for a text that is no duration."""
        return units.seconds(self.time_limit) if isinstance(self.time_limit, str) else self.time_limit


class Noise(Told):
    """`edgebench noise`."""

    model: Annotated[str, "A network, or a .onnx or .tflite file."] = "mobilenetv2"
    _: KW_ONLY
    device: Here = "host"
    format: Annotated[str, Flag(f"Format of a network: {', '.join(FORMATS)}.", "--fmt")] = DEFAULT_FORMAT
    runtime: Runtime = None
    threads: Threads = 1
    processes: Annotated[int, "Fresh processes to run, 40 or more."] = 60
    output: Annotated[File | None, Flag("Default: noise-DEVICE.toml.", "--output", "-o")] = None

    @property
    def path(self) -> Path:
        """The file to write."""
        return Path(self.output or f"noise-{self.device}.toml")


class History(Options):
    """`edgebench history`."""

    model: Annotated[str | None, "A network; without it, all."] = None
    _: KW_ONLY
    device: Annotated[str | None, "Device profile; without it, all."] = None
    results: Annotated[File, "Folder or file of stored results."] = "results"
    fail_on: FailOn = None


class Query(Options):
    """`edgebench query`."""

    sql: Annotated[str, "For example: SELECT model, min(latency_s) FROM results GROUP BY model"]
    _: KW_ONLY
    results: Annotated[File, "Folder or file of stored results."] = "results"


class Report(Options):
    """`edgebench report`."""

    results: Stored = "results"
    _: KW_ONLY
    output: Annotated[File, Flag("The page to write.", "--output", "-o")] = "report.html"
    base: Annotated[File | None, "Compare with these results: a file, folder, or revision."] = None
    accuracy: Accuracies = None
    choice: Annotated[File | None, "Folder that edgebench scale -o wrote: show its choice."] = None
    latency_budget: LatencyBudget = None
    memory_budget: Annotated[str | float | None, "Mark what needs more memory, such as 64MB."] = None


class Plot(Options):
    """`edgebench plot`."""

    results: Stored = "results"
    _: KW_ONLY
    kind: Annotated[str, "pareto, latency, spread, operators or history."] = "pareto"
    output: Annotated[File, Flag("The picture to write, .png or .svg.", "--output", "-o")] = "plot.png"
    model: Annotated[str | None, "Only this network."] = None
    device: Annotated[str | None, "Only this device."] = None
    format: Annotated[str | None, Flag("Only this format.", "--fmt")] = None
    precision: Annotated[str | None, "Only this precision."] = None
    y: Annotated[str | None, "Against latency: accuracy, size, memory, macs or parameters."] = None
    accuracy: Accuracies = None
    latency_budget: LatencyBudget = None
    look: Annotated[str, "light or dark."] = "light"


class Inspect(Options):
    """`edgebench inspect`."""

    file: Annotated[
        File | Written,
        Flag(
            "A .tflite or .onnx file, an .mlpackage or .ncnn folder.",
            python="A .tflite or .onnx file, an .mlpackage or .ncnn folder, or what `export` returned.",
        ),
    ]
    _: KW_ONLY
    strict: Annotated[bool, "Fail (exit 4) where int8 is not int8."] = False
    graph_data: Annotated[
        File | None, "Write what int8 costs and what is computed in for Model Explorer into this folder."
    ] = None


class Init(Options):
    """`edgebench init`."""

    folder: Annotated[File, "The project's folder."] = "."
    _: KW_ONLY
    device: Annotated[str, "Device profile to watch; see `edgebench devices`."] = "rpi4"


class Models(Options):
    """`edgebench models`."""

    _: KW_ONLY
    published: Annotated[bool, "ImageNet accuracies that others have published, by recipe, with sources."] = False


class Devices(Options):
    """`edgebench devices`."""

    name: Annotated[str | None, "Show one device in full."] = None
    _: KW_ONLY
    core: Annotated[str | None, "Only those with a core of such a name: a76."] = None
    npu: Annotated[bool, "Only those whose NPU is known."] = False
    validation: Annotated[bool, "How far estimates are off, in every case, beside their goals."] = False


class Help(Options):
    """`edgebench help`."""

    topic: Annotated[str | None, "A page; without one, which there are."] = None


class Schema(Options):
    """`edgebench schema`."""

    document: Annotated[Sequence[str], "A document, such as profile; without one, which there are."] = ()


class Doctor(Options):
    """`edgebench doctor` takes nothing."""


class DeviceSetup(Told):
    """`edgebench device setup`."""

    name: Name


class DeviceRun(Options):
    """`edgebench device run`."""

    name: Name
    script: Annotated[File, "A Python script, such as classify.py of `edgebench deploy --to python`."]
    arguments: Annotated[Sequence[str], "What the script is given."] = ()
    _: KW_ONLY
    timeout: Annotated[float, "Seconds that it may take."] = 600.0


class DeviceCheck(Connection, Told):
    """`edgebench device check`."""

    name: Name


class DeviceAdd(Connection):
    """`edgebench device add`."""

    name: Annotated[str, "The new device's name."]
    _: KW_ONLY
    here: OursHere = False
    force: Annotated[bool, "Write over a file of yours with that name."] = False


class DeviceCalibrate(Connection, Told):
    """`edgebench device calibrate`."""

    name: Name
    _: KW_ONLY
    format: Annotated[Names, Several("Formats to calibrate.", "--fmt")] = DEFAULT_FORMAT
    precision: Precisions = "fp32"
    threads: Annotated[int | str | Sequence[int], Several("Numbers of threads; one under the emulator.")] = 1
    full: Annotated[bool, "Time each network as long as profile does: 5 x 10 s."] = False
    fresh: Annotated[bool, "Run every network again; without it a run of the last day goes on."] = False
    networks: Annotated[int | None, "So many of the small networks, those that tell most; default: all."] = None
    figures: Annotated[File | None, "Run nothing: a CSV of model,latency such as mobilenetv2,33ms."] = None
    here: OursHere = False


class DeviceList(Options):
    """`edgebench device list` takes nothing."""


class DeviceShow(Options):
    """`edgebench device show`."""

    name: Name
    _: KW_ONLY
    validation: Annotated[bool, "How far its estimates are off, on networks that the fits did not see."] = False
