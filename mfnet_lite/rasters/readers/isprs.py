"""ISPRS Vaihingen and Potsdam as they are handed out, with the splits of the MFNet paper.

Files are found by their names, in whatever folders the archives were unpacked to::

    Vaihingen  top_mosaic_09cm_area1.tif             in top/: infrared, red, green
               dsm_09cm_matching_area1.tif           raw surface model
               top_mosaic_09cm_area1.tif             in a folder with gt, ground_truth or label
               top_mosaic_09cm_area1_noBoundary.tif  eroded ground truth
    Potsdam    top_potsdam_2_10_RGBIR.tif  (or _RGB, _IRRG)
               dsm_potsdam_02_10_normalized_lastools.jpg  (or dsm_potsdam_02_10.tif)
               top_potsdam_2_10_label.tif  and  …_label_noBoundary.tif

Labels are colours. Scores of the literature use the *eroded* ground truth, where a ring of black
around every object does not count; training uses the full one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mfnet_lite.rasters.io import RASTER_SUFFIXES, raster_info
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.oddities import OFF_PALETTE
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import choose_sensors
from mfnet_lite.rasters.tiles import (
    OPTICAL,
    DatasetInfo,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)
from mfnet_lite.utils.labels import IGNORE_INDEX, ISPRS_CLASSES, ISPRS_COLOURS
from mfnet_lite.utils.lists_of_names import check_list_of_names

CLASSES = ISPRS_CLASSES
PALETTE: tuple[Colour, ...] = ISPRS_COLOURS
VAIHINGEN = {"train": "1 3 23 26 7 11 13 28 17 32 34 37", "test": "5 21 15 30"}
POTSDAM = {
    "train": "6_10 7_10 2_12 3_11 2_10 7_8 5_10 3_12 5_12 7_11 7_9 6_9 7_7 4_12 6_8 6_12 6_7 4_11",
    "test": "4_10 5_11 2_11 3_10 6_11 7_12",
}
OFFICIAL = {"vaihingen": VAIHINGEN, "potsdam": POTSDAM}
OTHER = "other"

_V_TOP = re.compile(r"top_mosaic_09cm_area(\d+)\.tif", re.IGNORECASE)
_V_ERODED = re.compile(r"top_mosaic_09cm_area(\d+)_noBoundary\.tif", re.IGNORECASE)
_V_DSM = re.compile(r"dsm_09cm_matching_area(\d+)\.tif", re.IGNORECASE)
# "semantic_labeling" is in the name of the archive, images and labels alike
_TRUTH = re.compile(r"gt|ground_?truth|label(?!ing)", re.IGNORECASE)
_P_TOP = re.compile(r"top_potsdam_(\d+_\d+)_(RGBIR|RGB|IRRG)\.tif", re.IGNORECASE)
_P_LABEL = re.compile(r"top_potsdam_(\d+_\d+)_label(_noBoundary)?\.tif", re.IGNORECASE)
_P_DSM = re.compile(r"dsm_potsdam_(\d+_\d+)(_normalized_lastools)?\.(tif|jpg)", re.IGNORECASE)

Found = dict[str, dict[str, Path]]


def is_isprs(kind: str, root: Path) -> bool:
    """Whether a folder holds images of one of the two benchmarks, at any depth.

    Args:
        kind: ``vaihingen`` or ``potsdam``.
        root: The folder.

    Returns:
        True if it does.
    """
    image = {"vaihingen": _V_TOP, "potsdam": _P_TOP}[kind]
    return any(image.fullmatch(path.name) for path in root.rglob("*"))


def _rasters(root: Path) -> Iterable[Path]:
    return (p for p in sorted(root.rglob("*")) if p.suffix.lower() in RASTER_SUFFIXES)


def _vaihingen_files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Part, area and path of every file of the benchmark."""
    for path in _rasters(root):
        if match := _V_ERODED.fullmatch(path.name):
            yield "eroded", match[1], path
        elif match := _V_DSM.fullmatch(path.name):
            yield "dsm", match[1], path
        elif match := _V_TOP.fullmatch(path.name):
            inside = str(path.parent.relative_to(root))
            yield "label" if _TRUTH.search(inside) else OPTICAL, match[1], path


