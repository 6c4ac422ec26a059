"""CSV rows as typed records."""

import msgspec
import pytest

from edgebench.ground.tables import read_csv


class Line(msgspec.Struct):
    name: str
    size: int
    share: float
    note: str = "none"


def test_cells_become_what_the_fields_are() -> None:
    assert list(read_csv('name,size,share,note\n"a, b",3,1,\nc,4,0.5,seen\n', Line)) == [
        Line("a, b", 3, 1.0),
        Line("c", 4, 0.5, "seen"),
    ]


@pytest.mark.parametrize(
    ("line", "said"), [("a,x,1,", r"line 2: .*int.*\$\.size"), ("a,1", "line 2: .*missing required field `share`")]
)
def test_a_wrong_cell_is_named_with_its_line(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(read_csv(f"name,size,share,note\n{line}\n", Line))
