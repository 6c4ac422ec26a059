"""Click's commands, made of functions that take a dataclass of options: see edgebench.ground.options.

    @command
    def profile(asked: options.Profile, *, json: Json = False) -> None: ...

The first argument holds what Python's function of that name takes too. What follows is the command line's alone: how
results are shown. Errors and warnings of the library name options as Python does; here they become flags.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import cache
from inspect import Parameter, cleandoc, signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TextIO, TypeVar, get_args, get_origin

import click
from click.core import ParameterSource

from edgebench.commands import completion, project
from edgebench.ground.errors import EdgebenchError, EdgebenchWarning, UsageError
from edgebench.ground.options import Options, flag_of
from edgebench.report import output
from edgebench.run import options as every

Answer = TypeVar("Answer")
Json = Annotated[bool, "Print one JSON document and nothing else."]

INTERRUPTED: Final = 130
PROJECT: Final = "edgebench.project"  # where a context keeps its parameters, a file's name, and which of them it says
ALL: Final = "Show every column of a table, however long its lines."
TABLES: Final = ("json", "format")  # what a command takes that prints tables
EXACT: Final = 2**53  # JSON keeps whole numbers below it as they are
KINDS: Final = (str, Path, float, int, bool)  # an option is read as the first of these that its annotation has
QUOTES: Final = "'\""
NAMED: Final = re.compile(r"`([a-z0-9_]+)(?:=([^`]+))?`")


class Command(click.Command):
    """A command whose errors and warnings name flags. It makes its parameters when they are asked for."""

    def __init__(self, name: str, *, options: Sequence[Parameter], tables: bool, **how: Any) -> None:
        self.options, self.tables = options, tables
        self._params: list[click.Parameter] = []
        super().__init__(name, **how)

    @property
    def params(self) -> list[click.Parameter]:
        """What it takes."""
        if not self._params:
            self._params = [made for each in self.options if (made := _parameter(each)) is not None]
            if self.tables:
                self._params.append(
                    click.Option(["--wide"], is_flag=True, expose_value=False, callback=_wide, help=ALL)
                )
            for each in self._params:
                if isinstance(each, click.Argument | click.Option) and each.help:
                    each.help = spoken(each.help, self._params)
        return self._params

    @params.setter
    def params(self, params: list[click.Parameter]) -> None:
        self._params = params

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The same with the defaults of the project's own file."""
        if PROJECT not in ctx.meta:
            root = ctx.find_root().command
            names = root.list_commands(ctx) if isinstance(root, click.Group) else ()
            made = [copy(each) for each in super().get_params(ctx)]
            ctx.meta[PROJECT] = made, *project.fill(self.name or "", made, names, lambda: _anywhere().values())
        return list(ctx.meta[PROJECT][0])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command, and says what it warns of on standard error."""
        _, file, filled = ctx.meta[PROJECT]
        taken = [name for name in filled if ctx.get_parameter_source(name) is ParameterSource.DEFAULT]
        if taken:
            output.note(f"{file} says {', '.join(taken)}")
        try:
            with _warnings_printed(self.params), output.all_columns(ctx.meta.get("wide", False)):
                return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise click.exceptions.Exit(INTERRUPTED) from interrupt
        except EdgebenchError as error:
            error.args = (spoken(str(error), self.params),)
            raise


class Group(click.Group):
    """Commands, listed as they were added: in the order of work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)


def command(function: Callable[..., None]) -> Command:
    """Makes a command of a function, named as it is (`list_` is list); its documentation is the help."""
    asked, *own = signature(function).parameters.values()
    options = asked.annotation
    taken: Mapping[str, Parameter] = options.__signature__.parameters

    def called(**given: Any) -> None:
        chosen = {name: value for name, value in given.items() if value is not None}
        theirs = {name: chosen.pop(name) for name in taken if name in chosen}
        function(options(**theirs), **chosen)

    return Command(
        function.__name__.rstrip("_"),
        callback=called,
        options=[*taken.values(), *own],
        tables=any(each.name in TABLES for each in own),
        help=cleandoc(function.__doc__ or ""),
    )


def run(function: Callable[..., Answer], asked: Options) -> Answer:
    """What a function of edgebench.api returns for these options, with its progress shown on standard error.

    What records warn of, and why one failed, is in the command line's words.
    """
    with output.progress() as report:
        answer = function(**{**asked.values(), "on_progress": report})
    if isinstance(answer, list):
        answer[:] = map(worded, answer)
    return answer


