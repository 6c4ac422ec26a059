import sys

import pytest

from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.registry import Registry

ENTRIES = {
    "json_encoder": "json:JSONEncoder",
    "absent": "a_package_that_is_not_there:thing",
    "absent_plain": "another_absent_package:thing",
}
REGISTRY = Registry("codec", ENTRIES, extras={"absent": "coreml"})


@pytest.mark.parametrize("spelling", ["json_encoder", "json-encoder", "JSONEncoder"])
def test_spelling_does_not_matter(spelling: str) -> None:
    assert REGISTRY.resolve(spelling) == "json_encoder"


def test_listing_imports_nothing() -> None:
    assert list(REGISTRY) == list(ENTRIES)
    assert "a_package_that_is_not_there" not in sys.modules


def test_load_imports_the_attribute() -> None:
    import json

    assert REGISTRY.load("json_encoder") is json.JSONEncoder


def test_missing_package_with_an_extra() -> None:
    with pytest.raises(MissingPackage, match=r"pip install 'edgebench\[coreml\]'"):
        REGISTRY.load("absent")


def test_missing_package_without_an_extra() -> None:
    with pytest.raises(UsageError, match="pip install another_absent_package"):
        REGISTRY.load("absent_plain")


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="did you mean json_encoder"):
        REGISTRY.load("json_encode")
