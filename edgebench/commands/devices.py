"""`edgebench devices`."""

from typing import Annotated

import typer

from edgebench.commands.options import Json


def devices(
    name: Annotated[str | None, typer.Argument(help="Show one device in full.")] = None, json: Json = False
) -> None:
    """List devices, and what is known of each."""
    from edgebench.machines import profiles
    from edgebench.report import devices as shown
    from edgebench.report import output

    found = [profiles.load(each) for each in ([name] if name else profiles.names())]
    if json:
        output.json([shown.row(profile) for profile in found])
    elif name:
        output.blocks(*shown.device(found[0]))
    else:
        output.blocks(shown.devices(found))
