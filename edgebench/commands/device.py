"""`edgebench device`: emulated devices, set up and checked."""

from typing import Annotated

import typer

from edgebench.commands.options import Json

app = typer.Typer(
    name="device",
    help="Set up and check emulated devices: their own runtimes, on their CPU's model, on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="A device profile, or the path of one; see `edgebench device list`.")]


@app.command("setup")
def setup(name: Name, json: Json = False) -> None:
    """Build the bundle that emulates a device: half a minute and 200 MB once, without root; offline afterwards."""
    from edgebench import profiles
    from edgebench.report import bundles, output
    from edgebench.targets import assemble, readiness

    device = profiles.load(name)
    with output.progress() as report:
        assemble.setup(device, report)
    found = readiness.readiness(device)
    if json:
        output.json(found)
    else:
        output.blocks(*bundles.device(found))


@app.command("check")
def check(name: Name, json: Json = False) -> None:
    """Start an emulated device and import every runtime there."""
    from edgebench import profiles
    from edgebench.report import bundles, output
    from edgebench.targets import readiness

    found = readiness.check(profiles.load(name))
    if json:
        output.json(found)
    else:
        output.blocks(*bundles.check(found))


@app.command("list")
def list_devices(json: Json = False) -> None:
    """List the devices, what emulates each, and which are set up."""
    from edgebench import profiles
    from edgebench.report import bundles, output
    from edgebench.targets import readiness

    found = [readiness.readiness(profiles.load(name)) for name in profiles.names() if name != "host"]
    if json:
        output.json(found)
    else:
        output.table(bundles.devices(found))


@app.command("show")
def show(name: Name, json: Json = False) -> None:
    """Show a device: its facts and calibrations, and how it is emulated."""
    from edgebench import profiles
    from edgebench.report import bundles, output, rows, tables
    from edgebench.targets import readiness

    device = profiles.load(name)
    found = readiness.readiness(device)
    if json:
        output.json({**rows.device(device), "emulator": found})
    else:
        output.blocks(*tables.device(device), *bundles.device(found))
