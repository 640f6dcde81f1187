"""The common form of every dataset: tiles in splits, with what is known about sensors and classes.

Each reader (:mod:`~mfnet_lite.rasters.readers.folder`, :mod:`~mfnet_lite.rasters.readers.pairs`,
:mod:`~mfnet_lite.rasters.readers.isprs` …) only finds files and names; from here on all datasets are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.raster import Colour, RasterInfo
from mfnet_lite.rasters.sensor_kinds import kind_of

OPTICAL = "optical"
ALL = "all"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SensorInfo:
    """What a dataset says about one sensor.

    Attributes:
        name: Key of the sensor in every sample.
        folder: Where its files lie, if they lie in a folder of their own.
        bands: Number of bands its files must have, if known.
        select: Band numbers counted from 1 which a sample takes; None takes all.
        names: Names of the bands in the file.
        dtype: Type of the pixels, if stated.
        unit: Unit of the values, if stated.
        scale: Divide by this to reach [0, 1], for types other than uint8 (Sentinel-2: 10000).
        nodata: A value that means "no measurement" although the files do not declare it.
        tags: ``ignore`` makes the scale, offset and unit that the files declare count for nothing.
        inherited: Which of these come from the data a run was trained with; a file's own words go before them.
        kind: What it measures, one of :data:`~mfnet_lite.rasters.sensor_kinds.SENSOR_KINDS`; empty takes what unit
            and name tell, see :func:`~mfnet_lite.rasters.sensor_kinds.kind_of`.

    Raises:
        ValueError: If ``select`` holds anything but whole numbers, such as the letters of a string.
    """

    name: str
    folder: str | None = None
    bands: int | None = None
    select: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    dtype: str | None = None
    unit: str | None = None
    scale: float | None = None
    nodata: float | None = None
    tags: str | None = None
    inherited: tuple[str, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kind or kind_of(self.name, self.unit))
        if self.select is not None and not all(isinstance(b, Integral) for b in self.select):
            raise ValueError(
                f"the bands of {self.name} must be numbers counted from 1 such as (4, 1, 2), got {self.select}; "
                "write a tuple of numbers"
            )

    @property
    def is_height(self) -> bool:
        """Whether the values are elevations, which need scaling by tile."""
        return self.kind == "elevation"

    @property
    def is_image(self) -> bool:
        """Whether the values are reflectance, as in an image of one date or of two."""
        return self.kind == "optical"

    def completed(self, other: SensorInfo) -> SensorInfo:
        """This description, with what it leaves open taken from another one of the same sensor.

        Args:
            other: Such as the one a run was trained with.

        Returns:
            Both together; what was taken over is named in ``inherited``.
        """
        keys = ("unit", "scale", "nodata", "tags", "dtype")
        taken = {key: getattr(other, key) for key in keys if getattr(self, key) is None}
        known = tuple(key for key, value in taken.items() if value is not None)
        # A kind that follows from the name alone gives way to what the other one knows.
        kind = other.kind if self.kind == kind_of(self.name) else self.kind
        return replace(self, **taken, inherited=known, kind=kind)

    def fits_type(self, dtype: str) -> bool:
        """Whether a file of a type may be read like those a run was trained with: integers, or floats, as they.

        Args:
            dtype: Type of the file's pixels.

        Returns:
            True, too, if no type is stated.
        """
        return self.dtype is None or self.dtype.startswith("float") == dtype.startswith("float")


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset says about itself.

    Attributes:
        classes: Names, in the order of the class indices.
        coding: How label files are written.
        sensors: By name, in the order of the samples.
        palette: A colour per class, if the dataset has its own.
        gsd: Ground sampling distance in metres, if it is stated, or measured in the first tile.
        source: Where the data come from, in words.
        gsd_measured: Whether it was measured, and not stated.
    """

    classes: tuple[str, ...]
    coding: LabelCoding
    sensors: Mapping[str, SensorInfo]
    palette: tuple[Colour, ...] | None = None
    gsd: float | None = None
    source: str = ""
    gsd_measured: bool = False

    def width_of(self, header: RasterInfo) -> float | None:
        """The width of a pixel of one of its files, by :meth:`~mfnet_lite.rasters.RasterInfo.ground_sampling`.

        Args:
            header: Of the file.

        Returns:
            Metres; None if nothing says.
        """
        return header.ground_sampling(self.gsd, self.gsd_measured)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def ignore_index(self) -> int:
        """Label of pixels which count neither in the loss nor in the scores."""
        return self.coding.ignore_index


