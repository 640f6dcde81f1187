"""Oriented boxes in DOTA's text files.

::

    DIR/[train/]images/P0001.png
    DIR/[train/]labelTxt/P0001.txt      imagesource:GoogleEarth                  (optional)
                                        gsd:0.146                                (optional)
                                        x1 y1 x2 y2 x3 y3 x4 y4 class difficult

The images are up to 20,000 pixels wide; at two decimals, steps of a hundredth of that, most objects vanish. Cut
them into tiles of some 1,000 pixels first, as DOTA's own tools do. Difficult objects are kept and counted, since
the question asks for all. Releases of the labels (``labelTxt-v1.0``, ``labelTxt-v1.5``) are not read side by side.
"""

from __future__ import annotations

import math
from pathlib import Path

from mfnet_lite.language.class_words import plain_name
from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources.source import (
    SPLIT_WORDS,
    AnnotatedImage,
    ImageFinder,
    Source,
    size_of,
    usable_box,
)

__all__ = ["read_dota"]

HEADERS = ("imagesource", "gsd", "acquisition dates", "acquisition date")


def label_folders(root: Path) -> list[Path]:
    """Find the folders ``labelTxt…`` of the set, or of its splits."""
    homes = [root, *(path for path in sorted(root.iterdir()) if path.name.lower() in SPLIT_WORDS)]
    return [
        folder for home in homes for folder in sorted(home.glob("labelTxt*")) if folder.is_dir()
    ]


def read_dota(root: Path, difficult: bool = True) -> Source:
    """Read oriented boxes.

    Args:
        root: The folder.
        difficult: Whether to keep objects that are marked as difficult.

    Returns:
        The images with their objects.

    Raises:
        ValueError: If there is no folder of labels or several of one split, or a line is malformed.
    """
    source = Source(root, "dota")
    folders = label_folders(root)
    if not folders:
        raise ValueError(
            f"{root} has no folder labelTxt, there or in train/ and val/; check the path"
        )
    _check_one_release(folders)
    labels: dict[Path, Path] = {}
    # Folders of splits first: where labels of the whole set lie beside them, those of a split say more.
    for folder in sorted(folders, key=lambda folder: folder.parent == root):
        home = folder.parent
        split = SPLIT_WORDS.get(home.name.lower(), "") if home != root else ""
        finder = ImageFinder(home)
        for file in sorted(folder.glob("*.txt")):
            path = finder.find(file.stem)
            size = None
            if path is None:
                source.leave_out(file, f"the image {file.stem} is missing or not unique")
            else:
                size = size_of(source, path)
            objects = _read_file(source, file, size, difficult)
            if path is not None and size is not None:
                first = labels.setdefault(path, file)
                if first != file:
                    source.leave_out(
                        file,
                        f"annotates {path.name}, as {first.relative_to(root)} does",
                        "keep one of the files",
                    )
                    continue
                source.images.append(AnnotatedImage(path, split, size, objects=tuple(objects)))
    return source


def _check_one_release(folders: list[Path]) -> None:
    """Refuse several folders of labels beside each other, which describe the same images."""
    for folder in folders:
        names = [other.name for other in folders if other.parent == folder.parent]
        if len(names) > 1:
            raise ValueError(
                f"{folder.parent}: expected one folder of labels, found {' and '.join(names)}; move all out but the "
                "one that is meant"
            )


def _read_file(
    source: Source, file: Path, size: tuple[int, int] | None, difficult: bool
) -> list[ObjectBox]:
    """The objects of a file; without a size it is only checked."""
    objects: list[ObjectBox] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        key, colon, _ = line.partition(":")
        if colon and not objects:
            if key.strip().lower() not in HEADERS:
                source.tally[f"the unknown header {key.strip()} is not read"] += 1
            continue
        corners, rest = words[:8], words[8:]
        try:
            numbers = tuple(float(word) for word in corners)
        except ValueError:
            numbers = ()
        if (
            len(numbers) != 8
            or not all(map(math.isfinite, numbers))
            or not 1 <= len(rest) <= 2
            or (len(rest) == 2 and not rest[1].isdigit())
        ):
            raise ValueError(
                f"{file} line {number}: expected x and y of four corners, a class and perhaps 0 or 1 for difficult, "
                f"found {line.strip()[:80]!r}; correct it"
            )
        if len(rest) == 2 and rest[1] != "0":
            kept = "kept" if difficult else "left out"
            source.tally[f"an object marked as difficult is {kept}"] += 1
            if not difficult:
                continue
        if size is not None:
            box = usable_box(source, file, f"line {number}", numbers, size)
            if box is not None:
                objects.append(ObjectBox(plain_name(rest[0]) or rest[0], box))
    return objects