def _potsdam_files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Part, tile and path of every file of the benchmark."""
    for path in _rasters(root):
        if match := _P_TOP.fullmatch(path.name):
            yield match[2].upper(), match[1], path
        elif match := _P_LABEL.fullmatch(path.name):
            yield "eroded" if match[2] else "label", match[1], path
        elif match := _P_DSM.fullmatch(path.name):
            row, col = match[1].split("_")  # elevation files write 02_10, the others 2_10
            yield "normalized" if match[2] else "raw", f"{int(row)}_{int(col)}", path


def _gathered(root: Path, files: Iterable[tuple[str, str, Path]]) -> tuple[Found, list[str]]:
    """Files by part and tile; and a note where two folders hold the same one, of which the last counts."""
    found: Found = defaultdict(dict)
    twice: dict[str, tuple[Path, Path]] = {}
    for part, name, path in files:
        if name in found[part]:
            twice.setdefault(part, (found[part][name], path))
        found[part][name] = path
    return found, [
        f"{part}: {path.name} lies in {first.parent.relative_to(root)}/ and {path.parent.relative_to(root)}/; "
        f"that of {path.parent.relative_to(root)}/ is used"
        for part, (first, path) in twice.items()
    ]


def open_vaihingen(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
    eroded: Sequence[str] = ("test",),
    unknown: str | None = None,
) -> TileSet:
    """Open ISPRS Vaihingen (9 cm; 12 training and 4 test areas, the rest in the split ``other``).

    Args:
        root: Folder the archives were unpacked in.
        sensors: ``optical`` (infrared, red, green) and ``dsm``; None takes both.
        seed: Choice of the training areas held out for validation.
        val_fraction: Part held out; the authors used 0 and chose their model on the test areas.
        optical_bands: Band numbers counted from 1; None takes all three.
        eroded: Splits which use the eroded ground truth.
        unknown: What a colour outside the palette becomes: ``error``, ``nearest`` (the class of the
            nearest colour), ``ignore`` or the name of a class; None takes ``label_unknown`` of
            ``dataset.json``, else ``error``.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: No such files.
        ValueError: Another word for ``unknown``, or a string as ``eroded``.
    """
    check_list_of_names("eroded", eroded)
    root = Path(root)
    found, notes = _gathered(root, _vaihingen_files(root))
    optical = SensorInfo(OPTICAL, "top", 3, _chosen(optical_bands), ("IR", "R", "G"), "uint8")
    available = {OPTICAL: optical, "dsm": SensorInfo("dsm", "dsm", 1, unit="m")}
    described = choose_sensors(root, available, sensors)
    parts = {name: found[name] for name in described}
    info = _info(root, "vaihingen", described, unknown, found[OPTICAL], 0.09)
    splits, incomplete, remarks = _assemble(root, "vaihingen", info, parts, found, eroded)
    return finished(
        *(root, "vaihingen", info, splits, incomplete, (*notes, *remarks)),
        seed=seed,
        val_fraction=val_fraction,
    )


def open_potsdam(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical: str | None = None,
    optical_bands: Sequence[int] | None = None,
    dsm: str = "normalized",
    eroded: Sequence[str] = ("test",),
    unknown: str | None = None,
) -> TileSet:
    """Open ISPRS Potsdam (5 cm; 18 training and 6 test tiles, the rest in the split ``other``).

    Args:
        root: Folder the archives were unpacked in.
        sensors: ``optical`` and ``dsm``; None takes both.
        seed: Choice of the training tiles held out for validation.
        val_fraction: Part held out; the authors used 0 and chose their model on the test tiles.
        optical: ``RGBIR``, ``RGB`` or ``IRRG``; None takes the first of these that is there.
        optical_bands: Band numbers counted from 1; None takes the first three, as the authors do
            (red, green, blue of RGBIR). ``(4, 1, 2)`` of RGBIR is infrared, red, green.
        dsm: ``normalized`` (heights above ground in 8-bit images, the authors' choice) or ``raw``.
        eroded: Splits which use the eroded ground truth.
        unknown: What a colour outside the palette becomes: ``error``, ``nearest`` (the class of the
            nearest colour), ``ignore`` or the name of a class; None takes ``label_unknown`` of
            ``dataset.json``, else ``error``. Tiles 4_12 and 6_7, which are known to be handed out in
            other colours, are always read by the nearest.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: No such files.
        ValueError: Another word for ``optical``, ``dsm`` or ``unknown``, or a string as ``eroded``.
    """
    check_list_of_names("eroded", eroded)
    root = Path(root)
    names = {"RGBIR": ("R", "G", "B", "IR"), "RGB": ("R", "G", "B"), "IRRG": ("IR", "R", "G")}
    if optical is not None and optical not in names:
        raise ValueError(f"unknown optical {optical!r}: expected one of {', '.join(names)}")
    if dsm not in ("normalized", "raw"):
        raise ValueError(f"unknown dsm {dsm!r}: expected normalized or raw")
    found, notes = _gathered(root, _potsdam_files(root))
    form = optical or next((name for name in names if found[name]), "RGBIR")
    available = {
        OPTICAL: SensorInfo(
            OPTICAL, None, len(names[form]), _chosen(optical_bands) or (1, 2, 3), names[form]
        ),
        "dsm": SensorInfo("dsm", None, 1, unit="m" if dsm == "raw" else None),
    }
    described = choose_sensors(root, available, sensors)
    parts = {name: found[form if name == OPTICAL else dsm] for name in described}
    info = _info(root, "potsdam", described, unknown, found[form], 0.05)
    splits, incomplete, remarks = _assemble(root, "potsdam", info, parts, found, eroded)
    return finished(
        *(root, "potsdam", info, splits, incomplete, (*notes, *remarks)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _chosen(bands: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if bands is None else tuple(bands)


def _measured_gsd(files: dict[str, Path]) -> float | None:
    """Metres per pixel of the first file, if it says."""
    try:
        return next((raster_info(path).gsd for path in files.values()), None)
    except ValueError:  # unreadable: the check tells
        return None


def _info(
    root: Path,
    kind: str,
    described: dict[str, SensorInfo],
    unknown: str | None,
    files: dict[str, Path],
    gsd: float,
) -> DatasetInfo:
    """The six classes, coded by colour (black is the eroded boundary), and the width of pixels, if no file says."""
    words = ("error", "nearest", "ignore", *CLASSES)
    if unknown is not None and unknown not in words:
        raise ValueError(f"unknown={unknown!r} is not known: expected {', '.join(words)}")
    colours = {colour: index for index, colour in enumerate(PALETTE)} | {(0, 0, 0): IGNORE_INDEX}
    coding = LabelCoding(len(CLASSES), IGNORE_INDEX, colours=colours, classes=CLASSES)
    stated = read_json(root) if unknown is None else {"label_unknown": unknown}
    if unknown != "error":
        coding = adapt(coding, stated, root)
    source = f"ISPRS 2D Semantic Labeling, {kind.capitalize()}"
    measured = _measured_gsd(files)
    width = measured or gsd
    return DatasetInfo(CLASSES, coding, described, PALETTE, width, source, measured is not None)


def _assemble(
    root: Path,
    kind: str,
    info: DatasetInfo,
    parts: dict[str, dict[str, Path]],
    found: Found,
    eroded: Sequence[str],
) -> tuple[dict[str, tuple[Tile, ...]], dict[str, tuple[Problem, ...]], list[str]]:
    """Put the areas into the official splits: complete tiles, problems, and notes."""
    ids = sorted({i for part in parts.values() for i in part}, key=_natural)
    if not ids:
        raise FileNotFoundError(
            f"{root} holds no tile of ISPRS {kind.capitalize()}: expected the original file names; "
            "unpack the archives there without renaming"
        )
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    notes: list[str] = []
    home = {i: split for split, ids_of in OFFICIAL[kind].items() for i in ids_of.split()}
    for split in ("train", "test", OTHER):
        named = [i for i in ids if split == home.get(i, OTHER)]
        labels = found["label"]
        if split in eroded and found["eroded"]:
            labels = found["eroded"]
        elif split in eroded and named:
            notes.append(f"{split} uses the full ground truth: no eroded one (_noBoundary) found")
        tiles, problems = [], []
        for i in named:
            lacking = [name for name, part in parts.items() if i not in part]
            if split != OTHER and i not in labels:
                lacking.append("label")
            files = {name: part[i] for name, part in parts.items() if i in part}
            if lacking:
                what = f"missing partner: area {i} has no {' and no '.join(lacking)}"
                problems.append(Problem(next(iter(files.values())), what, "unpack its archive too"))
            else:
                own = info
                if i in OFF_PALETTE.get(kind, {}) and i in labels:
                    own = replace(info, coding=replace(info.coding, unknown="nearest"))
                    notes.append(f"tile {i}: {OFF_PALETTE[kind][i]}")
                tiles.append(Tile(i, files, labels.get(i), own))
        if named:
            splits[split], incomplete[split] = tuple(tiles), tuple(problems)
    return splits, incomplete, notes


def _natural(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("_"))
