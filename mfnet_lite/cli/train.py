"""``mfnet-lite train``: from a dataset to a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.inputs import settle_content
from mfnet_lite.cli.labels import check_labels
from mfnet_lite.cli.options import (
    KINDS,
    assisted_loss,
    band_numbers,
    builder_options,
    check_crop,
    check_holes,
    check_same_run,
    defaults_of,
    describe_loss,
    listed,
)

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
    size: Annotated[
        int | None, typer.Option(help="Side of a crop in pixels; 96, for mfnet 128 if absent.")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Base learning rate; 3e-3, for mfnet 2e-3 if absent.")
    ] = None,
    scaling: Annotated[str, typer.Option(help="Elevations: minmax, robust or ground.")] = "ground",
    bands: Annotated[
        str | None, typer.Option(help="Bands of the optical image counted from 1, such as 4,1,2.")
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="U-Net: channels of its first level; UNetFormer: of its decoder."),
    ] = None,
    depth: Annotated[int | None, typer.Option(help="U-Net: halvings.")] = None,
    tuning: Annotated[
        str | None,
        typer.Option(
            help="MFNet: mmlora, mmadapter, lora, adapter, none or full; SamLP: lora, encoder or decoder."
        ),
    ] = None,
    fusion: Annotated[str | None, typer.Option(help="MFNet: dfm or sum.")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="MFNet, SAM-CD, SamLP: tiny, vit_b, vit_l, vit_h or a checkpoint file; SAM-CD also "
            "timm:NAME, fastsam:FILE."
        ),
    ] = None,
    rank: Annotated[int | None, typer.Option(help="MFNet, SamLP: rank of LoRA.")] = None,
    bottleneck: Annotated[
        int | None, typer.Option(help="MFNet: hidden width of the adapter kinds.")
    ] = None,
    temporal: Annotated[
        float | None, typer.Option(help="SAM-CD: weight of the temporal constraint.")
    ] = None,
    symmetric: Annotated[
        bool | None, typer.Option(help="SAM-CD: whether swapping the dates changes nothing.")
    ] = None,
    semantic: Annotated[bool | None, typer.Option(help="SAM-CD: semantic branch.")] = None,
    adaptor: Annotated[bool | None, typer.Option(help="SAM-CD: adaptors.")] = None,
    changed_weight: Annotated[
        float | None,
        typer.Option(
            help="SAM-CD: a changed pixel counts so much; more than 1 for short trainings."
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="UNetFormer: a convolutional network of timm.")
    ] = None,
    pretrained: Annotated[
        bool | None, typer.Option("--pretrained", help="UNetFormer: fetch timm's weights.")
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            help="Train with objects as well: a folder that `masks` wrote, or the name of one beside "
            "the images, such as instances."
        ),
    ] = None,
    object_weight: Annotated[
        float | None, typer.Option(help="With --objects: of the object loss; 1 if absent.")
    ] = None,
    boundary_weight: Annotated[
        float | None, typer.Option(help="With --objects: of the boundary loss; 0.1 if absent.")
    ] = None,
    checkpointing: Annotated[
        bool | None,
        typer.Option("--checkpointing", help="MFNet: less memory for a third more computing."),
    ] = None,
    sensor_dropout: Annotated[
        float | None,
        typer.Option(
            help="MFNet: probability that a sample is trained without one of its sensors; 0 if absent. "
            "For data in which a sensor may be missing."
        ),
    ] = None,
    official: Annotated[
        bool | None,
        typer.Option(
            "--official", help="MFNet, SAM-CD, SamLP: the authors' code to the last number."
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="default (AdamW, cosine) or authors (MFNet's SGD, multi-step).")
    ] = "default",
    warmup: Annotated[
        int | None,
        typer.Option(
            help="Steps in which the learning rate rises; a fifth of all but at most 20, for "
            "--recipe authors 0, if absent."
        ),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            help="Largest norm of the gradient, 0 = any; 1, for --recipe authors 0, if absent."
        ),
    ] = None,
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
    holes: Annotated[
        str,
        typer.Option(
            help="Pixels that no score and no map counts: where any sensor has no data, one of the images, "
            "or only the first."
        ),
    ] = "any",
    kind: Annotated[str, typer.Option(help=f"Which reader to use: {KINDS}.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
) -> None:
    """Train a network and write a run folder."""
    from dataclasses import asdict, replace

    from mfnet_lite.rasters import (
        RandomCrops,
        WholeTiles,
        WithObjects,
        find_object_files,
        open_dataset,
    )
    from mfnet_lite.rasters.interpretation.band_counts import check_bands
    from mfnet_lite.runs.folder import (
        RunConfig,
        channels_of,
        colours_for,
        describe_dataset,
        frozen_hash,
        load_config,
        sensors_of,
        versions,
    )
    from mfnet_lite.training import TrainConfig, fit
    from mfnet_lite.training.augment.jitter import Augmented
    from mfnet_lite.training.state import STATE_FILE
    from mfnet_lite.utils.devices import pick_device
    from mfnet_lite.utils.samples import Samples

    given: dict[str, Any] = {
        "width": width,
        "depth": depth,
        "tuning": tuning,
        "fusion": fusion,
        "rank": rank,
    }
    given |= {"backbone": backbone, "bottleneck": bottleneck, "official": official}
    given |= {"checkpointing": checkpointing, "sensor_dropout": sensor_dropout}
    given |= {"symmetric": symmetric, "semantic": semantic, "adaptor": adaptor}
    given |= {"changed_weight": changed_weight}
    given |= {"temporal": temporal, "encoder": encoder, "pretrained": pretrained}
    pick_device(device)
    assisted = assisted_loss(objects, object_weight, boundary_weight)
    options = builder_options(model, given)
    usual = defaults_of(model)
    if recipe not in ("default", "authors"):
        raise ValueError(f"unknown recipe {recipe!r}; available: default, authors")
    if (out / STATE_FILE).exists() and not resume:
        raise FileExistsError(
            f"{out} already holds a run; continue it with --resume, or choose another --out"
        )
    wanted, chosen = listed(sensors, "sensors"), band_numbers(bands)
    reading: dict[str, Any] = {"seed": seed, "val_fraction": val_fraction}
    if chosen is not None:
        reading["optical_bands"] = chosen
    dataset = open_dataset(folder, kind, wanted, **reading)
    if wanted is None and dataset.kind != "pairs":
        every = tuple(dataset.info.sensors)
        both = [name for name in DEFAULT_SENSORS if name in every]
        dataset = open_dataset(folder, kind, both or None, **reading)
        unused = [name for name in every if name not in dataset.info.sensors]
        if unused:
            typer.echo(
                f"note: trained on {', '.join(dataset.info.sensors)}; {', '.join(unused)} would be read with "
                f"--sensors {','.join(every)}",
                err=True,
            )
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    tiles, held_out = dataset.tiles("train"), dataset.splits.get("val") or ()
    check_bands((*tiles, *held_out), dataset.info.sensors)
    draft = RunConfig(
        model=model,
        options=options,
        channels=channels_of(dataset, "train"),
        sensors=sensors_of(dataset, "train"),
        classes=dataset.info.classes,
        palette=colours_for(dataset.info.num_classes, dataset.info.palette),
        ignore_index=dataset.info.ignore_index,
        scaling=scaling,
        size=usual.size if size is None else size,
        seed=seed,
        gsd=dataset.info.gsd,
        holes=check_holes(holes),
        dataset=describe_dataset(dataset),
        versions=versions(),
    )
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
        "window": draft.window,
        "progress": sys.stderr.isatty(),
    }
    said = {"lr": lr, "warmup": warmup, "clip": clip}
    settings |= {name: value for name, value in said.items() if value is not None}
    if recipe == "authors":
        config = TrainConfig.authors(**settings)
    else:
        config = TrainConfig(**({"lr": usual.lr, "warmup": min(20, steps // 5)} | settings))
    network = draft.build()
    check_crop(network, draft.size)
    if assisted is not None and callable(getattr(network, "loss", None)):
        raise ValueError(
            f"--objects does not fit {model}, which brings a loss of its own; leave it out"
        )
    settled = asdict(config) | {"light": light, **describe_loss(objects, assisted)}
    run = replace(draft, base=frozen_hash(network), train=settled)
    before = load_config(out) if resume else None
    if before is not None:
        check_same_run(before, run, out)
    names = tuple(run.channels)
    check_labels(folder, tiles, dataset.info.classes)
    maps = () if objects is None else find_object_files(tiles, objects)
    run = replace(run, content=settle_content(dataset, names, maps, before, out))
    images = any(p.suffix.lower() not in (".tif", ".tiff") for p in tiles[0].files.values())
    crops = RandomCrops(
        tiles, run.size, names, length=1000, seed=seed, scaling=scaling, cache=images
    )
    crops.prepare()
    # the authors' recipe turns nothing and leaves the light alone
    plain = recipe == "authors" or light == 0
    samples: Samples = crops
    if objects is not None:
        samples = WithObjects(crops, maps, cache=images)
    samples = samples if plain else Augmented(samples, seed, light)
    policy = check_holes(holes)
    val = WholeTiles(held_out, names, scaling, nodata_policy=policy) if held_out else None
    if val is not None:
        val.prepare()
    if not resume:
        out.mkdir(parents=True, exist_ok=True)
        run.save(out)
    loss = None if assisted is None else replace(assisted, ignore_index=dataset.info.ignore_index)
    summary = fit(network, samples, val, config, out, loss, resume)
    share = summary["trained_parameters"] / max(summary["parameters"], 1)
    trained = "" if share == 1 else f" ({summary['trained_parameters']:,} weights, {share:.1%})"
    typer.echo(
        f"trained {model} on {', '.join(names)}{trained}: {summary['steps']} steps in "
        f"{summary['seconds']:.0f} s, loss {summary['loss']:.3f}; run in {out}"
    )
