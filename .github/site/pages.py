"""What the site has beside edgebench/docs: README as its first page, and the API from signatures and docstrings."""

from inspect import Parameter, signature
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import edgebench
from edgebench.commands.help import TOPICS, page

ROOT = Path(__file__).parents[2]
RECORDS = (
    "Measurement", "Estimate", "Artifact", "ModelSpec", "ExportSpec", "Scenario", "Interval", "Parity", "Accuracy",
    "OperatorProfile", "OperatorTime", "QuantizationReport",
)  # fmt: skip


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu: the topics in the order in which one reads them, by their titles."""
    topics = [{page(topic).partition("\n")[0].lstrip("# "): f"{topic}.md"} for topic in TOPICS]
    config.nav = [{"edgebench": "index.md"}, *topics, {"Functions": "functions.md"}, {"Records": "records.md"}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that no file of edgebench/docs holds."""
    functions = [_function(name) for name in edgebench.__all__ if not name.startswith("_")]
    records = [f"::: edgebench.ground.records.{name}" for name in RECORDS]
    made = {
        "index": (ROOT / "README.md").read_text("utf-8").replace("](edgebench/docs/", "](").replace("](.github/", "]("),
        "functions": "\n\n".join(["# Functions", "`import edgebench` has them all.", *functions]),
        "records": "\n\n".join(["# Records", "What the functions return, and what results hold.", *records]),
    }
    for picture in sorted((ROOT / ".github" / "pictures").iterdir()):
        files.append(File.generated(config, f"pictures/{picture.name}", content=picture.read_bytes()))
    for name, text in made.items():
        files.append(File.generated(config, f"{name}.md", content=text + "\n"))
    return files


def _function(name: str) -> str:
    """What help() says of a function, with its options as a table: its signature is made when it is imported."""
    function = getattr(edgebench, name)
    taken = signature(function).parameters
    said, _, options = (function.__doc__ or "").partition("\n\n    ")
    rows = [
        f"| `{option}` | {_default(taken[option])} | {text} |"
        for option, _, text in (line.strip().partition(": ") for line in options.splitlines() if line.strip())
    ]
    table = ["| option | default | |\n|---|---|---|\n" + "\n".join(rows)] if rows else []
    return "\n\n".join([f"## edgebench.{name}", said, *table])


def _default(option: Parameter) -> str:
    return "must be given" if option.default is Parameter.empty else f"`{option.default!r}`"
