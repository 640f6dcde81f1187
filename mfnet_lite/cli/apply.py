"""``mfnet-lite evaluate`` and ``mfnet-lite predict``: what a trained run is for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors


@plain_errors
def evaluate(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    split: Annotated[str, typer.Option(help="Which tiles.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    convention: Annotated[
        str, typer.Option(help="all, or authors: clutter is left out of mF1 and mIoU.")
    ] = "all",
    window: Annotated[int, typer.Option(help="Side of the windows.")] = 256,
    stride: Annotated[int | None, typer.Option(help="Step; half a window if absent.")] = None,
    blend: Annotated[str, typer.Option(help="smooth or sum.")] = "smooth",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    kind: Annotated[str, typer.Option(help="Which reader to use.")] = "auto",
) -> None:
    """Score a run on the tiles of a split."""
    from mfnet_lite.predict import pick_device
    from mfnet_lite.rasters import WholeTiles, open_dataset
    from mfnet_lite.runs import channels_of, check_fits, load_run
    from mfnet_lite.training import evaluate as score

    if convention not in ("all", "authors"):
        raise ValueError(f"unknown convention {convention!r}; available: all, authors")
    config, model = load_run(run)
    names = tuple(config.channels)
    dataset = open_dataset(folder, kind, names, seed=config.seed)
    tiles = dataset.tiles(split)
    check_fits(config, channels_of(dataset, split), folder)
    if dataset.info.num_classes != len(config.classes):
        raise ValueError(
            f"{folder} has {dataset.info.num_classes} classes, but the run was trained on "
            f"{len(config.classes)}; evaluate on data with the same classes"
        )
    unlabelled = [tile.id for tile in tiles if tile.label is None]
    if unlabelled:
        raise ValueError(f"tile {unlabelled[0]} of {folder} has no label, so there is no score")
    matrix = score(
        model.to(pick_device(device)),
        WholeTiles(tiles, names, config.scaling),
        ignore_index=dataset.info.ignore_index,
        window=window,
        stride=stride,
        blend=blend,  # type: ignore[arg-type]  # checked where it is used
        progress=not as_json and sys.stderr.isatty(),
    )
    scores = matrix.scores(convention)  # type: ignore[arg-type]  # checked above
    result = scores.as_dict(config.classes)
    result |= {"convention": convention, "split": split, "tiles": len(tiles)}
    if as_json:
        typer.echo(json.dumps(result, indent=1, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("class", "F1", "IoU", "pixels", title=f"{split}, {len(tiles)} tiles")
    for name, row in result["per_class"].items():
        table.add_row(name, _percent(row["F1"]), _percent(row["IoU"]), f"{row['pixels']:,}")
    Console().print(table)
    typer.echo("  ".join(f"{k} {_percent(result[k])}" for k in ("OA", "mF1", "mIoU", "kappa")))


@plain_errors
def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    out: Annotated[Path, typer.Option(help="The map to write, a .tif.")],
    optical: Annotated[Path | None, typer.Option(help="Raster of this sensor.")] = None,
    dsm: Annotated[Path | None, typer.Option(help="Raster of this sensor.")] = None,
    before: Annotated[Path | None, typer.Option(help="Earlier picture of a pair.")] = None,
    after: Annotated[Path | None, typer.Option(help="Later picture of a pair.")] = None,
    sensor: Annotated[
        list[str] | None, typer.Option(help="Any other sensor, as NAME=FILE; may be repeated.")
    ] = None,
    window: Annotated[int, typer.Option(help="Side of the windows.")] = 256,
    stride: Annotated[int | None, typer.Option(help="Step; half a window if absent.")] = None,
    blend: Annotated[str, typer.Option(help="smooth or sum.")] = "smooth",
    holes: Annotated[
        str, typer.Option(help="No data in the map where any or only the first sensor has none.")
    ] = "any",
    batch: Annotated[int, typer.Option(help="Windows at once.")] = 4,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Write a georeferenced map of a scene of any size."""
    from mfnet_lite.predict import predict_scene
    from mfnet_lite.rasters import raster_info
    from mfnet_lite.runs import check_fits, load_run

    config, model = load_run(run)
    given = {"optical": optical, "dsm": dsm, "before": before, "after": after}
    paths = {name: path for name, path in given.items() if path is not None}
    for entry in sensor or ():
        name, equals, value = entry.partition("=")
        if not (name and equals and value):
            raise ValueError(f"--sensor {entry} is not understood: expected NAME=FILE")
        paths[name] = Path(value)
    infos = config.sensor_infos()
    missing = [name for name in config.channels if name not in paths]
    if missing:
        raise ValueError(
            f"{run} was trained on {', '.join(config.channels)}, but no raster was given for "
            f"{', '.join(missing)}; add --{missing[0]} FILE"
        )
    for name in paths.keys() - config.channels.keys():
        typer.echo(f"note: {paths.pop(name)} is not read, the run does not use {name}", err=True)
    for name, path in paths.items():
        select = infos[name].select
        bands = raster_info(path).bands
        check_fits(config, config.channels | {name: len(select) if select else bands}, path)
    predict_scene(
        model,
        {name: paths[name] for name in config.channels},
        out,
        window=window,
        stride=stride,
        blend=blend,  # type: ignore[arg-type]  # checked where it is used
        batch=batch,
        scaling=config.scaling,
        sensors=infos,
        classes=config.classes,
        palette=config.palette,
        holes=holes,  # type: ignore[arg-type]
        device=device,
    )
    typer.echo(f"wrote {out}")


def _percent(value: float | None) -> str:
    """A fraction as percentage; a dash where it is not defined."""
    return "–" if value is None else f"{100 * value:.2f} %"
