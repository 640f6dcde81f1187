"""Text and lists of names as arguments: for Python a string is a list, too, letter by letter, and never meant so."""

from __future__ import annotations

__all__ = ["check_list_of_names", "check_text"]


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


def check_text(argument: str, given: object, example: str) -> None:
    """Refuse anything but text, such as a list of names, in the place of text.

    Args:
        argument: What the argument is called.
        given: What was given for it.
        example: How it is written.

    Raises:
        ValueError: If that is no string.
    """
    if not isinstance(given, str):
        raise ValueError(
            f"{argument} must be text such as {example!r}, got the {type(given).__name__} {given!r}"
        )