@dataclass(frozen=True)
class Tile:
    """The files of one part of the ground.

    Attributes:
        id: Name, unique within its split.
        files: A raster per sensor.
        label: The label, or None where there is none.
        info: The dataset it belongs to.
    """

    id: str
    files: Mapping[str, Path]
    label: Path | None
    info: DatasetInfo = field(repr=False, compare=False)

    @property
    def every_file(self) -> tuple[Path, ...]:
        """The rasters and the label, if there is one."""
        return (*self.files.values(), *(() if self.label is None else (self.label,)))

    @property
    def is_labelled(self) -> bool:
        """Whether there is a label to train or score with."""
        return self.label is not None


@dataclass(frozen=True)
class PlateTile(Tile):
    """An image of vehicles and what is annotated on it; ``label`` is a mask, if there is one.

    Attributes:
        boxes: x0, y0, x1, y1 of each plate in pixel edges; None if there is a mask instead.
        corners: Upper left, upper right, lower right, lower left of each plate, where annotated.
    """

    boxes: Float[np.ndarray, "plates 4"] | None = None
    corners: Float[np.ndarray, "plates 4 2"] | None = None

    @property
    def image(self) -> Path:
        """The image."""
        return self.files[OPTICAL]

    @property
    def is_labelled(self) -> bool:
        """Whether there is a mask, or boxes to draw one from."""
        return self.label is not None or self.boxes is not None


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset.

    Attributes:
        file: Where.
        problem: What.
        remedy: What to do about it.
    """

    file: Path
    problem: str
    remedy: str

    @classmethod
    def from_sentence(cls, file: Path, sentence: str) -> Problem:
        """Divide an error's sentence, ``FILE what is wrong; what to do``, into its parts.

        Args:
            file: Where.
            sentence: The message; without a remedy all of it is the problem.

        Returns:
            The problem.

        Example:
            >>> str(Problem.from_sentence(Path("a.tif"), "a.tif is a text; export it again"))
            'a.tif: is a text; export it again'
        """
        problem, divided, remedy = sentence.removeprefix(f"{file} ").rpartition("; ")
        return cls(file, problem if divided else remedy, remedy if divided else "")

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class TileSet:
    """A dataset that has been opened: no pixels, only which files belong together.

    Attributes:
        root: Folder it was opened from.
        kind: Its format: a key of :data:`~mfnet_lite.rasters.READERS`, or the layout of a dataset of plates.
        info: Sensors, classes, palette.
        splits: Tiles by split; a dataset without split folders has the single split ``all``.
        incomplete: Per split, files whose partner is missing.
        notes: Choices of the reader that a user should know of.
        faults: What is wrong though the tiles can be used, such as a sensor that one split lacks.
    """

    root: Path
    kind: str
    info: DatasetInfo
    splits: Mapping[str, tuple[Tile, ...]]
    incomplete: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()

    def split_name(self, split: str) -> str:
        """The split that is meant: ``all`` where nothing divides the tiles, else the one asked for.

        Args:
            split: ``train``, ``val``, ``test`` or another name in :attr:`splits`.

        Returns:
            A key of :attr:`splits`, if there is such a split.
        """
        return ALL if split in SPLITS and set(self.splits) == {ALL} else split

    def tiles(self, split: str = "train") -> tuple[Tile, ...]:
        """Tiles of a split, complete and ready to be read.

        Args:
            split: ``train``, ``val``, ``test`` or another name in :attr:`splits`. A dataset with the
                single split ``all`` gives that for any of the three.

        Returns:
            At least one tile, sorted by id.

        Raises:
            ValueError: No such split, or no tile in it.
            FileNotFoundError: A tile of the split lacks a sensor or its label.
        """
        name = self.split_name(split)
        problems = self.incomplete.get(name, ())
        if problems:
            further = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise FileNotFoundError(f"{problems[0]}{further}")
        if not self.splits.get(name):
            have = ", ".join(key for key, tiles in self.splits.items() if tiles) or "none"
            raise ValueError(
                f"{self.root} has no tiles in the split {split!r}: found the splits {have}; "
                "choose one of them or add the folder"
            )
        return self.splits[name]


def with_sensors(dataset: TileSet, sensors: Mapping[str, SensorInfo]) -> TileSet:
    """The same tiles, with other descriptions of their sensors.

    Args:
        dataset: The dataset.
        sensors: Descriptions by name.

    Returns:
        A new dataset.
    """
    described: dict[int, DatasetInfo] = {}

    def of(info: DatasetInfo) -> DatasetInfo:
        # tiles share their infos, but not always that of the set: their labels may be coded otherwise
        return described.setdefault(id(info), replace(info, sensors=dict(sensors)))

    splits = {
        split: tuple(replace(tile, info=of(tile.info)) for tile in tiles)
        for split, tiles in dataset.splits.items()
    }
    return replace(dataset, info=of(dataset.info), splits=splits)


def hold_out(
    tiles: Sequence[Tile], fraction: float, seed: int
) -> tuple[tuple[Tile, ...], tuple[Tile, ...]]:
    """Divide training tiles in training and validation, the same way for the same seed.

    Whole tiles are held out: crops of one tile see the same street, so that crops cannot be divided
    honestly.

    Args:
        tiles: All training tiles.
        fraction: Part held out, in [0, 1); at least one tile unless it is 0.
        seed: Choice of tiles.

    Returns:
        Training tiles and validation tiles. With a single tile both are that tile, which then is no
        independent validation.

    Raises:
        ValueError: A fraction outside [0, 1).
    """
    _check_fraction(fraction)
    if fraction == 0 or not tiles:
        return tuple(tiles), ()
    if len(tiles) == 1:
        return tuple(tiles), tuple(tiles)
    count = min(max(1, round(fraction * len(tiles))), len(tiles) - 1)
    chosen = set(np.random.default_rng(seed).permutation(len(tiles))[:count].tolist())
    return (
        tuple(tile for i, tile in enumerate(tiles) if i not in chosen),
        tuple(tile for i, tile in enumerate(tiles) if i in chosen),
    )


def _check_fraction(fraction: float) -> None:
    if not 0 <= fraction < 1:
        raise ValueError(f"expected a validation fraction in [0, 1), got {fraction}")


def with_validation(
    splits: Mapping[str, Iterable[Tile]], fraction: float, seed: int
) -> tuple[dict[str, tuple[Tile, ...]], list[str]]:
    """Add a ``val`` split, held out of ``train``, where there is none.

    Args:
        splits: Tiles by split.
        fraction: Part of ``train`` held out.
        seed: Choice of tiles.

    Returns:
        The splits, and a note if something was held out.

    Raises:
        ValueError: A fraction outside [0, 1), needed or not.
    """
    _check_fraction(fraction)
    result = {name: tuple(tiles) for name, tiles in splits.items()}
    if result.get("val") or not result.get("train") or fraction == 0:
        return result, []
    train, val = hold_out(result["train"], fraction, seed)
    rest = {name: tiles for name, tiles in result.items() if name not in ("train", "val")}
    note = (
        "no val split: the only training tile serves as validation too"
        if train == val
        else f"no val split: {len(val)} of {len(train) + len(val)} training tiles "
        f"{'is' if len(val) == 1 else 'are'} held out for validation"
    )
    return {"train": train, "val": val} | rest, [note]
