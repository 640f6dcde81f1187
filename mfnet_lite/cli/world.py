"""``mfnet-lite world``: procedural datasets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.options import check_sensor, listed


@plain_errors
def make(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    tiles: Annotated[int, typer.Option(help="Number of scenes, over all splits.")] = 10,
    size: Annotated[int, typer.Option(help="Side of a scene in pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.")] = 0,
    pairs: Annotated[bool, typer.Option("--pairs", help="Two dates and a change mask.")] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, such as ambiguity=1 or domain=haze; may be repeated."),
    ] = None,
) -> None:
    """Write a procedural dataset: scenes with all sensors, or pairs of two dates."""
    from mfnet_lite import world

    config = world.WorldConfig(**world_parameters(parameter or ()))
    write = world.write_pairs if pairs else world.write_folder
    write(out, tiles=tiles, size=size, seed=seed, config=config)
    typer.echo(f"wrote {tiles} {'pairs' if pairs else 'scenes'} of {size} x {size} to {out}")


@plain_errors
def plates(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    images: Annotated[int, typer.Option(help="Number of images, over all splits.")] = 100,
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the first image.")] = 0,
    layout: Annotated[str, typer.Option(help="ufpr (boxes), ccpd (file names) or masks.")] = "ufpr",
    night: Annotated[float, typer.Option(help="Share of images taken at night.")] = 0.25,
) -> None:
    """Write images of vehicles with number plates, laid out as UFPR-ALPR, CCPD or masks."""
    from mfnet_lite import world

    world.write_plates(out, images, size, seed, layout, night)
    typer.echo(f"wrote {images} images of {size} x {size} to {out}")


@plain_errors
def instruct(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    tiles: Annotated[int, typer.Option(help="Number of scenes, over all splits.")] = 20,
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.")] = 0,
    sensors: Annotated[
        str, typer.Option(help="Images of each scene: optical, sar, thermal.")
    ] = "optical,sar,thermal",
    crops: Annotated[
        int, typer.Option(help="Cut larger scenes into so many images per side, which is faster.")
    ] = 1,
    gsd: Annotated[float, typer.Option(help="Metres per pixel.")] = 0.25,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, such as ambiguity=1 or domain=haze; may be repeated."),
    ] = None,
) -> None:
    """Write images with dialogues about them: classes, captions, questions, boxes, phrases."""
    from mfnet_lite import world
    from mfnet_lite.language.world_dialogues import write_world_instructions

    chosen = tuple(check_sensor(name) for name in listed(sensors, "sensors") or ())
    config = world.WorldConfig(**world_parameters(parameter or ()))
    write_world_instructions(out, tiles, size, seed, chosen, crops=crops, gsd=gsd, world=config)
    typer.echo(
        f"wrote {tiles * crops**2 * len(chosen)} images of {size} x {size}, {tiles * crops**2} each as seen by "
        f"{', '.join(chosen)}, with dialogues, to {out}"
    )


def world_parameters(given: Iterable[str]) -> dict[str, Any]:
    """Read the parameters of the procedural world.

    Args:
        given: ``NAME=VALUE`` each.

    Returns:
        Arguments of ``WorldConfig``, which checks their ranges.

    Raises:
        ValueError: If there is no such parameter, or a number is none.

    Example:
        >>> world_parameters(["ambiguity=1", "domain=haze"])
        {'ambiguity': 1.0, 'domain': 'haze'}
    """
    from mfnet_lite.world import WorldConfig

    usual = asdict(WorldConfig())
    parameters: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or name not in usual:
            raise ValueError(
                f"--parameter {word!r} is not NAME=VALUE with one of {', '.join(usual)}"
            )
        try:
            parameters[name] = value if isinstance(usual[name], str) else float(value)
        except ValueError:
            raise ValueError(f"--parameter {name} wants a number, got {value!r}") from None
    return parameters
