"""``mfnet-lite evaluate``: the scores of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mfnet_lite.cli.dialogue_options import (
    DialogueScoringOptions,
    dialogue_scoring_options,
    refuse,
)
from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.evaluate_dialogues import evaluate_dialogues
from mfnet_lite.cli.labels import check_classes, tell_absent
from mfnet_lite.cli.option_groups import Generated, changed
from mfnet_lite.cli.options import KINDS, check_nodata_policy, listed
from mfnet_lite.cli.pixel_size import compare_gsd
from mfnet_lite.cli.windows import WindowOptions, check_window, overlap_mode
from mfnet_lite.cli.words import Words, ask_for

if TYPE_CHECKING:
    from mfnet_lite.metrics import ConfusionMatrix
    from mfnet_lite.rasters import SensorInfo, Tile, TileSet
    from mfnet_lite.runs.folder import RunConfig


@plain_errors
def evaluate(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    windows: WindowOptions,
    dialogues: Annotated[dict[str, Any], Generated(dialogue_scoring_options)],
    split: Annotated[str, typer.Option(help="Which tiles, or dialogues.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    convention: Annotated[
        str, typer.Option(help="all, or authors: clutter is left out of mF1 and mIoU.")
    ] = "all",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    kind: Annotated[str, typer.Option(help=f"Which reader to use: {KINDS}.")] = "auto",
    sensors: Annotated[
        str | None, typer.Option(help="Fewer than the run knows, if the model can do without.")
    ] = None,
    nodata_policy: Annotated[
        str | None,
        typer.Option(
            help="Do not count pixels where any sensor has no data, one of the images, or only the first; "
            "as in training if absent."
        ),
    ] = None,
    classes: Words = None,
) -> None:
    """Score a run on the tiles, or the dialogues, of a split."""
    from mfnet_lite.rasters import WholeTiles, raster_info
    from mfnet_lite.rasters.grids import best_placed
    from mfnet_lite.rasters.interpretation.band_counts import check_bands, opacity_words
    from mfnet_lite.runs.data import channels_of, check_fits
    from mfnet_lite.runs.dialogue_run import holds_dialogue_run
    from mfnet_lite.runs.folder import load_run
    from mfnet_lite.scenes import Windows
    from mfnet_lite.scenes import evaluate as score
    from mfnet_lite.utils.devices import pick_device

    questions = DialogueScoringOptions(**dialogues)
    if holds_dialogue_run(run):
        others = {
            "convention": convention != "all",
            "kind": kind != "auto",
            "sensors": sensors is not None,
            "nodata_policy": nodata_policy is not None,
            "classes": classes is not None,
        }
        refuse(
            [*changed(windows), *(name for name, given in others.items() if given)],
            f"is about maps of classes, and {run} holds a network that answers questions; leave it out",
        )
        evaluate_dialogues(run, folder, split, questions, as_json, device)
        return
    refuse(
        changed(questions),
        f"is about dialogues, and {run} holds no run of earthgpt; leave it out",
    )
    if convention not in ("all", "authors"):
        raise ValueError(f"unknown convention {convention!r}; available: all, authors")
    weights, repeat = overlap_mode(windows.blend)
    target = pick_device(device)
    check_window(windows.window)
    config, model = load_run(run)
    names = _used(config, listed(sensors, "sensors"), run)
    dataset = _opened(folder, kind, names, config, split)
    policy = check_nodata_policy(config.holes if nodata_policy is None else nodata_policy)
    tiles = dataset.tiles(split)
    channels = channels_of(dataset, split)
    opaque = [
        opacity_words(tiles[0].files[name], dataset.info.sensors[name])
        for name, count in channels.items()
        if count != config.channels[name]
    ]
    check_fits(config, config.channels | channels, "".join((str(folder), *opaque)))
    check_bands(tiles, dataset.info.sensors)
    names_of_classes, words = config.classes, None
    if classes is None:
        check_classes(config.classes, dataset.info.classes, run, folder)
    else:  # words for the classes of this dataset, which may be others than those of the training
        names_of_classes = dataset.info.classes
        words = ask_for(classes, run, config, model, names_of_classes)
    _check_labelled(tiles, folder)
    _warn_of_training_tiles(config, dataset, split, run)
    split = dataset.split_name(split)
    scored = WholeTiles(tiles, names, config.scaling, nodata_policy=policy)
    scored.prepare()
    headers = (raster_info(tiles[0].files[name]) for name in names)
    compare_gsd(best_placed(headers), config.gsd, dataset.info.gsd, dataset.info.gsd_measured)
    matrix = score(
        windows.mirrored(model).to(target),
        scored,
        ignore_index=dataset.info.ignore_index,
        windows=Windows(
            windows.side(config.window),
            windows.stride,
            weights,
            batch=windows.batch,
            repeat_border=repeat,
        ),
        progress=not as_json and sys.stderr.isatty(),
    )
    result = matrix.scores(convention).as_dict(names_of_classes)  # type: ignore[arg-type]  # checked above
    if dataset.kind == "pairs":
        result = _change_first(matrix) | result
    result |= {"convention": convention, "split": split, "tiles": len(tiles)}
    result |= {"flips": windows.flips, "nodata_policy": policy}
    if words is not None:
        result["words"] = dict(zip(names_of_classes, words, strict=True))
    tell_absent(result, split)
    if as_json:
        typer.echo(json.dumps(result, indent=1, allow_nan=False))
    else:
        _print_table(result)
        typer.echo(f"pixels counted: {_policy_words(policy, names)}")


def _opened(
    folder: Path, kind: str, names: tuple[str, ...], config: RunConfig, split: str
) -> TileSet:
    """Open a dataset as the run's was opened: with its bands, completed by what it knows of its sensors."""
    from mfnet_lite.rasters import open_dataset
    from mfnet_lite.rasters.tiles import with_sensors

    dataset = open_dataset(folder, kind, names, seed=config.seed)
    known, tile = config.sensor_infos(), dataset.tiles(split)[0]
    described = {
        name: _with_bands(info, known[name], tile.files[name]).completed(known[name])
        for name, info in dataset.info.sensors.items()
    }
    return with_sensors(dataset, described)


