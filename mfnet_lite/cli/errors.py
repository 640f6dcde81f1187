"""How a command says what went wrong: one sentence and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import typer

MISTAKES = (ValueError, FileNotFoundError, FileExistsError, FloatingPointError, ConnectionError)


def plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors with a message for users into one line on stderr."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except MISTAKES as error:
            typer.echo(f"error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as stopped:
            typer.echo(f"stopped. {stopped}", err=True)
            raise typer.Exit(130) from None

    return wrapped
