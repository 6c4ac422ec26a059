"""`edgebench devices`, `doctor` and `device`: machines, emulated and connected; added, set up and checked."""

import click

from edgebench import api
from edgebench.commands.options import Group, Json, command, run
from edgebench.commands.options import show as shown
from edgebench.report import output
from edgebench.run import options

device = Group("device", help="Add, set up, check and calibrate devices.", no_args_is_help=True)


@command
def devices(asked: options.Devices, *, json: Json = False) -> None:
    """List devices, and what is known of each."""
    if asked.validation:
        return _validation(asked.name, json=json)
    found = api.devices(asked.name, core=asked.core, npu=asked.npu)
    if asked.name and not json:
        from edgebench.report.devices import device

        output.blocks(*device(found[0]))
        return
    if json:
        from edgebench.report.device_rows import row

        output.json([row(profile) for profile in found])
        return
    from edgebench.report import listing

    output.line(listing.devices(found))


def _validation(name: str | None, *, json: bool) -> None:
    """One device's, or without a name that of all cases."""
    from edgebench.estimate import validation
    from edgebench.report import devices

    if name is None:
        shown(validation.reached(), devices.reached, json=json)
    elif json:
        output.json(validation.validation(name))
    else:
        output.blocks(*devices.validation(validation.validation(name)))


@command
def doctor(asked: options.Doctor, *, json: Json = False) -> None:
    """Check what works here.

    Prints what is installed, what each command can do on this machine, and what disturbs timings.
    """
    from edgebench.report import tables

    shown(api.doctor(), tables.diagnosis, json=json)


@command
def setup(asked: options.DeviceSetup, *, json: Json = False) -> None:
    """Build what emulates a device.

    Half a minute and 200 MB once, without root; it works offline afterwards.
    """
    from edgebench.report import devices

    shown(run(api.device_setup, asked), devices.emulator, json=json)


@command
def check(asked: options.DeviceCheck, *, json: Json = False) -> None:
    """Start a device and import every runtime.

    A connected one where it has an address, else its emulator.
    """
    from edgebench.places.emulator.readiness import Check
    from edgebench.report import devices

    shown(
        run(api.device_check, asked),
        lambda found: devices.emulator_check(found) if isinstance(found, Check) else devices.connected(found),
        json=json,
    )


@command
def run_(asked: options.DeviceRun) -> None:
    """Run a Python script on an emulated device, such as that of a deployed network.

    It finds numpy, Pillow and the runtimes there; its exit code is the command's.
    """
    done = api.device_run(**asked.values())
    click.echo(done.output, nl=False)
    click.echo(done.errors, nl=False, err=True)
    click.get_current_context().exit(done.code)


@command
def add(asked: options.DeviceAdd) -> None:
    """Add a connected device.

    It fills in its CPU, caches, memory and clock by itself.
    """
    path, device = api.device_add(**asked.values())
    output.wrote(path)
    output.line(
        f"{device.title}: {device.cpu.cores}x {device.cpu.core}. Go on with: edgebench device check {asked.name}"
    )


@command
def calibrate(asked: options.DeviceCalibrate, *, json: Json = False) -> None:
    """Fit the constants of a device's estimates anew.

    Small networks made for it are measured on the board where one is connected, and else emulated: counted
    instructions then become times by constants from published latencies. The result goes beside the device's file,
    before the shipped constants, and its error on networks left out of the fit is printed.
    """
    from edgebench.report import devices

    found = run(api.device_calibrate, asked)
    if json:
        output.json(devices.calibrated_row(found))
    else:
        output.blocks(*devices.calibrated(found))


@command
def list_(asked: options.DeviceList, *, json: Json = False) -> None:
    """List devices and their emulators."""
    from edgebench.report import devices

    shown(api.device_list(), lambda found: [devices.emulators(found)], json=json)


@command
def show(asked: options.DeviceShow, *, json: Json = False) -> None:
    """Show a device: facts and calibrations."""
    if asked.validation:
        return _validation(asked.name, json=json)
    from edgebench.places.emulator import readiness
    from edgebench.report import device_rows, devices

    [profile] = api.devices(asked.name)
    found = readiness.readiness(profile)
    if json:
        output.json(device_rows.in_full(profile, found))
    else:
        output.blocks(*devices.device(profile), *devices.emulator(found))


for _command in (setup, check, run_, add, calibrate, list_, show):
    device.add_command(_command)
