"""Workflow commands of GitHub Actions: what failed as errors, what is open as warnings, what got better as notices."""

from __future__ import annotations

from edgebench.report.comparison.sheet import Sheet

_LEVELS = {"fail": "error", "undecided": "warning", "better": "notice"}


def github(sheet: Sheet) -> str:
    """One annotation a line that says something, and one that sums up."""
    commands = [
        command(_LEVELS[line.outcome], f"edgebench: {line.verdict}", f"{line.title}: {line.reason}")
        for line in sheet.sorted_lines
        if line.outcome in _LEVELS
    ]
    return "\n".join([*commands, command("notice", "edgebench", f"{sheet.title}: {sheet.summary}")]) + "\n"


def command(level: str, title: str, message: str) -> str:
    """One workflow command: an annotation of that level (error, warning, notice)."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """Escaped as @actions/toolkit does (packages/core/src/command.ts), so that no text can begin a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
