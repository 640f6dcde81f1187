"""Conventions of class labels that all rooms share: the ignored value, and the classes of the ISPRS benchmark."""

from __future__ import annotations

IGNORE_INDEX = 255
"""Label of pixels that count neither in a loss nor in a score."""

ISPRS_CLASSES = (
    "impervious surfaces",
    "building",
    "low vegetation",
    "tree",
    "car",
    "clutter",
)
"""The six classes of the ISPRS 2D Semantic Labeling benchmark, in the order of their indices."""

ISPRS_COLOURS = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)
"""Red, green and blue of each of these classes in the benchmark's own label files."""
