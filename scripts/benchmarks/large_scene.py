"""A scene as large as wanted, and how much memory its map takes.

    python -m scripts.benchmarks.large_scene make OUT --size 12000      OUT/optical.tif and OUT/dsm.tif
    python -m scripts.benchmarks.large_scene measure                    3000, 6000 and 12000 pixels square; rewrites
                                                                        book/results/large_scene.json
    python -m scripts.benchmarks.large_scene measure --sizes 1000 2000 --out OUT.json
    python -m scripts.benchmarks.large_scene measure --pair --out OUT.json
                                                                        the same for two dates and SAM-CD

The scene is a patchwork of four made scenes, turned and put on a hill; it is written block by block and
never in memory as a whole. Each map is made by `mfnet-lite predict` in a process of its own, with a
small U-Net of random weights: what is measured are memory and time, not classes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window
from tqdm import tqdm

from mfnet_lite.nets import build_model
from mfnet_lite.rasters import geotiff_profile
from mfnet_lite.runs.folder import RunConfig, frozen_hash
from mfnet_lite.training.state import MODEL_FILE, save_model
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit
from mfnet_lite.utils.raster_files import replacing_raster
from mfnet_lite.world import make_pair, make_scene
from scripts.benchmarks.common import RESULTS, ROOT, now

PATCH = 512
GSD = 0.25
NODATA = -9999.0
GEOREFERENCE = {"crs": "EPSG:25832", "transform": Affine(GSD, 0, 400_000, 0, -GSD, 5_700_000)}
CLASSES = ("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter")
WINDOW = 256
CHANGE = ("unchanged", "changed")
CHILD = """
import json, sys
import mfnet_lite.scenes.predict, mfnet_lite.runs.folder
from mfnet_lite.cli import app
from mfnet_lite.utils.provenance import peak_memory
libraries = peak_memory()
app(sys.argv[1:], standalone_mode=False)
print(json.dumps({"libraries": libraries, "peak": peak_memory()}))
"""


def write_large(out: Path, size: int, seed: int = 0, quiet: bool = False) -> dict[str, Path]:
    """Write ``optical.tif`` (R, G, B in bytes) and ``dsm.tif`` (metres, with holes), block by block.

    Args:
        out: folder; files of these names are replaced.
        size: side in pixels.
        seed: of the first of the four scenes.
        quiet: no progress bar.

    Returns:
        Sensor name → file.
    """
    patches = [make_scene(seed + k, PATCH, GSD) for k in range(4)]
    # deflate's first level: the default one takes four times as long for a tenth less
    optical = geotiff_profile(size, size, 3, "uint8", **GEOREFERENCE) | {"zlevel": 1}
    dsm = geotiff_profile(size, size, 1, "float32", nodata=NODATA, **GEOREFERENCE) | {"zlevel": 1}
    paths = {"optical": out / "optical.tif", "dsm": out / "dsm.tif"}
    with (
        new_raster(paths["optical"], optical) as images,
        new_raster(paths["dsm"], dsm) as heights,
    ):
        for i, j, window in blocks(size, quiet):
            scene, turn = patches[(i + 2 * j) % 4], (3 * i + j) % 4
            high, wide = window.height, window.width
            image = np.rot90(scene.optical[:3], turn, axes=(1, 2))[:, :high, :wide]
            images.write(np.maximum(image, 1), window=window)
            row, col = window.row_off, window.col_off
            rows, cols = np.mgrid[row : row + high, col : col + wide]
            hill = 20 * np.sin(rows * GSD / 700) * np.cos(cols * GSD / 900)
            ground = scene.dsm - scene.dtm + 100
            surface = np.rot90(ground, turn)[:high, :wide] + hill
            measured = np.rot90(scene.dsm_valid, turn)[:high, :wide]
            filled = np.where(measured, surface, NODATA).astype(np.float32)
            heights.write(filled, 1, window=window)
    return paths


@contextlib.contextmanager
def new_raster(path: Path, profile: dict[str, Any]) -> Iterator[rasterio.io.DatasetWriter]:
    """Open a raster for writing; an earlier file is replaced once the new one is whole."""
    with (
        rasterio.Env(GDAL_CACHEMAX=64),
        replacing_raster(path, profile) as raster,
    ):
        yield raster


def blocks(size: int, quiet: bool) -> Iterator[tuple[int, int, Window]]:
    """Yield the numbers of row and column of every patch, and its window in the large scene."""
    starts = range(0, size, PATCH)
    for i, row in enumerate(tqdm(starts, unit="row of patches", disable=quiet)):
        for j, col in enumerate(starts):
            yield i, j, Window(col, row, min(PATCH, size - col), min(PATCH, size - row))


def write_large_pair(out: Path, size: int, seed: int = 0, quiet: bool = False) -> dict[str, Path]:
    """Write ``before.tif`` and ``after.tif`` (R, G, B in bytes), block by block.

    Args:
        out: folder; files of these names are replaced.
        size: side in pixels.
        seed: of the first of the two pairs.
        quiet: no progress bar.

    Returns:
        Sensor name → file.
    """
    patches = [make_pair(seed + k, PATCH, GSD) for k in range(2)]
    profile = geotiff_profile(size, size, 3, "uint8", **GEOREFERENCE) | {"zlevel": 1}
    paths = {name: out / f"{name}.tif" for name in ("before", "after")}
    for date, path in paths.items():
        with new_raster(path, profile) as images:
            for i, j, window in blocks(size, quiet):
                scene = getattr(patches[(i + j) % 2], date)
                image = np.rot90(scene.optical[:3], (3 * i + j) % 4, axes=(1, 2))
                image = image[:, : window.height, : window.width]
                images.write(np.maximum(image, 1), window=window)
    return paths


def write_run(folder: Path, pair: bool = False) -> Path:
    """Write the run folder of a small U-Net, or of SAM-CD on the small SAM, with random weights.

    Args:
        folder: the run folder.
        pair: two dates and SAM-CD instead of image, heights and U-Net.
    """
    model, classes = ("sam_cd", CHANGE) if pair else ("unet", CLASSES)
    options: dict[str, Any] = {"backbone": "tiny", "fine": 16} if pair else {"width": 4, "depth": 2}
    channels = {"before": 3, "after": 3} if pair else {"optical": 3, "dsm": 1}
    units = {"dsm": {"unit": "m"}}
    run = RunConfig(
        model=model,
        options=options,
        channels=channels,
        sensors={name: {"name": name, **units.get(name, {})} for name in channels},
        classes=classes,
        size=WINDOW,
        palette=tuple((40 * k, 255 - 40 * k, 128) for k in range(len(classes))),
        base=frozen_hash(build_model(model, channels, len(classes), **options)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    run.save(folder)
    save_model(run.build(), folder / MODEL_FILE)
    return folder


def measure(
    size: int, folder: Path, options: Sequence[str] = (), pair: bool = False
) -> dict[str, Any]:
    """Make a scene and its map; the map in a process of its own.

    Args:
        size: side in pixels.
        folder: for the files, which are deleted again.
        options: further words for ``mfnet-lite predict``.
        pair: whether it is a pair of dates.

    Returns:
        Peak resident bytes of the predicting process and those of its libraries alone, its CPU
        seconds, bytes of the files.
    """
    write = write_large_pair if pair else write_large
    paths = write(folder / str(size), size, quiet=True)
    run, out = write_run(folder / "run", pair), folder / str(size) / "map.tif"
    command = ["predict", run, "--out", out, "--device", "cpu", *options]
    for name, path in paths.items():
        command += [f"--{name}", path]
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    if done.returncode or not out.is_file():
        sys.exit(f"predict of {size} x {size} pixels failed: {done.stderr}")
    after, memory = os.times(), json.loads(done.stdout.splitlines()[-1])
    result = {
        "size": size,
        "peak_bytes": memory["peak"],
        "libraries_bytes": memory["libraries"],
        "cpu_seconds": round(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system,
            1,
        ),
        "pixels_in_memory_if_whole_bytes": size
        * size
        * (3 + 3 + len(CHANGE) if pair else 3 + 1 + len(CLASSES))
        * 4,
        "bytes_on_disk": sum(path.stat().st_size for path in paths.values()),
    }
    for path in [*paths.values(), out]:
        path.unlink()
    return result


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write a scene")
    make.add_argument("out", type=Path)
    make.add_argument("--size", type=int, default=12_000)
    make.add_argument("--seed", type=int, default=0)
    table = commands.add_parser("measure", help="memory and time of maps of several sizes")
    table.add_argument("--sizes", type=int, nargs="+", default=[3000, 6000, 12_000])
    table.add_argument("--stride", type=int, default=256)
    table.add_argument("--pair", action="store_true", help="two dates and SAM-CD")
    table.add_argument("--out", type=Path, default=RESULTS / "large_scene.json")
    options = parser.parse_args()
    if options.command == "make":
        for path in write_large(options.out, options.size, options.seed).values():
            print(f"wrote {path}, {path.stat().st_size / 2**20:.0f} MiB")
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            rows.append(
                measure(size, Path(scratch), ("--stride", str(options.stride)), options.pair)
            )
            print(rows[-1], flush=True)
    content = {
        "provenance": {
            "script": "scripts/benchmarks/large_scene.py measure" + " --pair" * options.pair,
            "commit": commit(ROOT),
            "time": now(),
            "hardware": f"{platform.machine()}, CPU only, one thread",
            "data": "made pairs of images (3 x uint8 each), seeds 0 and 1"
            if options.pair
            else "made scene, optical (3 x uint8) and height map (float32), seeds 0 to 3",
            "model": "SAM-CD on the small SAM, 16 channels at its finest decoded map, heads untrained"
            if options.pair
            else "U-Net of width 4 and depth 2, random weights, 6 classes",
            "windows": f"256 pixels, stride {options.stride}, smooth",
            "seconds": "CPU seconds of the predicting process, imports included",
            "memory": "peak resident bytes of the whole process (VmHWM), and before the scene was opened",
        },
        "results": rows,
    }
    write_text(options.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
