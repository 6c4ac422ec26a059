"""Both faces of a command, option by option: what the command line takes, Python takes too, by name and default."""

import inspect
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import edgebench
from edgebench import api
from edgebench.cli import COMMANDS, app
from edgebench.commands.options import Command, spoken
from edgebench.ground.errors import UsageError
from edgebench.training.settings import Settings

SHOWN = {"json", "format", "why", "explain", "at_most", "wide"}
"""How results are shown: the command line's alone. (`format` where it is no export format.)"""
PYTHONS = {"on_progress", "on_pair", "example_inputs"}
"""What hears of progress, and tensors: Python's alone."""
ONLY_SHOWN = {"device_show", "help", "schema"}
"""`edgebench device show` prints what `devices` and `device_list` return; `help` pages; `schema` what --json holds."""


def commands() -> Iterator[tuple[str, Command]]:
    context = click.Context(app)
    for name in COMMANDS:
        found = app.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ((f"{name}_{inner}", each) for inner, each in found.commands.items())  # type: ignore[misc]
        elif isinstance(found, Command):
            yield name, found


FOUND = dict(commands())


@pytest.mark.parametrize("name", [name for name in FOUND if name not in ONLY_SHOWN])
def test_python_takes_what_the_command_line_takes(name: str) -> None:
    context = click.Context(FOUND[name])
    python = inspect.signature(getattr(api, name)).parameters
    shown = {each.name for each in FOUND[name].params} - set(python)
    assert shown <= SHOWN
    assert set(python) - {each.name for each in FOUND[name].params} <= PYTHONS
    for each in FOUND[name].params:
        if each.name in python:
            default, typed = python[each.name].default, each.get_default(context)
            if each.required:
                assert default is inspect.Parameter.empty
            elif isinstance(typed, str | int | float):
                assert typed == (",".join(default) if isinstance(default, tuple) else default)
            else:
                assert not default


@pytest.mark.parametrize("name", FOUND)
def test_every_option_has_help(name: str) -> None:
    told = CliRunner().invoke(app, [*name.split("_"), "--help"])
    assert told.exit_code == 0
    assert all(getattr(each, "help", None) for each in FOUND[name].params)


def test_the_settings_of_a_training_have_the_defaults_of_its_options() -> None:
    taken = inspect.signature(api.train).parameters
    assert {name: taken[name].default for name in Settings.__struct_fields__} == dict(
        zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True)
    )


def test_a_function_says_what_it_takes() -> None:
    assert list(inspect.signature(edgebench.scale).parameters)[:2] == ["device", "family"]
    told = edgebench.profile.__doc__ or ""
    assert "processes: Fresh processes" in told
    assert "float32 tensors; False for int8" in told and "commas" not in told
    assert set(edgebench.__all__) <= set(dir(edgebench))
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'; did you mean 'width'"):
        edgebench.profile("lenet5", widht=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="unknown format 'tflight'"):
        edgebench.export("lenet5", fmt="tflight")  # type: ignore[call-arg]  # as the command line spells it
    with pytest.raises(TypeError, match="unexpected keyword argument 'fmt'"):
        edgebench.export("lenet5", fmt="tflite", format="onnx")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        edgebench.profile("lenet5", "rpi4")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("`per_op` is for times", "--per-op is for times"),
        ("add `precision='int8'`", "add --precision int8"),
        ('choose `format="onnx"`', "choose --fmt onnx"),
        ("`float_io=False` means int8", "--int8-io means int8"),
        ("leave it: `confirmed=False`", "leave it: --no-confirm"),
        ("see `edgebench devices` or `git`", "see `edgebench devices` or `git`"),
    ],
)
def test_the_command_line_names_flags(sentence: str, shown: str) -> None:
    assert spoken(sentence, FOUND["profile"].params) == shown


def test_an_error_names_the_parameter_in_python_and_the_flag_on_the_command_line() -> None:
    with pytest.raises(UsageError, match="`threads` is 0"):
        edgebench.profile("lenet5", threads=0)
    done = CliRunner().invoke(app, ["profile", "lenet5", "--threads", "0"])
    assert str(done.exception) == "--threads is 0; it must be 1 or more"
