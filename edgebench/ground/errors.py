"""The errors a user can meet, and the exit code each one ends the command with.

    EdgebenchError            1   base; never raised itself
    ├── Regression            1   something became worse, is over its budget, or is missing
    ├── UsageError            2   bad input: the message names the value, the choices and what to do
    │   ├── MissingPackage    2   an optional package is needed; the message is the pip command
    │   └── NotKept          74   what was measured could not be written, though it was shown
    ├── Inconclusive          3   the data cannot carry a verdict
    └── JobError              4   the work was asked for correctly and failed
        ├── ExportError       4   a conversion failed or its file does not compute what torch computes
        ├── DeviceError       4   a device or runtime failed while measuring
        └── TrainingError     4   a training broke off; what it had saved before is whole

Exit code 0 is success, 1 a regression or an exceeded budget, 70 a fault of edgebench (a file with what a report of it
needs is kept), 74 output that could not be written, 130 an interrupt, 143 a termination.

A message names an option as Python does, between backticks: `per_op`, `precision="int8"`, `confirmed=False`. The
command line shows the flag instead: --per-op, --precision int8, --no-confirm. What a user should know without being
stopped is an EdgebenchWarning, which the command line prints.
"""

import re
import warnings
from collections.abc import Iterable
from typing import Final

MOST_LISTED: Final = 60  # names that a sentence can hold beside some that are near
LONGEST: Final = 300  # characters of what an engine says
# What leads to an engine's sentence: its name and number of the error, a line of its sources, and the function there.
PLACE: Final = re.compile(r"^(\[\w+\] : \d+ : \w+ : (.*? failed:)?)?(.*?[\w/]+\.(cc|cpp|h):\d+ \w.*?\) (?=[A-Z]))?")


class EdgebenchError(Exception):
    """Base of every error that edgebench raises on purpose; printed as one sentence, without a traceback."""

    exit_code = 1


class Regression(EdgebenchError):
    """Something became worse than its baseline or its budget allows, failed, or is missing."""


class UsageError(EdgebenchError):
    """Bad input. The message names the value, the choices, and what to do next."""

    exit_code = 2


class MissingPackage(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: pip install 'edgebench[{extra}]'")
        self.package = package


class NotKept(UsageError):
    """The disk did not take a result. Whoever has measured it shows it before this ends the command."""

    exit_code = 74


class Inconclusive(EdgebenchError):
    """The samples cannot carry a verdict; the message says what is missing."""

    exit_code = 3


class JobError(EdgebenchError):
    """Correctly requested work that failed."""

    exit_code = 4


class ExportError(JobError):
    """A conversion failed, or the written file does not compute what torch computes."""


class Uncheckable(ExportError):
    """A file was written that nothing on this machine can run, so it is not known whether it is right."""


class DeviceError(JobError):
    """A device or its runtime failed while loading or measuring."""


class TrainingError(JobError):
    """A training broke off; the last good checkpoint is kept, and the message says where."""


class EdgebenchWarning(UserWarning):
    """What a user should know of something that goes on."""


def warn(sentence: str) -> None:
    """Tells a user what does not stop the work: a Python warning, a line on standard error of the command line."""
    warnings.warn(sentence, EdgebenchWarning, stacklevel=2)


def printable(sentence: str) -> str:
    """A sentence on one line: a terminal's commands, and what cannot be encoded, as Python writes them in strings."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in sentence)


def reason(error: OSError) -> str:
    """Why the system refused, as a clause: "no space left on device"."""
    return (error.strerror or type(error).__name__).lower()


def first_line(message: object) -> str:
    """What an engine says, in one line, without the place in its own sources and cut where it is endless."""
    lines = str(message).strip().splitlines() or [type(message).__name__]
    return PLACE.sub("", lines[0].strip())[:LONGEST]


def unknown(kind: str, value: str, choices: Iterable[str]) -> UsageError:
    """The error for an unknown name: the value, the nearest names, and the choices where few or none is near."""
    from difflib import get_close_matches

    known = sorted(choices)
    nearest = get_close_matches(value, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else "."
    listed = "" if nearest and len(known) > MOST_LISTED else f" Known: {', '.join(known)}"
    return UsageError(f"unknown {kind} '{value}'{hint}{listed}")