def worded(record: Any) -> Any:
    """A record whose warnings and error are in the words of the command that runs."""
    import dataclasses

    from msgspec import structs

    own = click.get_current_context().command.params
    replace: Any = dataclasses.replace if dataclasses.is_dataclass(record) else structs.replace
    error = record.error and spoken(record.error, own)
    return replace(record, warnings=tuple(spoken(each, own) for each in record.warnings), error=error)


def show(found: Answer, blocks: Callable[[Answer], Iterable[Any]], *, json: bool) -> None:
    """Prints what was found as one JSON document, or as the blocks that are made of it."""
    if json:
        output.json(found)
    else:
        output.blocks(*blocks(found))


def note(sentence: str) -> None:
    """Prints a remark of the library to standard error, with the flags of the command that runs."""
    output.note(spoken(sentence, click.get_current_context().command.params))


def _wide(context: click.Context, _option: click.Parameter, wide: bool) -> None:
    context.meta["wide"] = wide


def _parameter(option: Parameter) -> click.Parameter | None:
    """What click calls an option of a signature; None for one that is Python's alone."""
    flag = flag_of(option.annotation)
    if flag is None or not flag.help:
        return None
    held = get_args(option.annotation)[0]
    types = {get_origin(each) or each for each in (get_args(held) if isinstance(held, UnionType) else (held,))}
    how: dict[str, Any] = {"type": next((each for each in KINDS if each in types), str)}
    if types & {str, Path}:
        how["shell_complete"] = lambda _context, own, begun: completion.offered(own, begun, files=Path in types)
    if Mapping in types:
        how |= {"multiple": True, "callback": lambda _context, _option, pairs: switches(pairs)}
    elif option.default is Parameter.empty:
        how["required"] = True
    elif option.default not in (None, "", ()):
        how["default"] = ",".join(option.default) if isinstance(option.default, tuple) else option.default
    if option.kind is not Parameter.KEYWORD_ONLY and not flag.flags:
        count = -1 if Sequence in types else 1
        return click.Argument([option.name], help=flag.help, nargs=count, **{"required": False, **how})
    flags = flag.flags or (f"--{option.name.replace('_', '-')}",)
    pair = "/" in flags[0]
    if bool in types and not pair:
        how |= {"is_flag": True, "flag_value": not option.default}
    return click.Option([*flags, option.name], help=flag.help, show_default=pair or bool not in types, **how)


def spoken(sentence: str, own: Iterable[click.Parameter]) -> str:
    """A sentence of the library in the command line's words: `per_op` is --per-op, `precision="int8"` --precision int8.

    The flags are those of the command; of what only other commands have, the name with dashes.
    """
    known = {each.name: each for each in own}

    def flag(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        option = known.get(name) or _anywhere().get(name)
        if option is None:
            return found[0]
        if isinstance(option, click.Argument):
            return name
        shown = (option.secondary_opts or option.opts if value == "False" else option.opts)[0]
        return shown if value in (None, "True", "False") else f"{shown} {value.strip(QUOTES)}"

    return NAMED.sub(flag, sentence)


@cache
def _anywhere() -> dict[str | None, click.Parameter]:
    """The options of all commands by their names: a sentence may speak of what another command takes."""
    groups = [each for each in vars(every).values() if isinstance(each, type) and issubclass(each, Options)]
    made = [_parameter(option) for group in groups for option in group.__signature__.parameters.values()]
    return {each.name: each for each in made if isinstance(each, click.Option)}


@contextmanager
def _warnings_printed(own: Sequence[click.Parameter]) -> Iterator[None]:
    """Shows EdgebenchWarnings as sentences; others as Python does."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", EdgebenchWarning)
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, EdgebenchWarning):
                output.warn(spoken(str(message), own))
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def switches(pairs: Iterable[str] | None) -> dict[str, int | float | bool | str]:
    """Parses NAME=VALUE; a value is true, false, a number, or else text. Raises UsageError without a name or a "="."""
    found: dict[str, int | float | bool | str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise UsageError(f"--option {pair} is not NAME=VALUE, such as groups=2")
        found[name] = _value(value)
    return found


def _value(text: str) -> int | float | bool | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(text)
            if abs(number) < EXACT:  # and so neither infinite nor nan
                return number
    return text
