"""What a network's outputs are called, and which of them each class of a data set stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.paths import check_there

if TYPE_CHECKING:
    from edgebench.data.dataset import Dataset, Labels

_SYNSET: Final = re.compile(r"(n[0-9]{8})[\s,]+(.+)")
HOW: Final = "name all outputs in their order by `labels`, a text file with one a line"


def read(given: str | Path | Sequence[str]) -> tuple[str, ...]:
    """The names in a list, a text file (one a line), a .json file (a list, or names by number) or a folder of classes.

    Raises UsageError for a file that cannot be read, or holds something else.
    """
    if not isinstance(given, str | Path):
        return tuple(given)
    path = Path(given)
    check_there(path)
    if path.is_dir():
        from edgebench.data import load, splits

        own = splits(str(path))
        return load(str(path), split=own[0]).classes
    try:
        text = path.read_text("utf-8-sig")
        found = msgspec.json.decode(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise UsageError(f"cannot read labels from {path}: {error}") from error
    if isinstance(found, dict):
        if not all(key.isdecimal() for key in found):
            raise UsageError(f"{path} does not name outputs by number: give a list of names, or names by number")
        found = [found[key] for key in sorted(found, key=int)]
    if not isinstance(found, list):
        raise UsageError(f"{path} holds no list of labels: give one, or names by number")
    names = [str(each[-1] if isinstance(each, list) and each else each).strip() for each in found]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise UsageError(f"{path} holds no labels: give a text file with one a line")
    return tuple(names)


@dataclass(frozen=True, eq=False)
class Matched:
    """The output that each class of a data set is, int64 [classes]; what each output is called; and what to say."""

    outputs: Labels
    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def match(what: str, outputs: int | None, labels: Sequence[str], images: Dataset) -> Matched:
    """Matches classes to outputs by their names where these are known, else by their order.

    Raises UsageError where a class is none of the names, or where there are other numbers of both.
    """
    if labels and outputs != len(labels):
        raise UsageError(f"{what} has {outputs} outputs, and {len(labels)} labels are given: {HOW}")
    found = _by_name(labels, images.classes) if labels else {}
    if found:
        missing = [name for name in images.classes if name not in found]
        if missing:
            raise unknown(f"class among the labels of {what}", missing[0], labels)
        return Matched(np.asarray([found[name] for name in images.classes], np.int64), tuple(labels))
    check_number(what, outputs, images)
    warnings = []
    if labels:
        warnings.append(
            f"no class of {images.name} is called as an output is ({images.classes[0]}; {labels[0]}): they are matched"
            " by order"
        )
    elif shown := _numbers_as_text(images.classes):
        warnings.append(
            f"the classes of {images.name} are numbers in the order of their text ({shown}), as torchvision's"
            f" ImageFolder takes them: where the outputs are in another order, {HOW}"
        )
    return Matched(np.arange(len(images.classes)), images.classes, tuple(warnings))


def check_number(what: str, outputs: int | None, images: Dataset) -> None:
    """Raises UsageError where outputs cannot be matched to classes by their order."""
    classes = len(images.classes)
    if outputs == classes:
        return
    if outputs == classes + 1:
        raise UsageError(
            f"{what} has {outputs} outputs and {images.name} has {classes} classes: if one output is a background"
            f" class, {HOW}, that one too"
        )
    raise UsageError(
        f"{what} has {outputs} classes and {images.name} has {classes}: give a network with as many (`classes`), the"
        f" data that it was trained on, or {HOW}"
    )


def _by_name(labels: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """The output of each class that is called as it; the first where several are."""
    numbers: dict[str, int] = {}
    for number, label in enumerate(labels):
        for name in _names(label):
            numbers.setdefault(name, number)
    keys = {name: next((key for key in _names(name) if key in numbers), None) for name in classes}
    return {name: numbers[key] for name, key in keys.items() if key is not None}


def _names(label: str) -> list[str]:
    """What a label may be called: whole, by its synset, by each of its synonyms; dashes and case do not count."""
    synset = _SYNSET.fullmatch(label.strip())
    words = [label, *(synset.groups() if synset else ())]
    parts = [*words, *(part for word in words for part in word.split(","))]
    return [re.sub(r"[\s_-]+", " ", part).strip().casefold() for part in parts]


def _numbers_as_text(classes: Sequence[str]) -> str:
    """The beginning of class names that are numbers, in an order that is not theirs; else empty."""
    ordered = all(name.isdecimal() for name in classes) and list(classes) != sorted(classes, key=int)
    return f"{', '.join(classes[:5])} ..." if ordered else ""
