"""How a dataset writes its labels, and the way back to class indices.

Public datasets store a label as index (0, 1, 2 …), as index counted from 1 with 0 for "not labelled"
(LoveDA), as 0/255 (change detection), or as colour (ISPRS, where black marks the eroded boundaries).
One :class:`LabelCoding` describes each; a value it does not know is an error with the file's name,
never silently class 0, which is what a lookup in the published code amounts to. What a single *file*
says about itself (masks, alpha, colour table) is read by :mod:`~mfnet_lite.rasters.labels.label_files`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Num

from mfnet_lite.rasters.labels.label_colours import FAR, Nearest, nearest_colours, pack_colours
from mfnet_lite.rasters.labels.label_words import describe_unknown
from mfnet_lite.rasters.masked_arrays import split_mask
from mfnet_lite.rasters.raster import Colour, valid_mask
from mfnet_lite.utils.labels import IGNORE_INDEX

UNKNOWN = -1
FIELD_IGNORES = (-1, -100)
"""Values that mean "not labelled" in much of the field: prepared datasets, and PyTorch's own loss."""


@dataclass(frozen=True)
class LabelCoding:
    """From what a label file holds to class indices.

    Attributes:
        num_classes: Number of classes; indices run from 0 to ``num_classes - 1``.
        ignore_index: Index of pixels without a label.
        values: File value → class index, for single-band labels; empty means the value *is* the index.
        colours: Colour → class index; not empty makes this a coding by colour.
        unknown: Class index (or ``ignore_index``) given to unknown values; ``"nearest"`` gives a colour
            the class of the nearest known one; None makes them an error.
        palette: Colour → class index for those files of a dataset that are written in colours or whose
            colour table holds these colours, while others hold values.
        exact: Look at a colour table only if it holds no other colour than those of ``palette``.
        threshold: Values at or above are class 1, those below class 0; for masks saved with loss.
        ignored: Further file values that mean "not labelled".
        classes: Names of the classes, for messages.

    Example:
        >>> pairs = LabelCoding(num_classes=2, values={0: 0, 1: 1, 255: 1})
        >>> pairs.lookup(np.array([[[0, 255, 7]]], np.uint8)).tolist()
        [[0, 1, -1]]
    """

    num_classes: int
    ignore_index: int = IGNORE_INDEX
    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    unknown: int | Literal["nearest"] | None = None
    palette: Mapping[Colour, int] = field(default_factory=dict)
    exact: bool = False
    threshold: float | None = None
    ignored: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The known values in words, for messages."""
        if self.colours:
            void = [str(c) for c, index in self.colours.items() if index == self.ignore_index]
            named = [str(colour) for colour in self.colours if str(colour) not in void]
            counts = f", or {', '.join(void)}, which counts as not labelled" if void else ""
            return f"the colours {', '.join(named)}{counts}"
        return "the values " + ", ".join(str(value) for value in sorted(self._known()))

    def _known(self) -> dict[int, int]:
        if self.values:
            return dict(self.values)
        return {index: index for index in range(self.num_classes)} | {
            self.ignore_index: self.ignore_index
        }

    def class_of_value(self) -> dict[int, int]:
        """The values that mean a class.

        Returns:
            File value → class index, without those that mean "not labelled".
        """
        return {v: index for v, index in self._known().items() if index != self.ignore_index}

    def lookup(
        self,
        array: Num[np.ndarray, "bands height width"],
        nodata: float | None = None,
        mask: Bool[np.ndarray, "height width"] | None = None,
    ) -> Int[np.ndarray, "height width"]:
        """Class indices, with −1 where the value is not known.

        Args:
            array: ``(bands, height, width)`` as read; a coding by colour uses the first three bands,
                a coding by value wants one band, or several equal ones.
            nodata: The file's nodata value: it means "not labelled" whatever the coding says.
            mask: The file's own mask, True = valid; the rest is not labelled. Nor is NaN.

        Returns:
            ``(height, width)`` int16; ``unknown`` is not applied here.

        Raises:
            ValueError: A number of bands that does not suit the coding.
        """
        usable = valid_mask(array, nodata, mask)
        array, _ = split_mask(array)
        if self.threshold is not None:
            indices = self._split(array)
        elif self.colours:
            indices = self._lookup_colours(array)
        else:
            indices = self._lookup_values(array, usable)
        return np.where(usable, indices, np.int16(self.ignore_index)).astype(np.int16)

    def _split(
        self, array: Num[np.ndarray, "bands height width"]
    ) -> Int[np.ndarray, "height width"]:
        """Two classes on either side of the threshold; chroma that lossy saving added averages out."""
        grey = array[0] if array.shape[0] < 3 else array[:3].mean(axis=0)
        indices = (grey >= self.threshold).astype(np.int16)
        for value in (*self.values, *self.ignored):
            if value in self.ignored or self.values[value] == self.ignore_index:
                indices[grey == value] = self.ignore_index
        return indices

    def _lookup_values(
        self, array: Num[np.ndarray, "bands height width"], usable: Bool[np.ndarray, "height width"]
    ) -> Int[np.ndarray, "height width"]:
        if array.shape[0] > 1 and not ((array[1:3] == array[:1]) | ~usable).all():
            # only where the dataset's own words decide can it say that these are colours
            palette = (
                'if they are colours, list those of the classes as "palette" in dataset.json, else '
            )
            raise ValueError(
                f"expected one band of class values, got {array.shape[0]} that differ; "
                f"{'' if self.values else palette}export the label anew"
            )
        band = array[0]
        known = dict.fromkeys(self.ignored, self.ignore_index) | self._known()
        if band.dtype == np.uint8:
            table = np.full(256, UNKNOWN, dtype=np.int16)
            for value, index in known.items():
                if 0 <= value < 256:
                    table[value] = index
            return table[band]
        # int8 with −1, int32, or floats: few distinct values, found by binary search.
        keys = np.array(sorted(known), dtype=np.float64)
        indices = np.array([known[int(key)] for key in keys], dtype=np.int16)
        return _search(keys, indices, band.astype(np.float64))

    def _lookup_colours(
        self, array: Num[np.ndarray, "bands height width"]
    ) -> Int[np.ndarray, "height width"]:
        if array.shape[0] not in (3, 4):
            raise ValueError(
                f"expected a label of three bands (colours), got {array.shape[0]}; export the label "
                "anew"
            )
        packed = pack_colours(array)
        table = {(r << 16) | (g << 8) | b: index for (r, g, b), index in self.colours.items()}
        keys = np.array(sorted(table), dtype=np.int32)
        return _search(keys, np.array([table[int(k)] for k in keys], dtype=np.int16), packed)

    def settle(
        self,
        array: Num[np.ndarray, "bands height width"],
        indices: Int[np.ndarray, "height width"],
    ) -> tuple[Int[np.ndarray, "height width"], Nearest]:
        """Give unknown values what ``unknown`` says; without it they stay −1.

        Args:
            array: What was given to :meth:`lookup`.
            indices: What it returned.

        Returns:
            Class indices, and what was read by the nearest colour.
        """
        bad = indices == UNKNOWN
        by_colour = self.unknown != "nearest" or self.colours
        if self.unknown is None or not by_colour or not bad.any():
            return indices, Nearest()
        if self.unknown != "nearest":
            return np.where(bad, np.int16(self.unknown), indices), Nearest()
        found, inverse, counts = np.unique(
            pack_colours(array)[bad], return_inverse=True, return_counts=True
        )
        chosen, distance, tied = nearest_colours(found, self.colours)
        chosen[tied] = self.ignore_index
        settled = indices.copy()
        settled[bad] = chosen[inverse.reshape(-1)]
        far, ties = int(counts[distance > FAR].sum()), int(counts[tied].sum())
        return settled, Nearest(int(bad.sum()), far, ties)

    def unknown_values(
        self,
        array: Num[np.ndarray, "bands height width"],
        indices: Int[np.ndarray, "height width"],
    ) -> dict[int | float | Colour, int]:
        """Values (or colours) which :meth:`lookup` did not know, with their pixel counts.

        Args:
            array: What was given to :meth:`lookup`.
            indices: What it returned.

        Returns:
            Value → number of pixels, the most frequent first.
        """
        bad = indices == UNKNOWN
        if not bad.any():
            return {}
        source = pack_colours(array) if self.colours else array[0]
        found, counts = np.unique(source[bad], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {self._name(found[i]): int(counts[i]) for i in order}

    def _name(self, value: np.generic) -> int | float | Colour:
        if self.colours:
            packed = int(value)
            return (packed >> 16, (packed >> 8) & 255, packed & 255)
        number = value.item()
        return int(number) if float(number).is_integer() else float(number)

    def complaint(self, unknown: Mapping[int | float | Colour, int], path: str | Path = "") -> str:
        """Tell in words which values are unknown and what to do.

        Args:
            unknown: What :meth:`unknown_values` returned, not empty.
            path: The file, for what its suffix says.

        Returns:
            The predicate of a sentence whose subject is the file.
        """
        return describe_unknown(
            unknown,
            self.expected,
            bool(self.colours),
            self.num_classes,
            self.classes,
            Path(path).suffix.lower() in (".jpg", ".jpeg"),
        )


def _search(
    keys: Num[np.ndarray, " keys"],
    indices: Int[np.ndarray, " keys"],
    values: Num[np.ndarray, "height width"],
) -> Int[np.ndarray, "height width"]:
    """``indices[k]`` where ``values == keys[k]``, −1 elsewhere; ``keys`` ascending."""
    nearest = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return np.where(keys[nearest] == values, indices[nearest], np.int16(UNKNOWN)).astype(np.int16)
