"""`edgebench models`."""

from typing import Annotated

import typer

from edgebench.commands.options import Json

Published = Annotated[
    bool, typer.Option("--published", help="ImageNet accuracies that others have published, by recipe, with sources.")
]


def models(published: Published = False, json: Json = False) -> None:
    """List the networks and what they cost."""
    from edgebench.estimate.summary import summaries
    from edgebench.models.published import published as read
    from edgebench.report import output, tables

    if json:
        output.json(read() if published else summaries())
    else:
        output.blocks(tables.published(read()) if published else tables.models(summaries()))
