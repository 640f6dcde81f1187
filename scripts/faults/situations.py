"""Full disks, absurd sizes, code in place of weights, odd scenes: lists of cases, each done rightly or refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.transform import Affine

from mfnet_lite.rasters import read_raster, write_raster
from scripts.faults.full_disk import full_disk
from scripts.faults.inputs import TRAINING, Inputs
from scripts.faults.verdict import Fault, contents, run

GIANT = 10**9


@dataclass(frozen=True)
class Case:
    """A command, and how it must end.

    Attributes:
        name: What is special about it.
        words: The command.
        refused: Whether it must be refused; None if both ends are right.
    """

    name: str
    words: Sequence[Any]
    refused: bool | None = None


def try_cases(cases: Sequence[Case], scratch: Path) -> Counter[str]:
    """Run each case.

    Args:
        cases: The cases.
        scratch: Where they write; emptied after each.

    Returns:
        How often the end was ``done`` and ``refused``.

    Raises:
        Fault: At the first other end.
    """
    ends = Counter[str]()
    for case in cases:
        refused = run(*case.words)
        if case.refused is not None and bool(refused) != case.refused:
            raise Fault(f"{case.name}: {refused or 'was done'}")
        left = [name for name in contents(scratch) if Path(name).name.startswith(".")]
        if left and refused and "unfinished" not in left[0]:
            raise Fault(f"{case.name} left {left}")
        ends["refused" if refused else "done"] += 1
        empty(scratch)
    return ends


def absurd_options(inputs: Inputs, out: Path) -> list[Case]:
    """List options that nobody can mean.

    Args:
        inputs: Valid ones.
        out: Folder to write into.
    """
    predict = _predict(inputs, inputs.optical, inputs.dsm, out)
    train = ("train", inputs.world, "--out", out / "run", *TRAINING, "--steps", 1)
    masks = ("masks", inputs.optical, "--out", out / "masks", "--points", 2)
    make = ("world", "make", out / "world")
    vectors = ("vectors", inputs.map, "--out", out / "v.geojson")
    wrong = [
        (train, "--size", (GIANT, 0, -1)), (train, "--batch", (GIANT, 0)), (train, "--width", (GIANT, 0, -4)),
        (train, "--depth", (GIANT, -1)), (train, "--steps", (0,)), (train, "--lr", ("nan", "1e300", 0, -1)),
        (train, "--seed", (10**30,)), (train, "--workers", (-3,)), (train, "--jitter", ("inf", -1)),
        (predict, "--stride", (GIANT, 0, -1)), (predict, "--window", (0, -1)), (predict, "--batch", (0, -1)),
        (masks, "--points", (GIANT, 0)), (masks, "--overlap", (GIANT, -1)), (masks, "--tile", (0, -1)),
        (masks, "--quality", ("nan",)),
        (make, "--size", (GIANT, 0, -5, 1)), (make, "--tiles", (0, -1)), (make, "--seed", (-1,)),
        (make, "--parameter", ("ambiguity=nan", "ambiguity=9", "none=1", "ambiguity")),
        (vectors, "--simplify", ("nan", -1, "inf")), (vectors, "--min-area", ("nan", -1)),
    ]  # fmt: skip
    cases = [
        Case(f"{words[0]} {option} {value}", (*words, f"{option}={value}"), True)
        for words, option, values in wrong
        for value in values
    ]
    cases += [
        Case(f"predict {option} {GIANT}", (*predict, f"{option}={GIANT}"), False)
        for option in ("--window", "--batch")
    ]
    nowhere = Path("/proc/none") if Path("/proc").is_dir() else inputs.map / "none"
    cases += [
        Case(
            "predict to a folder that cannot be written", (*predict[:-1], nowhere / "a.tif"), True
        ),
        Case("world make where nothing can be made", ("world", "make", nowhere), True),
        Case("predict below a file", (*predict[:-1], inputs.map / "a.tif"), True),
        Case("predict without a run", ("predict", out, *predict[2:]), True),
    ]
    return cases


def odd_scenes(inputs: Inputs, folder: Path, out: Path) -> list[Case]:
    """Make scenes that are valid or nearly so.

    Args:
        inputs: Valid ones.
        folder: Where the scenes go.
        out: Folder to write into.
    """
    image, heights = read_raster(inputs.optical), read_raster(inputs.dsm)
    cases = []

    def pair(name: str, optical: Any, dsm: Any, refused: bool | None, **place: Any) -> None:
        a, b = folder / f"{name}_image.tif", folder / f"{name}_dsm.tif"
        write_raster(a, optical, image)
        write_raster(b, dsm, None if place else heights, **({"nodata": heights.nodata} | place))
        cases.append(Case(name, _predict(inputs, a, b, out), refused))

    rgb, dsm = image.array, heights.array[0]
    place = {"crs": image.crs, "transform": image.transform}
    there = image.transform
    for height, width in ((1, 1), (1, 64), (64, 1), (37, 53), (63, 64)):
        pair(f"{height} x {width} pixels", rgb[:, :height, :width], dsm[:height, :width], False)
    pair(
        "NaN in the heights",
        rgb,
        np.where(dsm > np.median(dsm), np.nan, dsm).astype(np.float32),
        False,
    )
    pair(
        "infinite heights",
        rgb,
        np.where(dsm > np.median(dsm), np.inf, dsm).astype(np.float32),
        False,
    )
    pair("no height at all", rgb, np.full_like(dsm, heights.nodata or -9999), None)
    pair("nothing but NaN", rgb, np.full_like(dsm, np.nan), None)
    pair("heights of another size", rgb, dsm[:32], True)
    moved = Affine(there.a, 0, there.c + 1000, 0, there.e, there.f)
    pair("heights of another place", rgb, dsm, True, **place | {"transform": moved})
    pair("heights in another projection", rgb, dsm, True, **place | {"crs": "EPSG:25833"})
    pair("heights without a projection", rgb, dsm, None, transform=there)
    pair("an image of two bands", rgb[:2], dsm, True)
    label = read_raster(inputs.label)
    for name, values in (("one label out of range", [99]), ("labels all out of range", range(64))):
        data = folder / name.replace(" ", "_")
        shutil.copytree(inputs.world, data)
        array = label.array[0].copy()
        array[: len(list(values)), 0] = [99 for _ in values]
        if len(list(values)) > 1:
            array[:] = 99
        write_raster(data / "test" / "label" / inputs.label.name, array, label)
        cases.append(Case(name, ("evaluate", inputs.run, data), True))
    empty = folder / "empty"
    (empty / "train" / "image").mkdir(parents=True)
    (empty / "dataset.json").write_text(json.dumps({"classes": ["a", "b"]}))
    for command in (("data", "check", empty), ("evaluate", inputs.run, empty)):
        cases.append(Case(f"{command[0]} of no tiles", command, True))
    cases.append(Case("training on no tiles", ("train", empty, "--out", out / "run"), True))
    giant = folder / "giant.tif"
    profile = {"driver": "GTiff", "width": 2**20, "height": 2**20, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        giant, "w", **profile, **place, SPARSE_OK=True, BIGTIFF="YES", blockysize=2**20
    ):
        pass
    cases.append(Case("a header of terabytes", _predict(inputs, giant, inputs.dsm, out), True))
    return cases


class Pickled:
    """Would print a word if it were loaded, and nothing else."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Say what a loader would call."""
        return print, ("a pickle was run",)


