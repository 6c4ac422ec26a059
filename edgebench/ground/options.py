"""Options, said once for the command line and for Python.

What a command takes is a class of options, which inherits the groups of options that several commands take. A field is
an option: its annotation is the type and the help, its default the default.

    threads: Annotated[int, "Threads of the runtime."] = 1
    format: Annotated[str | Sequence[str], Several("Formats.", "--fmt")] = "tflite"

`keywords` makes the function that Python calls of one that takes such a class: a type checker derives the keywords from
the class, and so does help(). `commands.options` makes click's parameters of the same fields. So an option is added by
its field, and used where its value is needed. A field without help is Python's alone (`on_progress`), a field before
`_: KW_ONLY` is positional in both; one whose Flag has words for Python alone is in its documentation too.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    NoReturn,
    ParamSpec,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
)

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.paths import shown
from edgebench.ground.progress import in_notebook, silent

P = ParamSpec("P")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
One = TypeVar("One")


@dataclass_transform(frozen_default=True)
class Options:
    """A frozen dataclass to a reader and a type checker; it compiles nothing, as all are made when a command starts."""

    __signature__: ClassVar[Signature] = Signature()

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        """Adds the fields of the class to those that it inherits."""
        found = {
            name: each
            for base in cls.__mro__[:0:-1]
            for name, each in getattr(base, "__signature__", Signature()).parameters.items()
        }
        kind = Parameter.KEYWORD_ONLY if kw_only else Parameter.POSITIONAL_OR_KEYWORD
        for name, annotation in inspect.get_annotations(cls).items():
            if annotation is KW_ONLY:
                kind = Parameter.KEYWORD_ONLY
                continue
            found[name] = Parameter(name, kind, default=getattr(cls, name, Parameter.empty), annotation=annotation)
        cls.__signature__ = Signature(
            sorted(found.values(), key=lambda each: (each.kind, flag_of(each.annotation) is None))
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {name: value for name, value in kwargs.items() if name != "on_progress" or value is not None}
        fields = self.__signature__.parameters
        for name in given.keys() - fields.keys():
            flagged = (own for own, each in fields.items() if (flag := flag_of(each.annotation)) and flag.spells(name))
            own = next(flagged, None)
            if own is not None and own not in given:
                given[own] = given.pop(name)
                continue
            from difflib import get_close_matches

            nearest = get_close_matches(name, fields, n=1, cutoff=0.5)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
            raise TypeError(f"got an unexpected keyword argument '{name}'{hint}")
        bound = self.__signature__.bind(*args, **given)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, str | Path):
                    check_text(str(each), name)
        vars(self).update(bound.arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: make another with replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def replace(self, **changes: Any) -> Self:
        """The same with other values of some fields."""
        return type(self)(**{**vars(self), **changes})

    def values(self, of: "type[Options] | None" = None) -> dict[str, Any]:
        """The values of the fields by their names; `of` a group, those that it has too."""
        return {name: value for name, value in vars(self).items() if of is None or name in of.__signature__.parameters}


class Flag:
    """How the command line takes a field: its help, and the flags where they are not just its name with dashes.

    `python` is what Python says of it where that differs; without a help the field is Python's alone.
    """

    def __init__(self, help: str = "", *flags: str, python: str = "") -> None:
        self.help, self.flags, self.python = help, flags, python or help

    def spells(self, name: str) -> bool:
        """Whether the command line calls the field by this keyword: fmt."""
        return f"--{name}" in self.flags


class Several(Flag):
    """A field of one or several values, which the command line takes with commas."""

    def __init__(self, help: str, *flags: str) -> None:
        super().__init__(f"{help} Several with commas.", *flags, python=help)


def flag_of(annotation: Any) -> Flag | None:
    """The flag of an annotated field; None for one that is Python's alone."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((Flag(mark) if isinstance(mark, str) else mark for mark in marks), None)


def keywords(options: Callable[P, Asked]) -> Callable[[Callable[[Asked], Answer]], Callable[P, Answer]]:
    """Makes a function of the class `options` one of its fields, with a signature and a documentation to match."""

    def decorate(function: Callable[[Asked], Answer]) -> Callable[P, Answer]:
        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> Answer:
            asked: Any = options(*args, **kwargs)
            if getattr(asked, "on_progress", None) is not silent:
                return function(asked)
            with in_notebook() as show:
                return function(asked.replace(on_progress=show))

        signature = inspect.signature(options)
        found = [(each, flag_of(each.annotation)) for each in signature.parameters.values()]
        bare = [each.replace(annotation=get_args(each.annotation)[0]) if flag else each for each, flag in found]
        told = [f"    {each.name}: {flag.python}" for each, flag in found if flag]
        answer = function.__annotations__.get("return")
        called.__signature__ = signature.replace(parameters=bare, return_annotation=answer)  # type: ignore[attr-defined]
        called.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", *told])
        return called

    return decorate


def check_text(text: str, option: str) -> None:
    """Raises UsageError for what no record, engine or system takes: bytes that are no UTF-8, or a zero."""
    if "\0" in text or (not text.isprintable() and shown(text) != text):
        raise UsageError(f"`{option}` is '{shown(text)}', which is not text in UTF-8: rename it, or name another")


def many(value: One | Sequence[One]) -> tuple[One, ...]:
    """One value, which is no list, or several."""
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)  # type: ignore[return-value]


def listed(value: str | Sequence[str] | None, kind: str, choices: Iterable[str]) -> tuple[str, ...]:
    """Several names, or a text of them with commas, each once; raises UsageError for an unknown or empty one."""
    known = tuple(choices)
    parts = value.split(",") if isinstance(value, str) else value or ()
    found = tuple(dict.fromkeys(part.strip().lower() for part in parts))
    for each in found:
        if each not in known:
            raise unknown(kind, each, known)
    return found


def whole_numbers(value: int | str | Sequence[int], option: str) -> tuple[int, ...]:
    """One whole number, several, or a text of them with commas; raises UsageError for anything below one."""
    parts = str(value).split(",") if isinstance(value, int | str) else [str(each) for each in value]
    if not all(part.strip().isascii() and part.strip().isdecimal() for part in parts):
        raise UsageError(f"`{option}` is '{value}'; it must be whole numbers such as 1,4")
    return tuple(dict.fromkeys(positive(int(part), option) for part in parts))


def within(value: int, option: str, least: int, most: int) -> int:
    """Returns `value`, or raises UsageError when it is not from `least` to `most`."""
    if not least <= value <= most:
        raise UsageError(f"`{option}` is {value}; it must be from {least} to {most}")
    return value


def positive(value: int, option: str) -> int:
    """Returns `value`, or raises UsageError when it is below one."""
    if value < 1:
        raise UsageError(f"`{option}` is {value}; it must be 1 or more")
    return value
