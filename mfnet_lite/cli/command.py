"""The kind of command that this command line is made of."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from mfnet_lite.cli.errors import show_tracebacks
from mfnet_lite.cli.spellings import modern

DEBUG = "--debug"


class Command(TyperCommand):
    """A command that knows old spellings, and makes generated options when it is used."""

    def get_params(self, ctx: Any) -> Any:
        """Return the options; parsing and ``--help`` ask for them first, a list of commands does not."""
        complete = getattr(self.callback, "complete", None)
        if complete is not None:
            whole = typer.Typer(add_completion=False)
            whole.command(cls=Command)(complete())
            command = typer.main.get_command(whole)
            self.params, self.callback = command.params, command.callback
        return super().get_params(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read the words behind the command's name; ``--debug`` may be anywhere among them."""
        words = modern(self.name or "", args)
        end = words.index("--") if "--" in words else len(words)
        if DEBUG in words[:end]:
            show_tracebacks(True)
            words = [word for word in words[:end] if word != DEBUG] + words[end:]
        return super().parse_args(ctx, words)
