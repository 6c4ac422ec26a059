"""The line of progress that a notebook shows."""

import sys
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from edgebench.ground import progress
from edgebench.ground.progress import Step, in_notebook, one_of, silent


class Handle:
    """IPython's display handle, as far as it is used."""

    shown: ClassVar[list[str]] = []

    def display(self, line: Any) -> None:
        self.shown.append(f"display {line!r}")

    def update(self, line: Any) -> None:
        self.shown.append(f"update {line!r}")
        line._repr_html_()


def test_of_several_devices_these_are_counted() -> None:
    shown: list[Step] = []
    one_of(shown.append, ["rpi4", "pixel4"], 1)(Step(0, 3, "lenet5", "loading"))
    one_of(shown.append, ["rpi4"], 0)(Step(2, 3, "lenet5", "loading"))
    assert shown == [Step(1, 2, "pixel4: lenet5", "loading"), Step(2, 3, "lenet5", "loading")]


def test_outside_of_a_notebook_nothing_is_shown() -> None:
    with in_notebook() as show:
        assert show is silent


def test_a_notebook_has_one_line_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(DisplayHandle=Handle))  # type: ignore[arg-type]
    monkeypatch.setattr(progress, "OFTEN_S", 1e9)
    with in_notebook() as show:
        for step in (Step(0, 2, "a", "loading"), Step(0, 2, "a", "too soon"), Step(1, 2, "<b>", "running")):
            show(step)
    assert Handle.shown == ["display [0/2] a: loading", "update [1/2] <b>: running", "update "]
    html = progress._Line(Step(1, 2, "<b>"))._repr_html_()
    assert "value='1' max='2'" in html and "&lt;b&gt;" in html
