"""``mfnet-lite``: the library on folders of GeoTIFFs, without writing Python.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once. What goes
wrong in a way a user can mend ends with one sentence on stderr and exit code 1, not a traceback.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="mfnet-lite",
    help="Fine-tune, evaluate and apply segmentation models on GeoTIFF folders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
world_app = typer.Typer(help="Procedural scenes with perfect labels.", no_args_is_help=True)
data_app = typer.Typer(help="Look at a dataset before training on it.", no_args_is_help=True)
app.add_typer(world_app, name="world")
app.add_typer(data_app, name="data")

MISTAKES = (ValueError, FileNotFoundError, FileExistsError, FloatingPointError, ConnectionError)
DEFAULT_SENSORS = ("optical", "dsm")


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


@app.command()
@plain_errors
def info() -> None:
    """Print versions, devices, the cache folder and which SAM weights are here."""
    import torch

    from mfnet_lite.nets import BUILDERS
    from mfnet_lite.predict import pick_device
    from mfnet_lite.runs import versions
    from mfnet_lite.sam.checkpoints import NAMES, REGISTRY, cache_folder, find_checkpoint

    for name, version in versions().items():
        typer.echo(f"{name:18}{version}")
    device = pick_device()
    label = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    typer.echo(f"{'device':18}{label} ({torch.get_num_threads()} CPU threads)")
    typer.echo(f"{'models':18}{', '.join(sorted(BUILDERS))}")
    typer.echo(f"{'cache':18}{cache_folder()}")
    for name in NAMES:
        if name in REGISTRY:
            here = (cache_folder() / REGISTRY[name].name).is_file()
            status = "here" if here else "not here, downloaded on first use"
        else:
            try:
                status = f"here, {find_checkpoint(name).name}"
            except FileNotFoundError:
                status = "missing from this installation"
        typer.echo(f"{'weights ' + name:18}{status}")


@world_app.command("make")
@plain_errors
def world_make(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    tiles: Annotated[int, typer.Option(help="Number of scenes, over all splits.")] = 10,
    size: Annotated[int, typer.Option(help="Side of a scene in pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.")] = 0,
    pairs: Annotated[bool, typer.Option("--pairs", help="Two dates and a change mask.")] = False,
) -> None:
    """Write a procedural dataset: scenes with all sensors, or pairs of two dates."""
    from mfnet_lite import world

    (world.write_pairs if pairs else world.write_folder)(out, tiles=tiles, size=size, seed=seed)
    typer.echo(f"wrote {tiles} {'pairs' if pairs else 'scenes'} of {size} x {size} to {out}")


@data_app.command("check")
@plain_errors
def data_check(
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    kind: Annotated[str, typer.Option(help="Which reader to use.")] = "auto",
) -> None:
    """Read every file once and list all that is wrong; exit code 1 if anything is."""
    from rich.console import Console

    from mfnet_lite.rasters import check_dataset

    report = check_dataset(folder, kind)
    report.render(Console())
    if not report.ok:
        for problem in report.problems:
            typer.echo(f"error: {problem}", err=True)
        raise typer.Exit(1)


@app.command()
@plain_errors
def train(
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    model: Annotated[str, typer.Option(help="Which network; `info` lists them.")] = "unet",
    sensors: Annotated[
        str | None, typer.Option(help="Comma-separated; optical and dsm (or both dates) if absent.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 500,
    seed: Annotated[int, typer.Option(help="Of weights, crops and order.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch: Annotated[int, typer.Option(help="Crops per step.")] = 8,
    size: Annotated[int, typer.Option(help="Side of a crop in pixels.")] = 96,
    lr: Annotated[float, typer.Option(help="Base learning rate.")] = 3e-3,
    scaling: Annotated[str, typer.Option(help="Elevations: minmax, robust or ground.")] = "ground",
    width: Annotated[int, typer.Option(help="Channels of the U-Net's first level.")] = 16,
    depth: Annotated[int, typer.Option(help="Halvings of the U-Net.")] = 4,
    recipe: Annotated[
        str, typer.Option(help="default (AdamW, cosine) or authors (MFNet's SGD, multi-step).")
    ] = "default",
    precision: Annotated[str, typer.Option(help="32-true or bf16-mixed.")] = "32-true",
    accumulate: Annotated[int, typer.Option(help="Batches per step.")] = 1,
    workers: Annotated[int, typer.Option(help="Reading processes.")] = 0,
    keep: Annotated[str, typer.Option(help="Which weights to keep: last or best.")] = "last",
    evaluate_every: Annotated[int, typer.Option(help="Steps; 0 = only at the end.")] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between saved states.")] = 100,
    val_fraction: Annotated[
        float, typer.Option(help="Part of train held out where there is no val; 0 = none.")
    ] = 0.2,
    light: Annotated[
        float, typer.Option(help="Augmentation: change of light and quarter turns; 0 = flips only.")
    ] = 0.25,
    kind: Annotated[str, typer.Option(help="Which reader to use.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
) -> None:
    """Train a network and write a run folder."""
    from dataclasses import asdict

    from mfnet_lite.nets import BUILDERS
    from mfnet_lite.rasters import RandomCrops, WholeTiles, open_dataset
    from mfnet_lite.runs import (
        RunConfig,
        channels_of,
        colours_for,
        describe_dataset,
        load_config,
        versions,
    )
    from mfnet_lite.training import TrainConfig, fit
    from mfnet_lite.training.augment import Augmented
    from mfnet_lite.training.state import STATE_FILE

    if model not in BUILDERS:
        raise ValueError(f"unknown model {model!r}; available: {', '.join(sorted(BUILDERS))}")
    if recipe not in ("default", "authors"):
        raise ValueError(f"unknown recipe {recipe!r}; available: default, authors")
    if (out / STATE_FILE).exists() and not resume:
        raise FileExistsError(
            f"{out} already holds a run; continue it with --resume, or choose another --out"
        )
    dataset = open_dataset(folder, kind, _split(sensors), seed=seed, val_fraction=val_fraction)
    if sensors is None and dataset.kind != "pairs":
        usual = [name for name in DEFAULT_SENSORS if name in dataset.info.sensors]
        dataset = open_dataset(folder, kind, usual or None, seed=seed, val_fraction=val_fraction)
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    settings: dict[str, Any] = {
        "steps": steps,
        "batch": batch,
        "accumulate": accumulate,
        "seed": seed,
        "device": device,
        "precision": precision,
        "workers": workers,
        "keep": keep,
        "evaluate_every": evaluate_every,
        "save_every": save_every,
        "ignore_index": dataset.info.ignore_index,
    }
    if recipe == "authors":
        config = TrainConfig.authors(**settings)
    else:
        config = TrainConfig(lr=lr, warmup=min(20, steps // 5), **settings)
    run = RunConfig(
        model=model,
        options={"width": width, "depth": depth} if model == "unet" else {},
        channels=channels_of(dataset, "train"),
        sensors={name: asdict(facts) for name, facts in dataset.info.sensors.items()},
        classes=dataset.info.classes,
        palette=colours_for(dataset.info.num_classes, dataset.info.palette),
        ignore_index=dataset.info.ignore_index,
        scaling=scaling,
        size=size,
        seed=seed,
        gsd=dataset.info.gsd,
        train=asdict(config) | {"light": light},
        dataset=describe_dataset(dataset),
        versions=versions(),
    )
    if resume:
        _check_same_run(load_config(out), run, out)
    names = tuple(run.channels)
    tiles = dataset.tiles("train")
    pictures = any(p.suffix.lower() not in (".tif", ".tiff") for p in tiles[0].files.values())
    crops = RandomCrops(tiles, size, names, length=1000, seed=seed, scaling=scaling, cache=pictures)
    crops.prepare()
    # the authors' recipe turns nothing and leaves the light alone
    plain = recipe == "authors" or light == 0
    samples = crops if plain else Augmented(crops, seed, light)
    held_out = dataset.splits.get("val") or ()
    val = WholeTiles(held_out, names, scaling) if held_out else None
    network = run.build()
    if not resume:
        out.mkdir(parents=True, exist_ok=True)
        run.save(out)
    summary = fit(network, samples, val, config, out, resume=resume)
    typer.echo(
        f"trained {model} on {', '.join(names)}: {summary['steps']} steps in "
        f"{summary['seconds']:.0f} s, loss {summary['loss']:.3f}; run in {out}"
    )


@app.command()
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


@app.command()
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


def _split(names: str | None) -> tuple[str, ...] | None:
    """``"a,b"`` → names, None if absent."""
    if names is None:
        return None
    chosen = tuple(name.strip() for name in names.split(",") if name.strip())
    if not chosen:
        raise ValueError("--sensors names no sensor; write for example --sensors optical,dsm")
    return chosen


def _percent(value: float | None) -> str:
    """A fraction as percentage; a dash where it is not defined."""
    return "–" if value is None else f"{100 * value:.2f} %"


def _check_same_run(old: Any, new: Any, out: Path) -> None:
    """Refuse to resume with another model or other data."""
    for name in ("model", "options", "channels", "classes", "scaling", "size", "dataset", "light"):
        before, now = (
            run.train.get(name) if name == "light" else getattr(run, name) for run in (old, new)
        )
        if before != now:
            raise ValueError(
                f"cannot resume {out}: {name} was {before} and is now {now}; "
                "give the old settings or choose another --out"
            )


if __name__ == "__main__":
    app()
