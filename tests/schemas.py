"""Holding JSON documents against their schemas."""

import json
from functools import cache
from typing import Any

import jsonschema

from edgebench.report import documents

VALIDATION = {"devices": "validation", "device show": "validation"}
"""What prints a document of another's name with --validation."""


@cache
def _validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(documents.schema(name))


def check(text: str, command: str) -> None:
    """Raises AssertionError where `text` is none of the documents that the command prints."""
    names = [name for name in documents.DOCUMENTS if name == command or name.startswith(f"{command}-")]
    names += [VALIDATION[command]] if command in VALIDATION else []
    assert names, f"edgebench {command} prints JSON that has no schema in edgebench/report/documents.py"
    value = json.loads(text)
    errors = [next(_validator(name).iter_errors(value), None) for name in names]
    assert None in errors, f"edgebench {command}: {errors[0]}"
