"""Datasets of number plates: images with boxes, corners or masks.

::

    DIR/training|validation|testing/track0001/track0001[01].png + .txt    UFPR-ALPR
    DIR/**/*.jpg with box and corners in the file name, splits/*.txt      CCPD
    DIR/[train|val|test/]images/x.png, masks/x.png                        any masks

Plates are a class of their own kind: what is annotated is a box or four corners, not pixels. The label
of a sample is therefore drawn: inside the corners if there are any, else inside the box, which then
also holds some of the bumper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from scipy import ndimage
from skimage.draw import polygon

from mfnet_lite.rasters.io import read_raster
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.plate_masks import read_plate_mask
from mfnet_lite.rasters.orientation import orientation, read_turned, upright
from mfnet_lite.rasters.scan import choose_sensors, lines_of
from mfnet_lite.rasters.tiles import (
    ALL,
    OPTICAL,
    SPLITS,
    DatasetInfo,
    PlateTile,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)

UFPR = {"train": "training", "val": "validation", "test": "testing"}
CLASSES = ("no plate", "plate")
SUFFIXES = (".png", ".jpg", ".jpeg")
INFO = DatasetInfo(
    CLASSES, LabelCoding(len(CLASSES), classes=CLASSES), {OPTICAL: SensorInfo(OPTICAL, bands=3)}
)
CCPD_NAME = re.compile(r"^[^-]*-[^-]*-\d+&\d+_\d+&\d+-\d+&\d+(_\d+&\d+){3}(-|$)")


def are_plates(root: Path) -> bool:
    """Whether a folder has one of the three layouts.

    Args:
        root: The folder.

    Returns:
        True if it has.
    """
    return bool(plate_files(root)[0])


def not_for_training(root: Path) -> str:
    """Why :func:`~mfnet_lite.rasters.open_dataset` refuses such a folder, and what opens it.

    Args:
        root: The folder.

    Returns:
        The predicate of a sentence whose subject is the folder.
    """
    return (
        f"holds images of vehicles with number plates (layout {plate_files(root)[0]}), which this does not read: open "
        "them with mfnet_lite.rasters.open_plates and train with mfnet_lite.runs.samlp.train_plates as chapter 6 "
        "does, or put images and masks (0 elsewhere, 1 plate) of one name into train/image/ and train/label/"
    )


def plate_files(root: str | Path) -> tuple[str, dict[str, list[Path]]]:
    """Find the images of a dataset of plates.

    Args:
        root: The folder.

    Returns:
        Its kind (empty if it is none we know) and its images by split.
    """
    root = Path(root)
    tracks = {split: root / name for split, name in UFPR.items() if (root / name).is_dir()}
    if tracks:
        return "ufpr", {split: _images(folder) for split, folder in tracks.items()}
    folders = {split: root / split for split in SPLITS if (root / split / "masks").is_dir()}
    if not folders and (root / "masks").is_dir() and (root / "images").is_dir():
        folders = {ALL: root}
    if folders:
        return "masks", {split: _images(folder / "images") for split, folder in folders.items()}
    lists = {split: root / "splits" / f"{split}.txt" for split in SPLITS}
    if any(path.is_file() for path in lists.values()):
        return "ccpd", {
            split: [_image_of_line(root, line) for line in lines_of(path)]
            for split, path in lists.items()
            if path.is_file()
        }
    # A single name tells; a folder of other images is not searched for long.
    if not any(
        CCPD_NAME.match(path.stem) for path, _ in zip(_walk(root), range(2000), strict=False)
    ):
        return "", {}
    folders = {split: root / split for split in SPLITS if (root / split).is_dir()} or {ALL: root}
    return "ccpd", {split: _images(folder) for split, folder in folders.items()}


def _image_of_line(root: Path, line: str) -> Path:
    """The image that a line of a list names: all of the line, or its first word."""
    words = (line, line.split()[0])
    return next((path for word in words if (path := root / word).is_file()), root / line)


def _walk(folder: Path) -> Any:
    return (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")


def _images(folder: Path) -> list[Path]:
    return sorted(_walk(folder))


def annotation(kind: str, image: Path) -> PlateTile:
    """Read what is annotated on one image.

    Args:
        kind: From :func:`plate_files`.
        image: The image; it need not be readable yet.

    Returns:
        The image with its boxes, corners or mask.

    Raises:
        FileNotFoundError: The image or its text or mask file is missing.
        ValueError: The annotation is not understood.
    """
    if not image.is_file():
        raise FileNotFoundError(f"{image} is listed but not there; add it or unlist it")
    if kind == "ccpd":
        return _from_name(image)
    if kind == "ufpr":
        return _from_text(image)
    mask = next(
        (p for s in SUFFIXES if (p := image.parents[1] / "masks" / f"{image.stem}{s}").is_file()),
        None,
    )
    if mask is None:
        raise FileNotFoundError(
            f"{image} has no mask: expected masks/{image.stem}.png beside images/; add it"
        )
    return _tile(image.stem, image, mask)


def _from_name(image: Path) -> PlateTile:
    """CCPD: area-tilt-box-corners-letters-brightness-blur; corners from the lower right, clockwise."""
    if not CCPD_NAME.match(image.stem):
        raise ValueError(
            f"{image} is not named as in CCPD: expected area-tilt-x0&y0_x1&y1-four corners x&y-…, "
            f"found {image.stem!r}; rename or remove it"
        )
    fields = image.stem.split("-")
    box = np.array(re.findall(r"\d+", fields[2]), np.float32)
    corners = np.array(re.findall(r"\d+", fields[3]), np.float32).reshape(4, 2)
    return _tile(image.stem, image, boxes=box[None], corners=corners[[2, 3, 0, 1]][None])


def _from_text(image: Path) -> PlateTile:
    """UFPR-ALPR: lines ``position_plate: x y w h``, in later releases ``corners: x,y x,y x,y x,y``."""
    text = image.with_suffix(".txt")
    if not text.is_file():
        raise FileNotFoundError(
            f"{image} has no annotation: expected {text.name} beside it; add it"
        )
    boxes: list[list[float]] = []
    corners: list[list[float]] = []
    for number, line in enumerate(text.read_text("utf-8").splitlines(), start=1):
        key, _, value = line.strip().partition(":")
        if key not in ("position_plate", "corners"):
            continue
        wanted = 4 if key == "position_plate" else 8
        try:
            numbers = [float(word) for word in re.split(r"[\s,]+", value.strip())]
        except ValueError:
            numbers = []
        if len(numbers) != wanted or (wanted == 4 and min(numbers[2:]) <= 0):
            raise ValueError(
                f"{text} line {number}: expected {key}: with {wanted} numbers"
                f"{' x y w h, w and h above 0' if wanted == 4 else ''}, found {value.strip()!r}; correct it"
            )
        if wanted == 4:
            x, y, width, height = numbers
            boxes.append([x, y, x + width, y + height])
        else:
            corners.append(numbers)
    if len(corners) not in (0, len(boxes)):
        raise ValueError(
            f"{text} has {len(boxes)} position_plate but {len(corners)} corners: "
            "expected one of each per plate; correct it"
        )
    points = np.array(corners, np.float32).reshape(-1, 4, 2) if corners else None
    name = f"{image.parent.name}/{image.stem}"
    return _tile(name, image, boxes=np.array(boxes, np.float32).reshape(-1, 4), corners=points)


def _tile(name: str, image: Path, mask: Path | None = None, **drawn: Any) -> PlateTile:
    return PlateTile(name, {OPTICAL: image}, mask, INFO, **drawn)


def open_plates(root: str | Path) -> TileSet:
    """Open a dataset of plates, whichever of the three layouts it has.

    Args:
        root: The folder.

    Returns:
        Images and annotations; pixels are read by :func:`read_plates` or
        :class:`~mfnet_lite.rasters.PlateSamples`.

    Raises:
        FileNotFoundError: The folder holds none of the layouts, or a file is missing.
        ValueError: An annotation is not understood.
    """
    return _opened(Path(root), lenient=False)


def open_plate_tiles(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.0,
) -> TileSet:
    """As :func:`open_plates`, with a list of the images whose annotation is missing or not understood.

    Args:
        root: The folder.
        sensors: Only ``optical``; None takes it.
        seed: Of no effect: nothing is held out.
        val_fraction: Of no effect: nothing is held out.

    Returns:
        The dataset, with those images in ``incomplete``.

    Raises:
        FileNotFoundError: The folder holds none of the layouts, or another sensor is asked for.
    """
    choose_sensors(Path(root), INFO.sensors, sensors)
    return _opened(Path(root), lenient=True)


def _opened(root: Path, lenient: bool) -> TileSet:
    layout, found = plate_files(root) if root.is_dir() else ("", {})
    if not layout:
        raise FileNotFoundError(
            f"{root} holds no plates: looked for training/track*/ (UFPR-ALPR), splits/train.txt or file "
            "names with box and corners (CCPD), images/ and masks/; arrange the files in one of these ways"
        )
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    for split, paths in found.items():
        tiles, problems = [], []
        for path in paths:
            try:
                tiles.append(annotation(layout, path))
            except (FileNotFoundError, ValueError) as error:
                if not lenient:
                    raise
                problems.append(Problem.from_sentence(path, str(error)))
        splits[split], incomplete[split] = tuple(tiles), tuple(problems)
    return TileSet(root, layout, INFO, splits, incomplete)


def _as_shown(path: Path) -> Shaped[np.ndarray, "bands height width"]:
    """All bands of an image as viewers show it, which is what its annotation refers to."""
    return read_raster(path).array if orientation(path) == 1 else read_turned(path)


def read_plates(
    tile: Tile,
) -> tuple[
    UInt8[np.ndarray, "3 height width"],
    Int[np.ndarray, "height width"],
    Float[np.ndarray, "plates 4"],
]:
    """Read one image, turned as its orientation tag says: annotation tools show it so.

    Args:
        tile: Of a dataset from :func:`open_plates`; boxes, corners and mask are those of the upright image (a
            mask may have a tag of its own).

    Returns:
        Red, green, blue; the label (0 elsewhere, 1 plate, 255 where a mask leaves it open); the boxes, of
        connected parts if there is only a mask.

    Raises:
        ValueError: Another tile, an image that is unreadable or not 8-bit, a mask of another size, or a plate
            that lies outside the image.
    """
    if not isinstance(tile, PlateTile):
        raise ValueError(
            f"{tile.id} has no annotation of plates: expected a tile of open_plates; open the folder with that"
        )
    image = _as_shown(tile.image)
    image = image[:3] if len(image) >= 3 else image[[0, 0, 0]]
    if image.dtype != np.uint8:
        raise ValueError(f"{tile.image} holds {image.dtype}: expected 8-bit images; convert it")
    height, width = image.shape[1:]
    if tile.label is not None:
        label = upright(read_plate_mask(tile.label), orientation(tile.label)).astype(np.int64)
        if label.shape != (height, width):
            tags = (orientation(tile.image), orientation(tile.label))
            turned = (
                "" if tags == (1, 1) else f" (turned by orientation tags {tags[0]} and {tags[1]})"
            )
            raise ValueError(
                f"{tile.label} is {label.shape[0]} x {label.shape[1]} but its image {height} x {width}"
                f"{turned}: expected the same size; resample it"
            )
        parts = ndimage.find_objects(ndimage.label(label == 1, np.ones((3, 3)))[0])
        edges = [(c.start, r.start, c.stop, r.stop) for r, c in parts]
        return image, label, np.array(edges, np.float32).reshape(-1, 4)
    assert tile.boxes is not None
    for x0, y0, x1, y1 in tile.boxes:
        if min(x0, y0) < -1 or x1 > width + 1 or y1 > height + 1 or x1 <= x0 or y1 <= y0:
            raise ValueError(
                f"{tile.image} has a plate at {x0:g} {y0:g} {x1:g} {y1:g}: expected it inside the image "
                f"of {width} x {height}; correct the annotation"
            )
    shapes = tile.corners
    if shapes is None:
        x0, y0, x1, y1 = tile.boxes.T
        shapes = np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 4, 2)
    label = np.zeros((height, width), np.int64)
    for shape in shapes:  # a pixel counts if its middle, at .5, lies inside
        label[polygon(shape[:, 1] - 0.5, shape[:, 0] - 0.5, label.shape)] = 1
    return image, label, tile.boxes
