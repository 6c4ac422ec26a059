"""`edgebench device`: devices, emulated and connected: added, set up and checked."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.commands.options import Connect, Json, Python, Via, listed, whole_numbers
from edgebench.ground.registry import DEFAULT_FORMAT

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

app = typer.Typer(
    name="device",
    help="Add, set up, check and calibrate devices.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="A device profile, or the path of one; see `edgebench device list`.")]


@app.command("setup")
def setup(name: Name, json: Json = False) -> None:
    """Build what emulates a device.

    Half a minute and 200 MB once, without root; it works offline afterwards.
    """
    from edgebench.machines import profiles
    from edgebench.places.bundle import assemble
    from edgebench.places.emulator import readiness
    from edgebench.report import devices, output

    device = profiles.load(name)
    with output.progress() as report:
        assemble.setup(device, report)
    found = readiness.readiness(device)
    if json:
        output.json(found)
    else:
        output.blocks(*devices.emulator(found))


@app.command("check")
def check(name: Name, via: Via = None, connect: Connect = None, python: Python = None, json: Json = False) -> None:
    """Start a device and import every runtime.

    A connected one where it has an address, else its emulator.
    """
    from edgebench.machines import profiles
    from edgebench.report import devices, output

    device = profiles.load(name)
    if via != "emulator" and (via or connect or isinstance(device.reach, profiles.Reach)):
        _check_connected(device, via, connect, python, json)
        return
    from edgebench.places.emulator import readiness

    found = readiness.check(device)
    if json:
        output.json(found)
    else:
        output.blocks(*devices.emulator_check(found))


def _check_connected(
    device: "DeviceProfile", via: str | None, connect: str | None, python: str | None, json: bool
) -> None:
    from edgebench.report import devices, output
    from edgebench.run import check as checking

    with output.progress() as report:
        found = checking.check(device, via, connect, python, tell=output.told(report, device.name))
    if json:
        output.json(found)
    else:
        output.blocks(*devices.connected(found))


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The new device's name.")],
    connect: Connect = None,
    via: Via = None,
    python: Python = None,
    here: Annotated[bool, typer.Option("--here", help="Write to ./devices, not to your configuration folder.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file of yours with that name.")] = False,
) -> None:
    """Add a connected device.

    It fills in its CPU, caches, memory and clock by itself.
    """
    from edgebench.report import output
    from edgebench.run import add as adding

    path, device = adding.add(name, adding.way(via, connect, python), here=here, force=force)
    output.wrote(path)
    output.line(f"{device.title}: {device.cpu.cores}x {device.cpu.core}. Go on with: edgebench device check {name}")


@app.command("calibrate")
def calibrate(
    name: Name,
    via: Via = None,
    connect: Connect = None,
    python: Python = None,
    fmt: Annotated[str, typer.Option(help="Formats to calibrate, comma-separated.")] = DEFAULT_FORMAT,
    precision: Annotated[str, typer.Option(help="Precisions, comma-separated: fp32, fp16, int8.")] = "fp32",
    threads: Annotated[str, typer.Option(help="Numbers of threads, comma-separated; one under the emulator.")] = "1",
    full: Annotated[bool, typer.Option("--full", help="Time each network as long as profile does: 5 x 10 s.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every network again; without it a run of the last day goes on.")
    ] = False,
    here: Annotated[bool, typer.Option("--here", help="Write to ./devices, not to your configuration folder.")] = False,
    json: Json = False,
) -> None:
    """Fit the constants of a device's estimates anew.

    Small networks made for it are measured on the board where one is connected, and else emulated: counted
    instructions then become times by constants from published latencies. The result goes beside the device's file,
    before the shipped constants, and its error on networks left out of the fit is printed.
    """
    from edgebench.machines import profiles
    from edgebench.report import devices, output
    from edgebench.run import calibrate as calibrating
    from edgebench.run import mode, plan

    device = profiles.load(name)
    emulated = via is None and connect is None and device.reach is None
    method = mode.method(device, "emulator" if emulated else via, connect=connect, python=python)
    request = calibrating.Request(
        listed(fmt, "format", plan.FORMATS),
        listed(precision, "precision", plan.PRECISIONS),
        whole_numbers(threads, "--threads"),
        full=full,
        fresh=fresh,
    )
    with output.progress() as report:
        found = calibrating.calibrate(device, method, request, here=here, on_progress=report)
    if json:
        output.json(devices.calibrated_rows(found))
    else:
        output.blocks(*devices.calibrated(found))


@app.command("list")
def list_devices(json: Json = False) -> None:
    """List devices and their emulators."""
    from edgebench.machines import profiles
    from edgebench.places.emulator import readiness
    from edgebench.report import devices, output

    found = [readiness.readiness(profiles.load(name)) for name in profiles.names() if name != "host"]
    if json:
        output.json(found)
    else:
        output.blocks(devices.emulators(found))


@app.command("show")
def show(
    name: Name,
    validation: Annotated[
        bool, typer.Option("--validation", help="How far its estimates are off, on networks that the fits did not see.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a device: facts and calibrations."""
    if validation:
        _show_validation(name, json)
        return
    from edgebench.machines import profiles
    from edgebench.places.emulator import readiness
    from edgebench.report import devices, output

    device = profiles.load(name)
    found = readiness.readiness(device)
    if json:
        output.json({**devices.row(device), "emulator": found})
    else:
        output.blocks(*devices.device(device), *devices.emulator(found))


def _show_validation(name: str, json: bool) -> None:
    from edgebench.estimate.validation import validation
    from edgebench.report import devices, output

    found = validation(name)
    if json:
        output.json(devices.validation_rows(found))
    else:
        output.blocks(*devices.validation(found))
