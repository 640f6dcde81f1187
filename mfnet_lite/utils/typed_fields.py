"""Whether values from a JSON file are of the types that a dataclass states for its fields.

Python does not check them, so that a string where a number belongs fails later, far from the file, and a sentence that
names the file is not possible any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["check_fields", "fits_type"]

NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    NoneType: "null",
}


def check_fields(kind: type, values: Mapping[str, Any]) -> None:
    """Compare values with the types of a dataclass's fields; names that it lacks are left alone.

    Args:
        kind: The dataclass.
        values: By field.

    Raises:
        ValueError: If one is of another type; a list passes for a tuple, a whole number for a number.

    Example:
        >>> from dataclasses import make_dataclass
        >>> check_fields(make_dataclass("Size", [("width", int)]), {"width": "wide"})
        Traceback (most recent call last):
        ValueError: width is 'wide', expected a whole number
    """
    hints = get_type_hints(kind)
    for name in (field.name for field in fields(kind)):
        if name in values and not fits_type(values[name], hints[name]):
            found = repr(values[name])
            found = found if len(found) <= 80 else found[:79] + "…"
            raise ValueError(f"{name} is {found}, expected {_in_words(hints[name])}")


def fits_type(value: Any, hint: Any) -> bool:
    """Say whether a value from JSON may stand where a type is stated.

    Args:
        value: The value.
        hint: The type; kinds that JSON does not have fit everything.

    Example:
        >>> fits_type([1, 2], tuple[int, ...]), fits_type([1, "b"], tuple[int, ...])
        (True, False)
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits_type(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin in (tuple, list):
        return isinstance(value, tuple | list) and _all_fit(value, inner, origin)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits_type(k, inner[0]) and fits_type(v, inner[1]) for k, v in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if hint in NAMES else True


def _all_fit(values: Any, inner: tuple[Any, ...], origin: Any) -> bool:
    """Compare the members of a sequence."""
    if not inner:
        return True
    if origin is list or inner[-1] is Ellipsis:
        return all(fits_type(value, inner[0]) for value in values)
    return len(values) == len(inner) and all(map(fits_type, values, inner))


def _in_words(hint: Any) -> str:
    """Name a type for a sentence."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(one) for one in inner)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (tuple, list):
        return f"a list of {_in_words(inner[0]).removeprefix('a ')}s" if inner else "a list"
    if origin is dict:
        return "an object"
    return NAMES.get(hint, getattr(hint, "__name__", str(hint)))
