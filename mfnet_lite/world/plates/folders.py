"""Write plate images as folders, in the layouts of the public datasets of plates.

- ``ufpr``: ``training|validation|testing/track0001/track0001[01].png`` with a text file of the same name
  that holds ``position_plate: x y w h``, as UFPR-ALPR has it.
- ``ccpd``: ``ccpd_base/*.jpg`` whose names say box and corners, and ``splits/*.txt``, as CCPD has it;
  one plate in each image.
- ``masks``: ``train|val|test/{images,masks,instances}/*.png``, the plain form of any segmentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image
from tqdm import tqdm

from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.fresh_folders import finish_folder, fresh_folder
from mfnet_lite.utils.memory import check_memory
from mfnet_lite.world.output import split_names
from mfnet_lite.world.plates.image import PlateConfig, PlateImage, make_plate_image
from mfnet_lite.world.plates.lettering import DIGITS, LETTERS

__all__ = ["write_plates"]

SHARES = (0.4, 0.2, 0.4)
"""Training, validation and test in UFPR-ALPR."""
UFPR_SPLITS = {"train": "training", "val": "validation", "test": "testing"}
LAYOUTS = ("ufpr", "ccpd", "masks")


def write_plates(
    out: str | Path,
    images: int = 100,
    size: int = 256,
    seed: int = 0,
    layout: str = "ufpr",
    night: float = 0.25,
    config: PlateConfig | None = None,
    splits: tuple[float, float, float] = SHARES,
    quiet: bool = False,
) -> Path:
    """Write images of vehicles with plates.

    Image k is ``make_plate_image(seed + k)``; CCPD shows one plate in each image, so there the
    vehicle is alone, carries one, and a seed whose plate a post hides is passed over.

    Args:
        out: A new or empty folder.
        images: How many.
        size: Side in pixels.
        seed: Of the first image.
        layout: ``ufpr``, ``ccpd`` or ``masks``.
        night: Share of images taken at night, 0…1.
        config: The parameters.
        splits: Shares of train, val and test; defaults to those of UFPR-ALPR.
        quiet: No progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: For another layout, a share outside 0…1, or a folder with content.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r} of plates; available: {', '.join(LAYOUTS)}")
    if not 0 <= night <= 1:
        raise ValueError(f"night is the share of images at night, 0 to 1, got {night}; change it")
    check_memory(3.0 * size**2, f"an image of {size} x {size} pixels", "choose a smaller size")
    split_of = split_names(images, splits)
    config = config or PlateConfig()
    plan = {
        "layout": layout,
        "images": images,
        "size": size,
        "seed": seed,
        "night": night,
        "splits": splits,
    }
    folder = fresh_folder(out, plan | {"plates": repr(config)})
    if layout == "ccpd":
        config = replace(config, others=0, absent=0.0)
    taken = _take(images, size, seed, night, config, layout == "ccpd")
    bar = tqdm(taken, total=images, desc="images", unit="image", disable=quiet)
    names: dict[str, list[str]] = {}
    for index, image in enumerate(bar):
        split = split_of[index]
        if layout == "ufpr":
            _ufpr(folder / UFPR_SPLITS[split], image, names.setdefault(split, []))
        elif layout == "ccpd":
            _ccpd(folder, image, names.setdefault(split, []))
        else:
            _masks(folder / split, image)
    if layout == "ccpd":
        (folder / "splits").mkdir()
        for split, listed in names.items():
            write_text(folder / "splits" / f"{split}.txt", "\n".join(listed) + "\n")
    source = {"source": "mfnet_lite.world.plates.image, procedural", "seed": seed, "size": size}
    write_text(folder / "dataset.json", json.dumps(source, indent=1) + "\n")
    return finish_folder(folder)


def _take(
    count: int, size: int, seed: int, night: float, config: PlateConfig, single: bool
) -> Iterator[PlateImage]:
    """Images one after the other, night and day mixed evenly."""
    while count:
        share = np.floor((seed + 1) * night) - np.floor(seed * night)
        image = make_plate_image(seed, size, bool(share), config)
        seed += 1
        if not single or len(image.texts) == 1:
            count -= 1
            yield image


def _save(path: Path, array: Shaped[np.ndarray, ...], quality: int = 95) -> None:
    """Write an image atomically."""
    with replacing(path) as temporary:
        Image.fromarray(array).save(temporary, quality=quality)  # PNG has none and ignores it


def _ufpr(split: Path, image: PlateImage, names: list[str]) -> None:
    """One track of one frame; an image with several plates repeats the lines of the plate."""
    names.append(f"track{len(names) + 1:04d}")
    track = split / names[-1]
    _save(track / f"{track.name}[01].png", image.image.transpose(1, 2, 0))
    lines = ["camera: mfnet_lite.world"]
    for box, corners, text in zip(image.plate_boxes, image.corners, image.texts, strict=True):
        # Whole pixels, as the annotators of UFPR-ALPR drew them.
        x0, y0, x1, y1 = (round(float(edge)) for edge in box)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        lines += [
            f"plate: {text}",
            f"position_plate: {x0} {y0} {x1 - x0} {y1 - y0}",
            f"corners: {points}",
        ]
    write_text(track / f"{track.name}[01].txt", "\n".join(lines) + "\n")


def _ccpd(folder: Path, image: PlateImage, names: list[str]) -> None:
    """One JPEG whose name says all: area, tilt, box, corners, letters, brightness, blur."""
    (x0, y0, x1, y1) = (round(float(edge)) for edge in image.plate_boxes[0])
    corners = np.rint(image.corners[0]).astype(int)
    area = round(1000 * float(image.plate.mean()))
    down, across = (
        image.corners[0, 3] - image.corners[0, 0],
        image.corners[0, 1] - image.corners[0, 0],
    )
    tilt = [
        round(90 + float(np.degrees(np.arctan2(v[1 - k], v[k]))))
        for k, v in ((0, across), (1, down))
    ]
    points = "_".join(
        f"{x}&{y}" for x, y in corners[[2, 3, 0, 1]]
    )  # from the lower right, clockwise
    table = LETTERS + DIGITS
    letters = "_".join(str(table.index(c)) for c in image.texts[0] if c in table)
    grey = round(float(image.image.mean()))
    fields = (
        f"{area:03d}", f"{tilt[0]}_{tilt[1]}", f"{x0}&{y0}_{x1}&{y1}", points, letters, str(grey), str(image.seed),
    )  # fmt: skip
    name = f"ccpd_base/{'-'.join(fields)}.jpg"
    _save(folder / name, image.image.transpose(1, 2, 0))
    names.append(name)


def _masks(split: Path, image: PlateImage) -> None:
    """An image, its plate mask (0 or 255) and the numbers of its objects, by the same name."""
    name = f"plates_{image.seed:06d}.png"
    _save(split / "images" / name, image.image.transpose(1, 2, 0))
    _save(split / "masks" / name, np.where(image.plate, 255, 0).astype(np.uint8))
    _save(split / "instances" / name, image.instances.astype(np.uint8))