def pickled_code(inputs: Inputs, folder: Path, out: Path) -> list[Case]:
    """Make files that hold an object in place of tensors.

    Args:
        inputs: Valid ones.
        folder: Where they go.
        out: Folder to write into.
    """
    run_folder = folder / "run"
    shutil.copytree(inputs.run, run_folder)
    torch.save({"model": Pickled()}, run_folder / "state.pt")
    torch.save({"weight": Pickled()}, folder / "sam.pth")
    torch.save(Pickled(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
    resume = (
        "train",
        inputs.world,
        "--out",
        run_folder,
        *TRAINING,
        "--steps",
        2,
        "--save-every",
        1,
    )
    masks = ("masks", inputs.optical, "--out", out / "masks", "--backbone")
    return [
        Case("a state of a training", (*resume, "--resume"), True),
        Case("a checkpoint", (*masks, folder / "sam.pth"), True),
        Case("an old checkpoint", (*masks, folder / "legacy.pth"), True),
    ]


def full_disks(inputs: Inputs, out: Path, steps: int) -> Counter[str]:
    """Let the disk be full after more and more bytes, while something is written over an old file.

    Args:
        inputs: Valid ones.
        out: Folder to write into.
        steps: How many sizes for each command.

    Returns:
        How often the end was ``done`` and ``refused``.

    Raises:
        Fault: If a file is not whole, or an old one is lost.
    """
    predict = _predict(inputs, inputs.optical, inputs.dsm, out)
    commands = [
        (predict, out / "map.tif"),
        ((*predict, "--cog"), out / "map.tif"),
        (("vectors", inputs.map, "--out", out / "v.geojson"), out / "v.geojson"),
    ]
    ends = Counter[str]()
    for words, written in commands:
        if refused := run(*words):
            raise Fault(refused)
        whole = written.read_bytes()
        for step in range(steps):
            written.write_bytes(b"old")
            with full_disk(max(1, len(whole) * step // steps)):
                refused = run(*words)
            if not refused or written.read_bytes() != b"old" or len(list(out.iterdir())) != 1:
                raise Fault(f"{words[0]} on a full disk: {refused or 'was done'}")
            ends["refused"] += 1
        if run(*words) or written.read_bytes() != whole:
            raise Fault(f"{words[0]} with room again gives another file")
        ends["done"] += 1
        empty(out)
    train = (
        "train",
        inputs.world,
        "--out",
        out / "run",
        *TRAINING,
        "--steps",
        2,
        "--save-every",
        1,
    )
    for step in range(steps):
        size = (inputs.run / "state.pt").stat().st_size
        # from 20 kB on: PyTorch's shared memory is a file as well, and config and log fit anyway
        with full_disk(20_000 + (size - 20_000) * step // steps):
            refused = run(*train)
        resumable = ["--resume"] if (out / "run" / "state.pt").exists() else []
        if not refused or run(*train, *resumable):
            raise Fault(f"training on a full disk: {refused or 'was done'}")
        if _weights(out / "run") != _weights(inputs.run):
            raise Fault("training on after a full disk gives other weights")
        ends["refused"] += 1
        empty(out)
    return ends


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def _predict(inputs: Inputs, optical: Path, dsm: Path, out: Path) -> tuple[Any, ...]:
    return ("predict", inputs.run, "--optical", optical, "--dsm", dsm, "--out", out / "map.tif")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
