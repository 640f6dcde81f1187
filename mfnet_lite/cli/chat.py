"""``mfnet-lite chat``: questions about one image, several turns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.utils.counted_nouns import counted


@plain_errors
def chat(
    run: Annotated[Path, typer.Argument(help="The run folder, of earthgpt.")],
    image: Annotated[Path, typer.Option(help="What is asked about: GeoTIFF, PNG, JPEG.")],
    question: Annotated[
        list[str] | None,
        typer.Option(help="What is asked; may be repeated. If absent, lines of the terminal are."),
    ] = None,
    geojson: Annotated[
        Path | None,
        typer.Option(
            help="Write the boxes of all answers as polygons, in the CRS of the image or in pixels."
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of an answer at most.")] = 256,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Ask about an image; earlier questions and answers are remembered."""
    from mfnet_lite.runs.chat import Chat
    from mfnet_lite.runs.dialogue_run import load_earthgpt
    from mfnet_lite.utils.devices import pick_device
    from mfnet_lite.utils.files import write_text

    target = pick_device(device)
    if max_tokens < 1:
        raise ValueError(f"--max-tokens must be at least 1, got {max_tokens}")
    if geojson is not None and geojson.resolve() == image.resolve():
        raise ValueError(f"--geojson {geojson} would replace the image; choose another name")
    if any(not words.strip() for words in question or ()):
        raise ValueError("--question is empty: expected words; write one or leave it out")
    _, model = load_earthgpt(run, target)
    talk = Chat(model, image, max_tokens)
    if question is None:
        typer.echo(
            f"{image}: {talk.info.width} x {talk.info.height} pixels; an empty line ends the dialogue",
            err=True,
        )
    for words in _typed() if question is None else question:
        reply = talk.ask(words)
        typer.echo(reply.text)
        for remark in reply.remarks():
            typer.echo(f"note: {remark}", err=True)
        if geojson is not None:  # after each turn: a dialogue may be broken off
            write_text(geojson, json.dumps(talk.features(), indent=1, ensure_ascii=False) + "\n")
    if geojson is not None and talk.replies:
        number = sum(len(reply.boxes) for reply in talk.replies)
        where = "in pixels" if "crs" not in talk.features() else "in the CRS of the image"
        typer.echo(f"wrote {geojson}: {counted(number, 'box')}, {where}", err=True)
        for remark in talk.remarks():
            typer.echo(f"note: {remark}", err=True)


def _typed() -> Iterator[str]:
    """Lines of the terminal until an empty one or the end."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if not line.strip():
            return
        yield line
