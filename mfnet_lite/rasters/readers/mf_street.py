"""The MFNet street set: colour and thermal images from a car, by day and by night, nine classes.

::

    DIR/images/00001D.png      red, green, blue and, as the FOURTH channel, thermal; D = day, N = night
    DIR/labels/00001D.png      class indices
    DIR/train.txt  val.txt  test.txt  test_day.txt  test_night.txt      names, one per line

Facts from the data set's own description and the authors' public loader (Ha et al., *MFNet: Towards real-time
semantic segmentation for autonomous vehicles with multi-spectral scenes*, IROS 2017): 1569 images of 480 × 640
pixels, 820 by day and 749 by night; labels 0 unlabelled, 1 car, 2 person, 3 bike, 4 curve, 5 car stop,
6 guardrail, 7 colour cone, 8 bump. The network of that name has nothing to do with
:class:`~mfnet_lite.nets.MFNet`.

A PNG of four channels passes for colours with opacity. Here the fourth band is the sensor ``thermal`` and
never hides anything, whatever it holds.

Class 0 is everything that bears no other label. The authors and most of the field score it as a ninth class, and
so do we, as ``background``; ``"label_values": {"0": "ignore"}`` in ``dataset.json`` leaves it out.

``…_flip.png`` are mirrored copies that the authors' script ``make_flip.py`` writes beside the images and that their
list of training names may hold. They are no further images and are left out everywhere; training mirrors by itself.

The copies in separate folders that RGB-X code bases use are read as well: ``RGB/``, ``Thermal/`` (or ``Modal/``) and
``Label/`` (or ``Labels/``), in whatever letters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.layout import (
    divide,
    folder_named,
    folders_named,
    labels_by_value_or_colour,
    stated_sensor,
)
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    choose_sensors,
    empty_folder,
    gather,
    labels_in,
    lines_of,
    listed_names,
    name_lists,
    rasters_in,
)
from mfnet_lite.rasters.tiles import OPTICAL, DatasetInfo, SensorInfo, TileSet

CLASSES = (
    *("background", "car", "person", "bike", "curve", "car stop"),
    *("guardrail", "colour cone", "bump"),
)
PALETTE: tuple[Colour, ...] = (
    (0, 0, 0),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
    (0, 0, 192),
    (128, 128, 0),
    (64, 64, 128),
    (192, 128, 128),
    (192, 64, 0),
)
"""The colours that the field's figures of this set show."""
THERMAL = "thermal"
IMAGES = ("images",)
COLOUR_FOLDERS = ("rgb",)
THERMAL_FOLDERS = ("thermal", "modal")
LABEL_FOLDERS = ("labels", "label")
FLIP = "_flip"
PARTS_OF_TEST = ("test_day", "test_night")
_NAME = re.compile(r"\d+[DN](_flip)?")


def is_mf_street(root: Path) -> bool:
    """Whether a folder has one of the two layouts, with images named by number and ``D`` or ``N``.

    Args:
        root: The folder.

    Returns:
        True if it has.
    """
    if not folders_named(root, LABEL_FOLDERS):
        return False
    images = folders_named(root, IMAGES)
    if not images and folders_named(root, THERMAL_FOLDERS):
        images = folders_named(root, COLOUR_FOLDERS)
    return any(_NAME.fullmatch(path.stem) for folder in images for path in folder.iterdir())


def open_mf_street(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open the MFNet street set, as published or with colour and thermal images in folders of their own.

    Args:
        root: The folder.
        sensors: ``optical`` and ``thermal``; None takes both.
        seed: Choice of the images held out for validation, if there is no ``val.txt``.
        val_fraction: Part of ``train`` held out then.
        optical_bands: Counted from 1; None takes red, green, blue. ``(1, 2, 3, 4)`` of the published files takes the
            thermal channel as a fourth colour.

    Returns:
        The dataset; with the splits ``test_day`` and ``test_night`` where their lists are there.

    Raises:
        FileNotFoundError: Neither layout.
        ValueError: Two folders of one purpose, or a ``dataset.json`` that cannot be understood.
    """
    root = Path(root)
    images, labels = folder_named(root, IMAGES), folder_named(root, LABEL_FOLDERS)
    colour, thermal = folder_named(root, COLOUR_FOLDERS), folder_named(root, THERMAL_FOLDERS)
    if labels is None or (images is None and (colour is None or thermal is None)):
        raise FileNotFoundError(
            f"{root} is not the MFNet street set: expected images/ and labels/, or RGB/, Thermal/ and Label/ "
            "inside; unpack ir_seg_dataset there"
        )
    notes: list[str] = []
    bands = None if optical_bands is None else tuple(optical_bands)
    if images is not None:
        names = ("R", "G", "B", THERMAL)
        available = {
            OPTICAL: SensorInfo(OPTICAL, images.name, 4, bands or (1, 2, 3), names),
            THERMAL: SensorInfo(THERMAL, images.name, 4, (4,), names),
        }
        folders = {OPTICAL: images, THERMAL: images}
        if colour is not None and thermal is not None:
            notes.append(f"{images.name}/ is read, {colour.name}/ and {thermal.name}/ are not")
    else:
        assert colour is not None
        assert thermal is not None
        available = {
            OPTICAL: SensorInfo(OPTICAL, colour.name, 3, bands, ("R", "G", "B")),
            THERMAL: SensorInfo(THERMAL, thermal.name),
        }
        folders = {OPTICAL: colour, THERMAL: thermal}
    stated = read_json(root)
    available = {name: stated_sensor(sensor, stated) for name, sensor in available.items()}
    described = choose_sensors(root, available, sensors)
    coding = labels_by_value_or_colour(CLASSES, PALETTE)
    coding = adapt(coding, stated, root)
    info = DatasetInfo(CLASSES, coding, described, PALETTE, source="MFNet street set, IROS 2017")
    found = {name: rasters_in(folders[name]) for name in described}
    of_label, left = labels_in(labels)
    lists = name_lists(root) | {
        part: (path, lines_of(path))
        for part in PARTS_OF_TEST
        if (path := root / f"{part}.txt").is_file()
    }
    mirrored = {stem for part in found.values() for stem in part if stem.endswith(FLIP)}
    for split, (path, lines) in lists.items():
        mirrored |= {line for line in lines if _is_mirrored(line)}
        lists[split] = (path, [line for line in lines if not _is_mirrored(line)])
    if mirrored:
        notes.append(
            f"{len(mirrored)} mirrored copies ({min(mirrored)} …) of the authors' make_flip.py are left out: training "
            "mirrors by itself"
        )
    tiles, problems = gather(
        {name: _originals(part) for name, part in found.items()}, _originals(of_label), info
    )
    divided = divide(root, tiles, problems, lists)
    return finished(
        *(root, "mf_street", info, divided.splits, divided.incomplete),
        notes=(*notes, *left, *divided.notes),
        faults=(*divided.faults, *empty_folder(labels)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _is_mirrored(line: str) -> bool:
    return any(name.endswith(FLIP) for name in listed_names(line))


def _originals(files: dict[str, Path]) -> dict[str, Path]:
    return {stem: path for stem, path in files.items() if not stem.endswith(FLIP)}
