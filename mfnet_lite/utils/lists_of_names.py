"""Lists of names as arguments: a string is one too for Python, letter by letter, and never meant so."""

from __future__ import annotations

__all__ = ["check_list_of_names"]


def check_list_of_names(argument: str, given: object) -> None:
    """Refuse a string in the place of a list of names.

    Args:
        argument: What the argument is called.
        given: What was given for it.

    Raises:
        ValueError: If that is a string.
    """
    if isinstance(given, str):
        raise ValueError(
            f"{argument} must be a list of names, got the string {given!r}; write [{given!r}]"
        )
