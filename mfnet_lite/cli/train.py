"""``mfnet-lite train``: from a dataset to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mfnet_lite.cli.errors import plain_errors

DEFAULT_SENSORS = ("optical", "dsm")


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


def _split(names: str | None) -> tuple[str, ...] | None:
    """``"a,b"`` → names, None if absent."""
    if names is None:
        return None
    chosen = tuple(name.strip() for name in names.split(",") if name.strip())
    if not chosen:
        raise ValueError("--sensors names no sensor; write for example --sensors optical,dsm")
    return chosen


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
