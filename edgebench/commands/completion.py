"""What a shell offers after a tab, and where the script that asks for it is put."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from edgebench.ground import paths, registry
from edgebench.ground.errors import UsageError
from edgebench.machines import device_files

ASKS: Final = "_EDGEBENCH_COMPLETE"  # a shell sets it, and says in it which shell it is


def _topics() -> Iterable[str]:
    from edgebench.commands.help import TOPICS

    return TOPICS


def _documents() -> Iterable[str]:
    from edgebench.report.documents import DOCUMENTS

    return DOCUMENTS


def _targets() -> Iterable[str]:
    from edgebench.deployment.target import TARGETS

    return TARGETS


# By the name of the option; where files are as good an answer, the shell offers them beside the names.
OFFERED: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "model": registry.networks,
    "base": registry.networks,
    "family": registry.networks,
    "device": device_files.names,
    "name": device_files.names,
    "format": lambda: registry.FORMATS,
    "precision": lambda: ("fp32", "fp16", "int8"),
    "to": _targets,
    "topic": _topics,
    "document": _documents,
    "via": lambda: ("ssh", "adb", "emulator", "estimate", "local"),
    "data": lambda: ("digits", "synthetic:shapes", "synthetic:textures"),
}
FILES: Final = ("model", "name", "data")
SCRIPTS: Final = {
    "bash": ".local/share/bash-completion/completions/edgebench",
    "zsh": ".zfunc/_edgebench",
    "fish": ".config/fish/completions/edgebench.fish",
}
"""Where each shell looks, below the home folder."""


def offered(option: click.Parameter, incomplete: str, *, files: bool) -> list[CompletionItem]:
    """What goes on from `incomplete`; of a list with commas, its last part. `files` is whether it may be one."""
    known = OFFERED.get(option.name or "")
    before, comma, last = incomplete.rpartition(",")
    names = [CompletionItem(f"{before}{comma}{each}") for each in known() if each.startswith(last)] if known else []
    return [*names, *([CompletionItem(incomplete, type="file")] if files or option.name in FILES else [])]


def install(shell: str) -> Path:
    """Writes the script for a shell, bash, zsh or fish, where that looks for it, and returns where.

    Raises UsageError for another shell, and where the file cannot be written.
    """
    known = get_completion_class(shell)
    if shell not in SCRIPTS or known is None:
        raise UsageError(f"there is no completion for the shell '{shell}': name bash, zsh or fish")
    path = Path.home() / SCRIPTS[shell]
    paths.write(path, known(click.Command("edgebench"), {}, "edgebench", ASKS).source())
    return path


def current() -> str:
    """The name of the user's shell, as the system says it."""
    return Path(os.environ.get("SHELL", "")).name
