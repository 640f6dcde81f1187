"""``mfnet-lite evaluate`` and ``mfnet-lite predict``: what a trained run is for."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.labels import check_classes, tell_absent
from mfnet_lite.cli.options import (
    KINDS,
    check_holes,
    check_window,
    listed,
    parameters_of,
    vote,
)
from mfnet_lite.utils.provenance import peak_memory

GSD_RATIO = (0.8, 1.25)  # pixels of a scene over those of the training that need no remark

if TYPE_CHECKING:
    from torch import nn

    from mfnet_lite.metrics import ConfusionMatrix
    from mfnet_lite.rasters import RasterInfo, SensorInfo
    from mfnet_lite.runs.folder import RunConfig


@plain_errors
def evaluate(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    split: Annotated[str, typer.Option(help="Which tiles.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    convention: Annotated[
        str, typer.Option(help="all, or authors: clutter is left out of mF1 and mIoU.")
    ] = "all",
    window: Annotated[
        int | None, typer.Option(help="Side of the windows; 256, for mfnet the crops' if absent.")
    ] = None,
    stride: Annotated[int | None, typer.Option(help="Step; half a window if absent.")] = None,
    blend: Annotated[
        str, typer.Option(help="smooth, sum, or authors: sum with repeats at the border.")
    ] = "smooth",
    flips: Annotated[
        bool,
        typer.Option("--flips", help="Average over four mirrored copies; four times the time."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    kind: Annotated[str, typer.Option(help=f"Which reader to use: {KINDS}.")] = "auto",
    sensors: Annotated[
        str | None, typer.Option(help="Fewer than the run knows, if the model can do without.")
    ] = None,
    holes: Annotated[
        str | None,
        typer.Option(
            help="Do not count pixels where any sensor has no data, one of the images, or only the first; "
            "as in training if absent."
        ),
    ] = None,
) -> None:
    """Score a run on the tiles of a split."""
    from mfnet_lite.rasters import READERS, WholeTiles, detect_kind, open_dataset, raster_info
    from mfnet_lite.rasters.interpretation.band_counts import check_bands
    from mfnet_lite.rasters.tiles import with_sensors
    from mfnet_lite.runs.folder import channels_of, check_fits, load_run, seen_in_training
    from mfnet_lite.scenes import evaluate as score
    from mfnet_lite.utils.devices import pick_device

    if convention not in ("all", "authors"):
        raise ValueError(f"unknown convention {convention!r}; available: all, authors")
    weights, repeat = vote(blend)
    place = pick_device(device)
    check_window(window)
    config, model = load_run(run)
    names = _used(config, model, listed(sensors, "sensors"), run)
    reading: dict[str, Any] = {"seed": config.seed}
    select = config.sensor_infos()[names[0]].select
    reader = READERS.get(str(detect_kind(folder) if kind == "auto" else kind))
    if (
        select
        and names[0] == "optical"
        and "optical_bands" in parameters_of(reader or open_dataset)
    ):
        reading["optical_bands"] = select
    dataset = open_dataset(folder, kind, names, **reading)
    known = config.sensor_infos()
    described = {name: info.completed(known[name]) for name, info in dataset.info.sensors.items()}
    dataset = with_sensors(dataset, described)
    policy = check_holes(config.holes if holes is None else holes)
    tiles = dataset.tiles(split)
    check_fits(config, config.channels | channels_of(dataset, split), folder)
    check_bands(tiles, dataset.info.sensors)
    check_classes(config.classes, dataset.info.classes, run, folder)
    unlabelled = [tile.id for tile in tiles if tile.label is None]
    if unlabelled:
        raise ValueError(f"tile {unlabelled[0]} of {folder} has no label, so there is no score")
    seen = seen_in_training(config, dataset, split)
    if seen:
        typer.echo(
            f"warning: {len(seen)} of {len(tiles)} tiles bear the names or the pixels of tiles which {run} was "
            "trained on; the scores tell what it remembers, not what it does elsewhere",
            err=True,
        )
    split = dataset.split_name(split)
    scored = WholeTiles(tiles, names, config.scaling, holes=policy)
    scored.prepare()
    _compare_gsd(raster_info(tiles[0].files[names[0]]), config.gsd, dataset.info.gsd)
    matrix = score(
        _mirrored(model, flips).to(place),
        scored,
        ignore_index=dataset.info.ignore_index,
        window=config.window if window is None else window,
        stride=stride,
        blend=weights,
        official=repeat,
        progress=not as_json and sys.stderr.isatty(),
    )
    scores = matrix.scores(convention)  # type: ignore[arg-type]  # checked above
    result = scores.as_dict(config.classes)
    if dataset.kind == "pairs":
        result = _change_first(matrix) | result
    result |= {"convention": convention, "split": split, "tiles": len(tiles), "flips": flips}
    result |= {"nodata_policy": policy}
    tell_absent(result, split)
    if as_json:
        typer.echo(json.dumps(result, indent=1, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "class", "F1", "IoU", "pixels", title=f"{split}, {len(tiles)} tile{'s' * (len(tiles) > 1)}"
    )
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
    typer.echo(f"pixels counted: {_policy_words(policy, names)}")


@plain_errors
def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    out: Annotated[Path, typer.Option(help="The map to write, a .tif.")],
    optical: Annotated[Path | None, typer.Option(help="Raster of this sensor.")] = None,
    dsm: Annotated[Path | None, typer.Option(help="Raster of this sensor.")] = None,
    before: Annotated[Path | None, typer.Option(help="Earlier image of a pair.")] = None,
    after: Annotated[Path | None, typer.Option(help="Later image of a pair.")] = None,
    sensor: Annotated[
        list[str] | None, typer.Option(help="Any other sensor, as NAME=FILE; may be repeated.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Side of the windows; 256, for mfnet the crops' if absent.")
    ] = None,
    stride: Annotated[int | None, typer.Option(help="Step; half a window if absent.")] = None,
    blend: Annotated[
        str, typer.Option(help="smooth, sum, or authors: sum with repeats at the border.")
    ] = "smooth",
    holes: Annotated[
        str | None,
        typer.Option(
            help="No data in the map where any sensor has none, one of the images, or only the first; as in "
            "training if absent."
        ),
    ] = None,
    dataset_json: Annotated[
        Path | None,
        typer.Option(
            help="A dataset.json that says what these rasters do not: image_scale, gsd_m, and scale, unit, "
            "nodata or tags of sensors."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Windows at once.")] = 4,
    flips: Annotated[
        bool,
        typer.Option("--flips", help="Average over four mirrored copies; four times the time."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Write a georeferenced map of a scene of any size."""
    from mfnet_lite.rasters import raster_info, windows
    from mfnet_lite.rasters.interpretation.bands import choose_bands
    from mfnet_lite.rasters.tiles import PICTURES
    from mfnet_lite.runs.folder import check_fits, load_run, takes_absent
    from mfnet_lite.scenes.predict import predict_scene

    begun = time.perf_counter()
    weights, repeat = vote(blend)
    check_window(window)
    config, model = load_run(run)
    side = config.window if window is None else window
    step = max(1, side // 2) if stride is None else stride
    given = {"optical": optical, "dsm": dsm, "before": before, "after": after}
    paths = {name: path for name, path in given.items() if path is not None}
    for entry in sensor or ():
        name, equals, value = entry.partition("=")
        if not (name and equals and value):
            raise ValueError(f"--sensor {entry} is not understood: expected NAME=FILE")
        paths[name] = Path(value)
    infos, stated_gsd = config.sensor_infos(), config.gsd
    if dataset_json is not None:
        infos, stated_gsd = _described(infos, dataset_json, stated_gsd)
    policy = check_holes(config.holes if holes is None else holes)
    present = tuple(name for name in config.channels if name in paths)
    missing = [name for name in config.channels if name not in paths]
    if missing and not (present and takes_absent(model)):
        raise ValueError(
            f"{run} was trained on {', '.join(config.channels)}, but no raster was given for "
            f"{', '.join(missing)}; add --{missing[0]} FILE"
        )
    if missing:
        typer.echo(
            f"note: no raster was given for {', '.join(missing)}; the map is made from "
            f"{', '.join(present)} alone",
            err=True,
        )
    for name in paths.keys() - config.channels.keys():
        typer.echo(f"note: {paths.pop(name)} is not read, the run does not use {name}", err=True)
    for name, path in paths.items():
        bands, alpha = choose_bands(path, infos[name]).bands, raster_info(path).alpha
        opacity = alpha is not None and alpha not in bands
        where = f"{path} (its band {alpha} is opacity)" if opacity else path
        check_fits(config, config.channels | {name: len(bands)}, where)
    _compare_gsd(raster_info(paths[present[0]]), config.gsd, stated_gsd)
    stretched = [
        name
        for name in present
        if name not in PICTURES
        and not (infos[name].is_height and config.scaling == "ground")
        and infos[name].scale is None
        and raster_info(paths[name]).dtype != "uint8"
    ]
    if stretched:
        typer.echo(
            f"note: {', '.join(stretched)} is stretched between the lowest and highest values of this scene, as in "
            "training over each tile; a scene of other contents than a tile comes out in other greys",
            err=True,
        )
    predict_scene(
        _mirrored(model, flips),
        {name: paths[name] for name in present},
        out,
        window=side,
        stride=step,
        blend=weights,
        official=repeat,
        batch=batch,
        scaling=config.scaling,
        sensors=infos,
        classes=config.classes,
        palette=config.palette,
        gsd=stated_gsd,
        holes=policy,
        device=device,
        progress=sys.stderr.isatty(),
    )
    scene = raster_info(out)
    number = len(windows(scene.height, scene.width, side, step, repeat))
    memory = peak_memory()
    typer.echo(
        f"wrote {out}: {scene.height} x {scene.width} pixels, {number} window(s) of {side}, "
        f"{time.perf_counter() - begun:.0f} s"
        + (f", at most {memory / 2**20:.0f} MiB of memory" if memory else "")
    )


def _used(
    config: RunConfig, model: nn.Module, chosen: tuple[str, ...] | None, run: Path
) -> tuple[str, ...]:
    """The sensors to score with: all, or those asked for if the model can do without the others."""
    from mfnet_lite.runs.folder import takes_absent

    every = tuple(config.channels)
    names = tuple(name for name in every if chosen is None or name in chosen)
    unknown = [name for name in chosen or () if name not in every]
    if unknown:
        raise ValueError(f"{run} was trained on {', '.join(every)}, not on {', '.join(unknown)}")
    if names != every and not takes_absent(model):
        raise ValueError(
            f"{config.model} needs all of {', '.join(every)}; leave --sensors out, or train it on "
            f"{', '.join(names)} alone"
        )
    return names


def _described(
    infos: dict[str, SensorInfo], path: Path, gsd: float | None
) -> tuple[dict[str, SensorInfo], float | None]:
    """What a file says of a scene's sensors, completed by what the run knows of them."""
    from mfnet_lite.rasters.readers.dataset_json import read_json_file, sensor_from_json

    stated = read_json_file(path)
    found = {
        name: replace(sensor_from_json(name, info.folder, stated), select=info.select).completed(
            info
        )
        for name, info in infos.items()
    }
    return found, float(stated["gsd_m"]) if stated.get("gsd_m") else gsd


def _compare_gsd(info: RasterInfo, trained: float | None, stated: float | None) -> None:
    """Remark that pixels are much wider or narrower than those of the training."""
    width = info.ground_sampling(stated)
    if not width or not trained or GSD_RATIO[0] < width / trained < GSD_RATIO[1]:
        return
    remedy = "resample it"
    if info.transform is not None and info.gsd:
        # gdalwarp wants the units of the coordinate system, which may be feet or degrees
        units = trained * math.hypot(info.transform.a, info.transform.d) / info.gsd
        remedy = f"resample the scene, for example with gdalwarp -tr {units:g} {units:g}"
    typer.echo(
        f"note: the pixels of {info.path} are {width:g} m wide, those of the training were {trained:g} m; {remedy}",
        err=True,
    )


def _policy_words(policy: str, names: tuple[str, ...]) -> str:
    """Which pixels count, in words."""
    words = {
        "any": f"where each of {', '.join(names)} has data",
        "images": "where the images have data",
        "first": f"where {names[0]} has data",
    }
    return words[policy] + ", as in the map (--holes)"


def _mirrored(model: nn.Module, flips: bool) -> nn.Module:
    """The model, or what averages it over mirrored copies."""
    from mfnet_lite.scenes.flips import FlipAverage

    return FlipAverage(model) if flips else model


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
