"""Small made samples of the public image layouts: each function writes one, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mfnet_lite.rasters import write_raster

SIZE = (24, 32)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def colours(rng: np.random.Generator, size=SIZE) -> np.ndarray:
    return rng.integers(1, 256, (*size, 3), dtype=np.uint8)


def write_list(path: Path, lines: Sequence[str], end: str = "\n") -> None:
    path.write_bytes((end.join(lines) + end).encode())


def make_mf_street(root: Path, seed: int = 0, *, flips: bool = False) -> Path:
    """Six images by day and by night, as published: the thermal channel where a PNG has opacity."""
    rng = np.random.default_rng(seed)
    names = ["00001D", "00002D", "00003N", "00004N", "00005D", "00006N"]
    for name in names:
        label = rng.integers(0, 9, SIZE, dtype=np.uint8)
        thermal = np.clip(25 * label.astype(int) + rng.integers(0, 20, SIZE), 0, 255)
        image = np.dstack([colours(rng), thermal.astype(np.uint8)])
        for end, turn in (("", 1), ("_flip", -1))[: 1 + flips]:
            save(root / "images" / f"{name}{end}.png", np.ascontiguousarray(image[:, ::turn]))
            save(root / "labels" / f"{name}{end}.png", np.ascontiguousarray(label[:, ::turn]))
    write_list(root / "train.txt", names[:3])
    write_list(root / "val.txt", names[3:4])
    write_list(root / "test.txt", names[4:])
    write_list(root / "test_day.txt", names[4:5])
    write_list(root / "test_night.txt", names[5:])
    return root


def split_channels(
    root: Path, target: Path, folders: Sequence[str] = ("RGB", "Modal", "Label")
) -> Path:
    """The same images in the folders of the RGB-X code bases."""
    colour, thermal, labels = folders
    for path in (root / "images").iterdir():
        image = np.array(Image.open(path))
        save(target / colour / f"{path.stem}.jpg", image[..., :3])
        save(target / thermal / path.name, image[..., 3])
        save(target / labels / path.name, np.array(Image.open(root / "labels" / path.name)))
    for path in root.glob("t*.txt"):
        (target / path.name).write_bytes(path.read_bytes())
    return target


def make_pst900(root: Path, seed: int = 0) -> Path:
    """Three training and two test images with all four sensors."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", 3), ("test", 2)):
        for index in range(count):
            name = f"{index}_bag1a_rect_rgb_frame{index:010d}.png"
            label = rng.integers(0, 5, SIZE, dtype=np.uint8)
            thermal = (50 * label + rng.integers(1, 50, SIZE)).astype(np.uint8)
            thermal[0, :4] = 0  # holes of the projection
            depth = rng.integers(2560, 10 * 2560, SIZE, dtype=np.uint16)
            depth[1, :4] = 0
            save(root / split / "rgb" / name, colours(rng))
            save(root / split / "thermal" / name, thermal)
            save(root / split / "thermal_raw" / name, thermal.astype(np.uint16) * 200)
            save(root / split / "depth" / name, depth)
            save(root / split / "labels" / name, label)
    return root


def make_nyud(
    root: Path, seed: int = 0, *, classes: int = 40, labels: str = "Label", start: str = "RGB/"
) -> Path:
    """Five images with HHA and 16-bit depth, listed by their paths; every class occurs."""
    rng = np.random.default_rng(seed)
    for index in range(5):
        label = rng.permutation(np.arange(SIZE[0] * SIZE[1]) % (classes + 1)).reshape(SIZE)
        depth = (500 + 100 * label).astype(np.uint16)
        depth[0, :3] = 0
        save(root / "RGB" / f"{index}.jpg", colours(rng))
        save(root / "HHA" / f"{index}.jpg", colours(rng))
        save(root / "Depth" / f"{index}.png", depth)
        save(root / labels / f"{index}.png", label.astype(np.uint8))
    lines = [f"{start}{index}.jpg" if start else str(index) for index in range(5)]
    write_list(root / "train.txt", lines[:3])
    write_list(root / "test.txt", lines[3:])
    return root


def make_whu_opt_sar(
    root: Path, seed: int = 0, *, scenes: int = 5, optical: str = "optical", size=(40, 56)
) -> Path:
    """Scenes named as in the original, with the bands blue, green, red, near infrared."""
    rng = np.random.default_rng(seed)
    place = {"crs": "EPSG:32649"}
    for index in range(scenes):
        name = f"NH49E{index + 1:03d}013.tif"
        label = rng.integers(0, 8, size, dtype=np.uint8)
        bands = [10, 20, 30, 200]
        image = np.stack([np.full(size, band, np.uint8) + label for band in bands])
        where = place | {"transform": grid(index)}
        write_raster(root / optical / name, image, **where)
        write_raster(root / "sar" / name, 30 * label[None] + 5, **where)
        write_raster(root / "lbl" / name, label * 10, **where)
    return root


def grid(index: int):
    from rasterio.transform import Affine

    return Affine(5, 0, 500_000 + 10_000 * index, 0, -5, 3_400_000)
