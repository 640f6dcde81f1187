"""Referring expressions in XML: DIOR-RSVG.

::

    DIR/Annotations/00001.xml   <annotation><filename>, <size>, <object><name>, <bndbox>, <description>
    DIR/JPEGImages/00001.jpg
    DIR/{train,val,test}.txt    numbers of objects, counted from 0 over all files

The numbers of the lists run over the objects, not over the images, so objects of one image may belong to different
splits. An object that several lists name is taken for test before val, and for val before train. The authors' reader
counts through the files in the order in which the disk names them, which differs from machine to machine. Here the
files are taken by name; scores on the official split need the same order on both sides.
"""

from __future__ import annotations

from pathlib import Path

from mfnet_lite.language.boxes import Numbers
from mfnet_lite.language.sources.source import AnnotatedImage, ImageFinder, Source, usable_box
from mfnet_lite.language.sources.voc_xml import (
    annotation_files,
    image_of,
    images_by_stem,
    object_of,
    read_xml,
)
from mfnet_lite.utils.counted_nouns import agreeing, counted

__all__ = ["read_referring"]


def has_descriptions(root: Path) -> bool:
    """Whether the first XML file describes its objects."""
    files = annotation_files(root)
    return bool(files) and "<description>" in files[0].read_text("utf-8", errors="replace")


def read_referring(root: Path) -> Source:
    """Read referring expressions.

    Args:
        root: The folder.

    Returns:
        The images with phrases and boxes, once per split that their objects belong to.

    Raises:
        ValueError: If there is no XML file, one is malformed, or a list holds something else than numbers.
    """
    source = Source(root, "referring")
    files = annotation_files(root)
    if not files:
        raise ValueError(f"{root} has no XML file, there or in Annotations/; check the path")
    splits = _splits(source, root)
    if splits:
        source.notes.append(
            "objects are counted over the files by name; the lists' numbers count objects, not images"
        )
    finder = ImageFinder(root)
    homes = images_by_stem(files, finder, {})
    count = 0
    shared = 0
    for file in files:
        tree = read_xml(file)
        path, size = image_of(source, file, tree, finder, homes, "")
        by_split: dict[str, list[tuple[str, Numbers]]] = {}
        for number, item in enumerate(tree.findall("object")):
            _, box = object_of(source, file, number, item)
            phrase = " ".join((item.findtext("description") or "").split())
            if not phrase:
                raise ValueError(
                    f"{file} object {number}: expected <description> with a phrase, found none; add it"
                )
            split = splits.get(count, "")
            count += 1
            if splits and not split:
                source.tally["an object that no list names is left out"] += 1
            elif size is not None:
                usable = usable_box(source, file, f"object {number}", box, size)
                if usable is not None:
                    by_split.setdefault(split, []).append((phrase, usable))
        shared += len(by_split) > 1
        if path is not None:
            source.images += [
                AnnotatedImage(path, split, size, phrases=tuple(phrases))
                for split, phrases in by_split.items()
            ]
    if shared:
        source.notes.append(
            f"{counted(shared, 'image')} {agreeing(shared, 'has', 'have')} objects in several splits"
        )
    beyond = [number for number in splits if number >= count]
    if beyond:
        source.leave_out(
            root,
            f"the lists name {counted(len(beyond), 'object')} beyond the {count} that there are",
            "add the missing files: without them every later number means another object",
        )
    return source


def _splits(source: Source, root: Path) -> dict[int, str]:
    """Number of an object → split."""
    found: dict[int, str] = {}
    common: dict[int, str] = {}
    for split in ("train", "val", "test"):
        file = root / f"{split}.txt"
        if not file.is_file():
            continue
        for line_number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            text = line.strip()
            if not text:
                continue
            if not text.isdecimal():
                raise ValueError(
                    f"{file} line {line_number}: expected the number of an object, found {text[:40]!r}; correct it"
                )
            number = int(text)
            if found.get(number, split) != split:
                common[number] = split
            found[number] = split
    source.tell_several_splits(
        common, "object", "named by the lists of", str, "name each in one list"
    )
    return found
