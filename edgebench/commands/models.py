"""`edgebench models`."""

from edgebench.commands.options import Json


def models(json: Json = False) -> None:
    """List the networks and what they cost."""
    from edgebench.models.summary import summaries
    from edgebench.report import output, tables

    found = summaries()
    if json:
        output.json(found)
    else:
        output.table(tables.models(found))
