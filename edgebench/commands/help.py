"""`edgebench help`: the pages of edgebench/docs. `edgebench schema`: what is in its JSON."""

from pathlib import Path
from typing import Final

from edgebench.commands.options import command
from edgebench.ground.errors import unknown
from edgebench.report import output
from edgebench.run import options

WIDTH: Final = 100  # of a line of text that one reads
FOLDER: Final = Path(__file__).parents[1] / "docs"
TOPICS: Final = (
    "start", "export", "int8", "profile", "devices", "evaluate", "train", "choose", "compare", "deploy", "python",
    "json", "promises", "methods", "developing",
)  # fmt: skip
"""The pages, in the order in which one reads them."""


@command
def help(asked: options.Help) -> None:
    """Show a page of the documentation; without a topic, which there are."""
    from rich.constrain import Constrain
    from rich.markdown import Markdown

    if asked.topic is None:
        from edgebench.report.tables import plain

        table = plain(None, "topic", "", left=("topic", ""))
        for topic in TOPICS:
            table.add_row(topic, page(topic).partition("\n")[0].lstrip("# "))
        output.blocks(table)
        output.line("edgebench help TOPIC shows one; the options of a command: edgebench COMMAND --help")
        return
    output.blocks(Constrain(Markdown(page(asked.topic)), WIDTH))


@command
def schema(asked: options.Schema) -> None:
    """Print the JSON Schema of what --json prints, or of a record in a file; without a document, which there are."""
    from edgebench.report import documents

    if asked.document:
        output.json(documents.schema(" ".join(asked.document)))
    else:
        output.line("\n".join(documents.DOCUMENTS))


def page(topic: str) -> str:
    """The text of a page, in Markdown. Raises UsageError for one that there is not."""
    if topic not in TOPICS:
        raise unknown("topic", topic, TOPICS)
    return (FOLDER / f"{topic}.md").read_text("utf-8")