def _with_bands(info: SensorInfo, known: SensorInfo, path: Path) -> SensorInfo:
    """A sensor that takes the bands which the run took; the reader's own where the run took all.

    What was one band of a file of several sensors may lie in a file of its own here, which leaves no choice. That holds
    for no optical image: any band would do.
    """
    from mfnet_lite.rasters import raster_info
    from mfnet_lite.rasters.tiles import OPTICAL

    if known.select is None:
        return info
    if info.name != OPTICAL and len(known.select) == 1 and raster_info(path).bands == 1:
        return info
    # the names tell that a band which files mark as opacity is a measurement
    return replace(info, select=known.select, names=info.names or known.names)


def _check_labelled(tiles: Sequence[Tile], folder: Path) -> None:
    """Refuse tiles without labels."""
    unlabelled = [tile.id for tile in tiles if tile.label is None]
    if unlabelled:
        raise ValueError(f"tile {unlabelled[0]} of {folder} has no label, so there is no score")


def _warn_of_training_tiles(config: RunConfig, dataset: TileSet, split: str, run: Path) -> None:
    """Say it if the run has seen tiles of a split in training."""
    from mfnet_lite.runs.data import seen_in_training

    seen = seen_in_training(config, dataset, split)
    if seen:
        typer.echo(
            f"warning: {len(seen)} of {len(dataset.tiles(split))} tiles bear the names or the pixels of tiles "
            f"which {run} was trained on; the scores tell what it remembers, not what it does elsewhere",
            err=True,
        )


def _print_table(result: Mapping[str, Any]) -> None:
    """Print scores for people."""
    from rich.console import Console
    from rich.table import Table

    split, tiles = result["split"], result["tiles"]
    title = f"{split}, {tiles} tile{'s' * (tiles > 1)}"
    table = Table("class", "F1", "IoU", "pixels", title=title)
    for name, row in result["per_class"].items():
        table.add_row(name, _percent(row["F1"]), _percent(row["IoU"]), f"{row['pixels']:,}")
    if "changed" in result:
        row = result["changed"]
        typer.echo("changed class: " + "  ".join(f"{k} {_percent(v)}" for k, v in row.items()))
    Console(force_jupyter=False).print(table)  # text also inside a notebook
    means = "means over both classes: " if "changed" in result else ""
    typer.echo(
        means + "  ".join(f"{k} {_percent(result[k])}" for k in ("OA", "mF1", "mIoU", "kappa"))
    )


def _used(config: RunConfig, chosen: tuple[str, ...] | None, run: Path) -> tuple[str, ...]:
    """The sensors to score with: all, or those asked for if the model can do without the others."""
    every = tuple(config.channels)
    names = tuple(name for name in every if chosen is None or name in chosen)
    unknown = [name for name in chosen or () if name not in every]
    if unknown:
        raise ValueError(f"{run} was trained on {', '.join(every)}, not on {', '.join(unknown)}")
    if names != every and not config.network.takes_missing_sensors:
        raise ValueError(
            f"{config.model} needs all of {', '.join(every)}; leave --sensors out, or train it on "
            f"{', '.join(names)} alone"
        )
    return names


def _policy_words(policy: str, names: tuple[str, ...]) -> str:
    """Which pixels count, in words."""
    all_of = {1: names[0], 2: f"both {' and '.join(names)}"}.get(
        len(names), f"all of {', '.join(names)}"
    )
    words = {
        "any": f"where {all_of} {'has' if len(names) == 1 else 'have'} data",
        "images": "where the images have data",
        "first": f"where {names[0]} has data",
    }
    return words[policy] + ", as in the map (--nodata-policy)"


def _change_first(matrix: ConfusionMatrix) -> dict[str, Any]:
    """Scores of the changed class, which come before any mean; the other two means under their names."""
    from mfnet_lite.metrics.change import change_scores

    found = change_scores(matrix).as_dict()
    return {
        "changed": {name: found[name] for name in ("F1", "IoU", "precision", "recall")},
        "macro_precision": found["macro_precision"],
        "macro_recall": found["macro_recall"],
    }


def _percent(value: float | None) -> str:
    """A fraction as percentage; a dash where it is not defined."""
    return "–" if value is None else f"{100 * value:.2f} %"
