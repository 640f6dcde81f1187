"""NYUDv2 and SUN RGB-D in the folders of the RGB-X code bases: colour, distance or HHA, 40 or 37 indoor classes.

::

    DIR/RGB/0.jpg
    DIR/HHA/0.jpg                  three bands made of the distance
    DIR/Depth/0.png                the distance itself; HHA, Depth or both
    DIR/Label/0.png                0 = not labelled, 1 to 40 (SUN RGB-D: 1 to 37)
    DIR/train.txt  test.txt        names, or paths such as RGB/0.jpg, one per line

Folders may be spelled in any letters, the labels' also ``Labels``. Facts: the 1449 labelled images of NYU Depth V2
(Silberman et al., ECCV 2012), reduced to 40 classes by Gupta et al. (*Perceptual organization and recognition of
indoor scenes from RGB-D images*, CVPR 2013), with 0 as void in the semantic segmentation challenge's data layer;
HHA (Gupta et al., *Learning rich features from RGB-D images*, ECCV 2014) is horizontal disparity, height above ground
and angle with gravity, each in a byte; SUN RGB-D (Song et al., CVPR 2015) has the first 37 of these classes, its
published label images again with 0 as void. The folders are those of CMX (Liu et al., 2023) and its relatives, which
subtract 1 from the label.

Some copies are shifted already: 0 to 39, and 255 for void. Read as the others every class would be the one before
it; so 255 is refused here instead of being ignored.

A distance from the camera is no elevation: nothing is taken off as ground, and it is scaled by a fixed range, so that
equal distances are equal values in every image. Depth of 16 bits is taken for millimetres, of floats for metres, 10 m
become 1; of 8 bits it is a picture of the distance. SUN RGB-D's own files hold eighths of a millimetre (its toolbox
shifts them by three bits and stops at 8 m), so there all of the 16 bits are the range. Another full value is said by
``"sensors": {"depth": {"scale": …}}`` in ``dataset.json``. 0 means that nothing was measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.layout import (
    divide,
    folder_named,
    folders_named,
    stated_sensor,
    zeros_note,
)
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    choose_optical_bands,
    choose_sensors,
    empty_folder,
    gather,
    labels_in,
    name_lists,
    rasters_in,
)
from mfnet_lite.rasters.tiles import OPTICAL, DatasetInfo, SensorInfo, TileSet
from mfnet_lite.utils.labels import IGNORE_INDEX

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror"),
    *("floor mat", "clothes", "ceiling", "books", "refrigerator", "television", "paper", "towel"),
    *("shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp"),
    *("bathtub", "bag", "other structure", "other furniture", "other prop"),
)
SUN_CLASSES = CLASSES[:37]
FARTHEST = 10.0  # metres that become 1: as far as the camera of NYUDv2 sees
WHOLE_RANGE = 65_535.0  # of the 16 bits that SUN RGB-D uses
COLOUR_FOLDERS = ("rgb",)
LABEL_FOLDERS = ("label", "labels")
AUXILIARY = {
    "hha": SensorInfo(
        "hha", None, 3, names=("disparity", "height above ground", "angle"), kind="other"
    ),
    "depth": SensorInfo("depth", scale=1000 * FARTHEST, nodata=0.0, kind="other"),
}
"""The sensors beside the colours; their folders bear their names."""
_NUMBER = re.compile(r"(img[-_]?)?\d+", re.IGNORECASE)
_SUN = re.compile(r"sun[-_ ]?rgb", re.IGNORECASE)


def is_nyud(root: Path) -> bool:
    """Whether a folder has this layout, with images named by numbers.

    Args:
        root: The folder.

    Returns:
        True if it has.
    """
    colours = folders_named(root, COLOUR_FOLDERS)
    auxiliary = folders_named(root, tuple(AUXILIARY))
    if not (colours and auxiliary and folders_named(root, LABEL_FOLDERS)):
        return False
    return any(_NUMBER.fullmatch(path.stem) for path in colours[0].iterdir())


def is_sunrgbd(root: Path) -> bool:
    """Whether a folder has this layout and bears the name of SUN RGB-D.

    Args:
        root: The folder.

    Returns:
        True if it does.
    """
    return bool(_SUN.search(root.resolve().name)) and is_nyud(root)


def open_nyud(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open NYUDv2 with its 40 classes.

    Args:
        root: The folder.
        sensors: Of ``optical``, ``hha`` and ``depth``; None takes those that are there.
        seed: Choice of the images held out for validation, if there is no ``val.txt``.
        val_fraction: Part of ``train`` held out then.
        optical_bands: Counted from 1; None takes all three.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: Not its folders, or a sensor which is not there.
        ValueError: Two folders of one purpose, or classes of its own in ``dataset.json``.
    """
    return _open("nyud", CLASSES, root, sensors, seed, val_fraction, optical_bands)


