"""Options of a command made from the fields of dataclasses, so that each is described in one place.

A parameter of a command may stand for several options. Annotated with a dataclass, it stands for its fields,
and the command gets an object of the class. Annotated as ``Annotated[dict[str, Any], Generated(make)]`` it
stands for what ``make()`` returns, and the command gets the given values, by name. Which options those are is
asked when the command is used, not before: to make those of the networks, all networks are imported.

Metadata of a field: ``help``; ``show``, text or a function that returns it, for what stands behind
"default" in the help; ``hidden=True`` for a field that is no option.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer


@dataclass(frozen=True)
class Generated:
    """Marks a parameter of a command that stands for several options.

    Args:
        make: Returns the options.
    """

    make: Callable[[], Sequence[Parameter]]


def option(
    name: str,
    kind: Any,
    default: Any,
    text: str,
    show: str | bool = True,
    flag: bool = False,
    panel: str | None = None,
) -> Parameter:
    """Make an option as a parameter of a function, which Typer reads.

    Args:
        name: Its name in Python; underscores become hyphens.
        kind: Its type; a ``Literal`` becomes text, since its values are checked where they are used.
        default: Its value where none is given.
        text: One line of help.
        show: Text that stands for the default in the help.
        flag: Offer ``--name`` alone, without ``--no-name``.
        panel: Title of the part of the help in which it stands.
    """
    words = (f"--{name.replace('_', '-')}",) if flag else ()
    info = typer.Option(*words, help=text, show_default=show, rich_help_panel=panel)
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[plain(kind), info]
    )


def plain(kind: Any) -> Any:
    """Return the type behind an annotation that the command line can read.

    Example:
        >>> plain(Literal["sum", "dfm"]), plain(int | None)
        (<class 'str'>, int | None)
    """
    if get_origin(kind) is Literal:
        return type(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return plain(inner) | None
    return kind


def options_of(group: type, panel: str | None = None) -> list[Parameter]:
    """Make an option of each field of a dataclass.

    Args:
        group: The dataclass; its fields have defaults and ``help``.
        panel: Title of the part of the help in which they stand.
    """
    hints, made = get_type_hints(group), []
    for f in fields(group):
        if f.metadata.get("hidden"):
            continue
        show = f.metadata.get("show", True)
        made.append(
            option(
                f.name,
                hints[f.name],
                f.default,
                f.metadata["help"],
                show() if callable(show) else show,
                f.default is False,
                panel,
            )
        )
    return made


def changed(group: Any) -> list[str]:
    """Name the options of a group that are not as by default.

    Args:
        group: An object of a dataclass.
    """
    return [f.name for f in fields(group) if getattr(group, f.name) != f.default]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function some of whose parameters stand for several options.

    Args:
        command: The function.

    Returns:
        What Typer can register. It shows only the options that are known at once; its attribute
        ``complete`` returns the same command with all of them.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {p.name: p for p in signature.parameters.values() if _stands_for_several(p)}
    own = [p for p in signature.parameters.values() if p.name not in groups]

    def complete() -> Callable[..., None]:
        made = {name: _options(p) for name, p in groups.items()}
        everything = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
        everything += [each for options in made.values() for each in options]
        _check_names(p.name for p in everything)

        def run(**values: Any) -> None:
            for name, options in made.items():
                given = {each.name: values.pop(each.name) for each in options}
                values[name] = _collected(groups[name], given)
            command(**values)

        return _presented(run, command, everything)

    if not groups:
        return command

    def run(**values: Any) -> None:
        complete()(**values)

    bare = _presented(run, command, own)
    bare.complete = complete  # type: ignore[attr-defined]
    return bare


def _presented(
    run: Callable[..., None], command: Callable[..., None], parameters: Sequence[Parameter]
) -> Callable[..., None]:
    """Give a function the name and the words of another one, and a signature of its own."""
    functools.update_wrapper(run, command, assigned=("__module__", "__name__", "__doc__"))
    del run.__wrapped__  # type: ignore[attr-defined]  # its signature is the one with groups
    run.__annotations__ = {}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _stands_for_several(parameter: Parameter) -> bool:
    """Whether a parameter is a group."""
    return is_dataclass(parameter.annotation) or _generated(parameter) is not None


def _generated(parameter: Parameter) -> Generated | None:
    """Return the mark of a parameter whose options are generated."""
    marks = getattr(parameter.annotation, "__metadata__", ())
    return next((mark for mark in marks if isinstance(mark, Generated)), None)


def _options(parameter: Parameter) -> list[Parameter]:
    """Make the options of a group."""
    mark = _generated(parameter)
    return options_of(parameter.annotation) if mark is None else list(mark.make())


def _collected(parameter: Parameter, given: Mapping[str, Any]) -> Any:
    """Make of the options' values what the command gets."""
    if _generated(parameter) is None:
        return parameter.annotation(**given)
    return {name: value for name, value in given.items() if value is not None}


def _check_names(names: Iterator[str]) -> None:
    """Raise if two options of a command have one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two options are called --{name.replace('_', '-')}; rename one")
        seen.add(name)
