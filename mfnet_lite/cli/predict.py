"""``mfnet-lite predict``: a map of a scene of any size."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.options import check_nodata_policy
from mfnet_lite.cli.pixel_size import compare_gsd
from mfnet_lite.cli.scene_rasters import SceneRasters
from mfnet_lite.cli.windows import WindowOptions, check_window, overlap_mode
from mfnet_lite.cli.words import Words, ask_for
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.processes import is_first_process
from mfnet_lite.utils.provenance import peak_memory

if TYPE_CHECKING:
    from mfnet_lite.rasters import SensorInfo
    from mfnet_lite.runs.run_config import RunConfig


def _with_option(text: str) -> str:
    """A message that asks for a line of ``dataset.json``, completed: no folder's file is read here."""
    if "--dataset-json" in text or not re.search(r"(?<=\s)dataset\.json\b", text):
        return text
    return f"{text}; predict reads it from the file given with --dataset-json"


@partial(plain_errors, reword=_with_option)
def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    out: Annotated[Path, typer.Option(help="The map to write, a .tif.")],
    windows: WindowOptions,
    rasters: SceneRasters,
    nodata_policy: Annotated[
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
    classes: Words = None,
    confidence: Annotated[
        Path | None,
        typer.Option(
            help="A second .tif to write: the probability of the chosen class, 0 to 250 for 0 to 1 as its scale says; "
            "named MAP_confidence.tif, vectors finds it."
        ),
    ] = None,
    cog: Annotated[
        bool, typer.Option("--cog", help="Write cloud-optimised GeoTIFFs, with overviews.")
    ] = False,
    area: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Side of the pieces that a scene is made in and that processes share, in pixels, rounded up to whole "
            "blocks of the file; 2048 if absent. It bounds the memory and changes no pixel.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Write a georeferenced map of a scene of any size.

    Under torchrun the processes share the scene, area by area; called again after a failure, they make what is missing.
    """
    from mfnet_lite.rasters import raster_info
    from mfnet_lite.rasters import windows as windows_of
    from mfnet_lite.rasters.grids import best_placed
    from mfnet_lite.runs.colours import colours_for
    from mfnet_lite.runs.folder import load_run
    from mfnet_lite.scenes import Windows
    from mfnet_lite.scenes.predict import PANEL, predict_scene

    begun = time.perf_counter()
    weights, repeat = overlap_mode(windows.blend)
    check_window(windows.window)
    config, model = load_run(run)
    names, palette = config.classes, config.palette
    if classes is not None:
        names = ask_for(classes, run, config, model)
        palette = colours_for(len(names), None)
    side = windows.side(config.window)
    step = max(1, side // 2) if windows.stride is None else windows.stride
    paths = rasters.paths()
    infos, gsd, measured = config.sensor_infos(), config.gsd, config.gsd_measured
    if dataset_json is not None:
        infos, stated = _described(infos, dataset_json)
        gsd, measured = (gsd, measured) if stated is None else (stated, False)
    policy = check_nodata_policy(config.holes if nodata_policy is None else nodata_policy)
    paths = _present(paths, config, run)
    _check_bands(paths, infos, config)
    compare_gsd(best_placed(map(raster_info, paths.values())), config.gsd, gsd, measured)
    _tell_stretched(paths, infos, config.scaling)
    predict_scene(
        windows.mirrored(model),
        paths,
        out,
        Windows(side, step, weights, batch=windows.batch, repeat_border=repeat),
        scaling=config.scaling,
        sensors=infos,
        classes=names,
        palette=palette,
        gsd=gsd,
        gsd_measured=measured,
        holes=policy,
        device=device,
        progress=sys.stderr.isatty(),
        panel=area or PANEL,
        confidence=confidence,
        cog=cog,
    )
    if not is_first_process():
        return
    scene = raster_info(out)
    number = len(windows_of(scene.height, scene.width, side, step, repeat))
    memory = peak_memory()
    maps = f"{out}" if confidence is None else f"{out} and {confidence}"
    typer.echo(
        f"wrote {maps}: {scene.height} x {scene.width} pixels, {counted(number, 'window')} of {side}, "
        f"{time.perf_counter() - begun:.0f} s"
        + (f", at most {memory / 2**20:.0f} MiB of memory" if memory else "")
    )


def _present(paths: Mapping[str, Path], config: RunConfig, run: Path) -> dict[str, Path]:
    """The rasters of the run's sensors in their order; says what is missing and what is not read."""
    paths = _shared(paths, config)
    present = {name: paths[name] for name in config.channels if name in paths}
    missing = [name for name in config.channels if name not in paths]
    if missing and not (present and config.network.takes_missing_sensors):
        raise ValueError(
            f"{run} was trained on {', '.join(config.channels)}, but no raster was given for "
            f"{', '.join(missing)}; add {_option(missing[0])}"
        )
    if missing:
        typer.echo(
            f"note: no raster was given for {', '.join(missing)}; the map is made from "
            f"{', '.join(present)} alone",
            err=True,
        )
    for name in paths.keys() - config.channels.keys():
        typer.echo(f"note: {paths[name]} is not read, the run does not use {name}", err=True)
    return present


def _option(sensor: str) -> str:
    """How a raster of a sensor is given on the command line."""
    own = ("optical", "dsm", "before", "after")
    return f"--{sensor} FILE" if sensor in own else f"--sensor {sensor}=FILE"


def _shared(paths: Mapping[str, Path], config: RunConfig) -> dict[str, Path]:
    """The rasters, and for a sensor without one that of another with whose bands it shared its files in training."""
    from mfnet_lite.rasters import raster_info

    infos, found = config.sensor_infos(), dict(paths)
    for name in config.channels:
        own = infos[name]
        if name in found or own.select is None or own.folder is None:
            continue
        host = next((n for n in paths if n in infos and infos[n].folder == own.folder), None)
        # a file of colours alone is no fault: the sensor is missing
        if host is not None and raster_info(paths[host]).bands >= max(own.select):
            found[name] = paths[host]
            bands = ", ".join(map(str, own.select))
            typer.echo(
                f"note: {name} is read from band {bands} of {found[name]}, as in training", err=True
            )
    return found


def _check_bands(
    paths: Mapping[str, Path], infos: Mapping[str, SensorInfo], config: RunConfig
) -> None:
    """Refuse rasters with other bands than those of the training."""
    from mfnet_lite.rasters.interpretation.band_counts import opacity_words
    from mfnet_lite.rasters.interpretation.bands import choose_bands
    from mfnet_lite.runs.data import check_fits

    for name, path in paths.items():
        bands = choose_bands(path, infos[name]).bands
        where = f"{path}{opacity_words(path, infos[name])}"
        check_fits(config, config.channels | {name: len(bands)}, where)


def _tell_stretched(
    paths: Mapping[str, Path], infos: Mapping[str, SensorInfo], scaling: str
) -> None:
    """Say which sensors are scaled by the values of this scene alone."""
    from mfnet_lite.rasters import raster_info

    stretched = [
        name
        for name, path in paths.items()
        if not infos[name].is_image
        and not (infos[name].is_height and scaling == "ground")
        and infos[name].scale is None
        and raster_info(path).dtype != "uint8"
    ]
    if stretched:
        typer.echo(
            f"note: {', '.join(stretched)} is stretched between the lowest and highest values of this scene, as in "
            "training over each tile; a scene of other contents than a tile comes out in other greys",
            err=True,
        )


def _described(
    infos: dict[str, SensorInfo], path: Path
) -> tuple[dict[str, SensorInfo], float | None]:
    """What a file says of a scene's sensors, completed by what the run knows of them, and of its pixels' width."""
    from mfnet_lite.rasters.readers.dataset_json import (
        misspelt_keys,
        read_json_file,
        sensor_from_json,
    )
    from mfnet_lite.utils.misspellings import meant

    stated = read_json_file(path)
    named = stated.get("sensors") or {}
    lacking = [name for name in infos if name not in named]
    sensors = [
        f"{path.name} has the sensor {name!r}, which the run does not use; did you mean {probably!r}?"
        for name in named
        if name not in infos and (probably := meant(name, lacking))
    ]
    for note in (*misspelt_keys(stated, path.name), *sensors):
        typer.echo(f"note: {note}", err=True)
    found = {}
    for name, info in infos.items():
        own = sensor_from_json(name, info.folder, stated)
        # what is in which band is the run's business where the file says nothing
        own = replace(own, select=info.select, names=own.names or info.names)
        found[name] = own.completed(info)
    return found, float(stated["gsd_m"]) if stated.get("gsd_m") else None
