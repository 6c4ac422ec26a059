"""`edgebench doctor`."""

from edgebench.commands.options import Json


def doctor(json: Json = False) -> None:
    """Check what works here.

    Prints what is installed, what each command can do on this machine, and what disturbs timings.
    """
    from edgebench.report import output, tables
    from edgebench.run import diagnosis

    found = diagnosis.examine()
    if json:
        output.json(found)
    else:
        output.blocks(*tables.diagnosis(found))
