"""How a command says what went wrong: one sentence and an exit code; with ``--debug`` also the traceback."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

MISTAKES = (ValueError, OSError, FloatingPointError, ImportError)
"""What a user can mend; missing files, folders and connections are kinds of ``OSError``, missing optional packages
of ``ImportError``."""

REMEDIES = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of this path is a file where a folder is needed, choose another path",
    errno.EEXIST: "a folder is needed in the place of this file, choose another path",
    errno.EISDIR: "a file is needed in the place of this folder, choose another path",
    errno.EACCES: "choose a path you may use, or change its permissions",
    errno.EPERM: "choose a path you may use, or change its permissions",
    errno.EROFS: "choose a path on another disk",
    errno.ENOSPC: "make room and call again",
}


LONGEST = 2000
"""Characters of a message; a damaged file may be quoted in it."""

MEMORY = ("can't allocate memory", "out of memory")
"""What PyTorch says, in a ``RuntimeError``, when there is not enough of it."""

_debug = [False]


def show_tracebacks(wanted: bool) -> None:
    """Decide whether errors of the command that follows end with their traceback.

    Args:
        wanted: Whether ``--debug`` was given.
    """
    _debug[0] = wanted


def sentence(error: Exception) -> str:
    """What an error says, in one line.

    Our own errors are sentences already; those of the operating system get the remedy added, and those of GDAL
    their cause. What nobody has foreseen is called so.

    Args:
        error: Any.

    Example:
        >>> sentence(NotADirectoryError(errno.ENOTDIR, "Not a directory", "notes.txt/run"))
        'notes.txt/run: not a directory; a part of this path is a file where a folder is needed, choose another path'
    """
    if isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY):
        return f"{_plain(error)}: not enough memory; choose smaller sizes or batches, or another device"
    if not isinstance(error, MISTAKES):
        kind = type(error).__name__
        return (
            f"unforeseen {kind} ({_plain(error)}); call again with --debug and report what it says"
        )
    if str(error).endswith("See previous exception for details.") and error.__cause__ is not None:
        return f"{_plain(error.__cause__)}; the file is damaged, copy or export it again"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        remedy = REMEDIES.get(error.errno, "check the path and the disk")
        return f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}; {remedy}"
    return _plain(error)


def _plain(error: BaseException) -> str:
    """What an error says on one line that can be read."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


class _Echo(logging.Handler):
    """Prints the library's remarks as the commands print their own."""

    def __init__(self, reword: Callable[[str], str]) -> None:
        super().__init__()
        self._reword = reword

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"note: {self._reword(record.getMessage())}", err=True)


@contextmanager
def remarks_as_notes(reword: Callable[[str], str] = str) -> Iterator[None]:
    """While a command runs, what the library remarks about files is printed as ``note: …`` on stderr.

    Args:
        reword: Turns a remark into what the command says.
    """
    logger, echo = logging.getLogger("mfnet_lite"), _Echo(reword)
    propagates = logger.propagate
    logger.addHandler(echo)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(echo)
        logger.propagate = propagates


def plain_errors(
    command: Callable[..., None], reword: Callable[[str], str] = str
) -> Callable[..., None]:
    """Turn errors with a message for users into one line on stderr.

    Args:
        command: What runs.
        reword: Turns errors and notes into what this command says of them.

    Returns:
        The same command.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with remarks_as_notes(reword):
                command(*args, **kwargs)
        except (typer.Exit, typer.Abort):  # what typer itself ends a command with
            raise
        except KeyboardInterrupt as stopped:
            typer.echo(str(stopped) or "stopped", err=True)
            raise typer.Exit(130) from None
        except Exception as error:  # also what is not foreseen: no traceback that nobody asked for
            if _debug[0]:
                raise
            typer.echo(f"error: {reword(sentence(error))}", err=True)
            raise typer.Exit(1) from None

    return wrapped