def open_sunrgbd(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open SUN RGB-D with its 37 classes, in the same folders.

    Args:
        root: The folder.
        sensors: As in :func:`open_nyud`.
        seed: As in :func:`open_nyud`.
        val_fraction: As in :func:`open_nyud`.
        optical_bands: As in :func:`open_nyud`.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: As in :func:`open_nyud`.
        ValueError: As in :func:`open_nyud`.
    """
    return _open("sunrgbd", SUN_CLASSES, root, sensors, seed, val_fraction, optical_bands)


def _open(
    kind: str,
    classes: tuple[str, ...],
    root: str | Path,
    sensors: Sequence[str] | None,
    seed: int,
    val_fraction: float,
    optical_bands: Sequence[int] | None,
) -> TileSet:
    root = Path(root)
    title = "NYUDv2" if kind == "nyud" else "SUN RGB-D"
    colours, labels = folder_named(root, COLOUR_FOLDERS), folder_named(root, LABEL_FOLDERS)
    folders = {name: folder_named(root, (name,)) for name in AUXILIARY}
    if colours is None or labels is None or not any(folders.values()):
        raise FileNotFoundError(
            f"{root} is not {title}: expected RGB/, HHA/ or Depth/, and Label/ inside; put the images there"
        )
    stated = read_json(root)
    if stated.get("classes") and tuple(stated["classes"]) != classes:
        raise ValueError(
            f"{root / 'dataset.json'} has classes of its own, but the folders are read as {title} with its "
            f"{len(classes)} classes: expected these or none; for other data use the folder layout (image/, depth/, "
            "label/)"
        )
    available = {OPTICAL: SensorInfo(OPTICAL, colours.name, 3, names=("R", "G", "B"))}
    for name, folder in folders.items():
        if folder is not None:
            available[name] = replace(AUXILIARY[name], folder=folder.name)
    if "depth" in available and kind == "sunrgbd":
        available["depth"] = replace(available["depth"], scale=WHOLE_RANGE)
    if "depth" in available and _is_float(root / str(available["depth"].folder)):
        available["depth"] = replace(available["depth"], scale=FARTHEST)
    available = {name: stated_sensor(sensor, stated) for name, sensor in available.items()}
    described = choose_sensors(root, available, sensors)
    described = choose_optical_bands(described, optical_bands)
    values = {0: IGNORE_INDEX} | {index + 1: index for index in range(len(classes))}
    coding = adapt(LabelCoding(len(classes), IGNORE_INDEX, values, classes=classes), stated, root)
    info = DatasetInfo(classes, coding, described, source=title)
    files = {name: rasters_in(root / str(sensor.folder)) for name, sensor in described.items()}
    of_label, left = labels_in(labels)
    divided = divide(root, *gather(files, of_label, info), name_lists(root))
    notes = [
        f"labels are read as those of {title}: 0 not labelled, 1 to {len(classes)} its classes"
    ]
    return finished(
        *(root, kind, info, divided.splits, divided.incomplete),
        notes=(*notes, *left, *zeros_note(described), *divided.notes),
        faults=(*divided.faults, *empty_folder(labels)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _is_float(folder: Path) -> bool:
    """Whether the first image of a folder holds floats, by its header."""
    first = next(iter(rasters_in(folder).values()), None)
    try:
        return first is not None and raster_info(first).dtype.startswith("float")
    except ValueError:  # unreadable: the check tells
        return False
