"""The tables that are shipped as CSV: rows become typed records, and a wrong value is an error that names its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import TypeVar

import msgspec

Row = TypeVar("Row")


def read_csv(text: str, type: type[Row]) -> Iterator[Row]:
    """Yields a row of `text` (with a line of names first) for each line, its values converted to the fields of `type`.

    An empty cell is a field's default. Raises ValueError for a line that is not such a row.
    """
    for number, line in enumerate(csv.DictReader(StringIO(text)), 2):
        try:
            yield msgspec.convert({name: value for name, value in line.items() if value}, type, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"line {number}: {error}") from error
