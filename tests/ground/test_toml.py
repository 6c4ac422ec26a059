"""TOML that is written is read back equal."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.toml import show

scalars = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
)
values = scalars | st.lists(scalars, max_size=3)
keys = st.text("abcdefgh_", min_size=1, max_size=4)
tables = st.dictionaries(keys, values | st.dictionaries(keys, scalars, max_size=3), max_size=4)


@given(tables, st.lists(tables.filter(bool), max_size=3))
def test_what_is_written_is_read_back(top: dict[str, Any], listed: list[dict[str, Any]]) -> None:
    data = dict(sorted(top.items(), key=lambda item: isinstance(item[1], dict))) | ({"rows": listed} if listed else {})
    assert tomllib.loads(show(data)) == data


def test_tables_of_an_array_are_each_on_a_line() -> None:
    text = show({"name": "x", "rows": [{"size": 1, "cycles": {"load": 0.5}}, {"size": 2}]})
    assert text == 'name = "x"\n\n[[rows]]\nsize = 1\ncycles = {load = 0.5}\n\n[[rows]]\nsize = 2\n'
