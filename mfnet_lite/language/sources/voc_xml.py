"""Boxes in Pascal VOC's XML (SSDD, AIR-SARShip, HIT-UAV, DIOR, RSOD in that form).

::

    DIR/Annotations/a.xml                  <annotation><filename>, <size>, <object><name>, <bndbox>
    DIR/**/a.jpg
    DIR/ImageSets/Main/{train,val,test}.txt, or train.txt … in DIR: one name per line

The image of an XML file is the one of the same stem; ``<filename>`` is believed only where there is none, since
copies of a file often keep that of the original. An image that several lists name is taken for test before val, and
for val before train, so that scores stay those of the whole test list; ``trainval.txt`` counts where train and val
have no list. A list in DIR counts where ImageSets/Main has none of that split.

Pascal VOC counted pixels from 1 and included the last one; most remote-sensing sets in its form count from 0 or
leave it open. The numbers are taken as pixel edges as they stand, which is wrong by one pixel at most.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from mfnet_lite.language.boxes import Numbers
from mfnet_lite.language.class_words import plain_name
from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources.source import (
    AnnotatedImage,
    ImageFinder,
    Source,
    size_of,
    usable_box,
)
from mfnet_lite.utils.counted_nouns import agreeing, counted

__all__ = ["read_voc"]

FOLDERS = ("Annotations", "annotations", "xmls")
OBJECT_KEYS = (
    "name", "bndbox", "pose", "truncated", "difficult", "occluded", "description", "part", "level",
)  # fmt: skip


def annotation_files(root: Path) -> list[Path]:
    """Find the XML files, in one of the usual folders or beside the images."""
    for name in FOLDERS:
        if (root / name).is_dir():
            return sorted((root / name).glob("*.xml"))
    return sorted(root.glob("*.xml"))


def read_voc(root: Path) -> Source:
    """Read boxes.

    Args:
        root: The folder.

    Returns:
        The images with their objects.

    Raises:
        ValueError: If there is no XML file, or one is malformed.
    """
    source = Source(root, "voc")
    files = annotation_files(root)
    if not files:
        raise ValueError(f"{root} has no XML file, there or in Annotations/; check the path")
    splits = _splits(source, root)
    finder = ImageFinder(root)
    homes = images_by_stem(files, finder, splits)
    for file in files:
        split = splits.get(file.stem, "")
        if splits and not split:
            source.tally["an annotated image that no list of a split names is left out"] += 1
            continue
        tree = read_xml(file)
        path, size = image_of(source, file, tree, finder, homes, split)
        objects = []
        for number, item in enumerate(tree.findall("object")):
            name, box = object_of(source, file, number, item)
            if size is not None:
                usable = usable_box(source, file, f"object {number}", box, size)
                if usable is not None:
                    objects.append(ObjectBox(name, usable))
        if path is not None and size is not None:
            source.images.append(AnnotatedImage(path, split, size, objects=tuple(objects)))
    listed = set(splits) - {file.stem for file in files}
    if listed:
        source.leave_out(
            root,
            f"{counted(len(listed), 'listed image')} {agreeing(len(listed), 'has', 'have')} no annotation, such "
            f"as {min(listed)}",
            "add or unlist them",
        )
    return source


def read_xml(file: Path) -> ET.Element:
    """Read an XML file of one image.

    Args:
        file: The file.

    Raises:
        ValueError: If this is no XML, or no annotation.
    """
    try:
        tree = ET.parse(file).getroot()
    except ET.ParseError as error:
        raise ValueError(
            f"{file} line {error.position[0]} is not valid XML ({error.msg}); correct it"
        ) from error
    if tree.tag != "annotation":
        raise ValueError(
            f"{file}: expected <annotation> as root, found <{tree.tag}>; correct or remove it"
        )
    return tree


def images_by_stem(
    files: Sequence[Path], finder: ImageFinder, splits: Mapping[str, str]
) -> dict[Path, Path]:
    """Find the images that have the stem of an XML file.

    Args:
        files: The XML files.
        finder: Of the images.
        splits: Split by stem; empty where there are none.

    Returns:
        Image → XML file, for :func:`image_of`.
    """
    found: dict[Path, Path] = {}
    for file in files:
        path = finder.find(file.stem, splits.get(file.stem, ""))
        if path is not None:
            found.setdefault(path, file)
    return found


def image_of(
    source: Source,
    file: Path,
    tree: ET.Element,
    finder: ImageFinder,
    homes: dict[Path, Path],
    split: str,
) -> tuple[Path | None, tuple[int, int] | None]:
    """Find the image of a file and its size.

    Args:
        source: Where a problem is told.
        file: The XML file.
        tree: What it holds.
        finder: Of the images.
        homes: Image → the XML file that annotates it; a new image is added.
        split: Of the file.

    Returns:
        Image and size; None for what cannot be used, which is told.

    Raises:
        ValueError: If the stated size is no number.
    """
    named = (tree.findtext("filename") or "").strip() or file.stem
    path, other = finder.find(file.stem, split), finder.find(named, split)
    if path is None:
        # Of several images of the stem <filename> may say which, but not name one of another stem.
        stems = {found.stem for found in finder.by_name.get(file.stem, ())}
        if other is None or (stems and other.stem not in stems):
            missing = file.stem if stems else named
            source.leave_out(file, f"the image {missing} is missing or not unique")
            return None, None
        path = other
    elif other not in (None, path):
        source.tally[
            "a <filename> names another image than that of its XML file's own stem, which is taken"
        ] += 1
    home = homes.setdefault(path, file)
    if home != file:
        source.leave_out(
            file,
            f"annotates {path.name}, as {home.name} does",
            "keep one annotation of each image, or correct <filename>",
        )
        return None, None
    stated = None
    width, height = (tree.findtext(f"size/{side}") for side in ("width", "height"))
    if width is not None and height is not None:
        if not (width.strip().isdigit() and height.strip().isdigit()):
            raise ValueError(
                f"{file}: expected whole numbers as size, found {width!r} and {height!r}; correct it"
            )
        stated = (int(width), int(height))
        if 0 in stated:
            source.tally["a size of 0 is not believed"] += 1
            stated = None
    return path, size_of(source, path, stated)


def object_of(source: Source, file: Path, number: int, item: ET.Element) -> tuple[str, Numbers]:
    """Read an object's class and box.

    Raises:
        ValueError: If one of them is missing or no number.
    """
    source.tell_unknown((child.tag for child in item), OBJECT_KEYS, "an object")
    name = plain_name(item.findtext("name") or "")
    if not name:
        raise ValueError(
            f"{file} object {number}: expected <name> with a class, found none; add it"
        )
    texts = [item.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    try:
        box = tuple(float(text) for text in texts if text is not None)
    except ValueError:
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise ValueError(
            f"{file} object {number}: expected numbers in <bndbox> as xmin, ymin, xmax, ymax, found "
            f"{', '.join('nothing' if text is None else text for text in texts)}; correct it"
        )
    return name, box


def _splits(source: Source, root: Path) -> dict[str, str]:
    """Name of an image → split, by the lists that there are."""
    lists: dict[str, list[str]] = {}
    for split in ("trainval", "train", "val", "test"):
        for folder in (root / "ImageSets" / "Main", root):
            if split not in lists and (folder / f"{split}.txt").is_file():
                lists[split] = _lines(folder / f"{split}.txt")
    both = lists.pop("trainval", [])
    if both and not lists.keys() & {"train", "val"}:
        lists = {"train": both} | lists
    found: dict[str, str] = {}
    common: dict[str, str] = {}
    for split, names in lists.items():
        common |= {name: split for name in names if name in found}
        found |= dict.fromkeys(names, split)
    source.tell_several_splits(
        common, "image", "named by the lists of", str, "name each in one list"
    )
    return found


def _lines(file: Path) -> list[str]:
    return [
        Path(line.split()[0]).stem for line in file.read_text("utf-8").splitlines() if line.strip()
    ]
