"""Boxes in COCO's JSON (HRSID, HIT-UAV and SSDD in that form, NWPU VHR-10).

::

    DIR/[annotations/]instances_train.json   {"images": [{"id", "file_name", "width", "height"}],
                                              "annotations": [{"image_id", "category_id", "bbox": [x, y, w, h]}],
                                              "categories": [{"id", "name"}]}
    DIR/**/*.jpg

Some sets list their images again: HRSID all of them in ``train_test2017.json``, SSDD those of the test once more by
place. Every image is taken once. A file of several splits counts for images that no file of one split lists.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from mfnet_lite.language.class_words import plain_name
from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.instructions import read_json_content
from mfnet_lite.language.sources.source import (
    AnnotatedImage,
    ImageFinder,
    Source,
    shown,
    size_of,
    splits_named,
    usable_box,
    wanted,
)

__all__ = ["read_coco"]

NUMBER = (int, float)
LARGEST = sys.float_info.max
RANK = ("train", "val", "test")
"""Of an image that files of several splits list, the last of these is taken."""
IMAGE_KEYS = (
    "id",
    "file_name",
    "width",
    "height",
    "license",
    "date_captured",
    "coco_url",
    "flickr_url",
)
BOX_KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "ignore")


def coco_files(root: Path) -> list[Path]:
    """Find the JSON files with annotations and categories, by a look into them."""
    return [
        path
        for folder in (root, root / "annotations")
        for path in sorted(folder.glob("*.json"))
        if _mentions(path)
    ]


def read_coco(root: Path) -> Source:
    """Read boxes.

    Args:
        root: The folder with the JSON files, there or in ``annotations``, and the images anywhere below.

    Returns:
        The images with their objects, each once; those without any are kept. Crowds are no objects and are left out.

    Raises:
        ValueError: If there is no such file, an entry is malformed, one id stands for two images or classes, or two
            files give an image other boxes.
    """
    source = Source(root, "coco")
    files = coco_files(root)
    if not files:
        raise ValueError(
            f"{root} has no boxes: expected a JSON file with images, annotations and categories; check the path"
        )
    named = {file: splits_named(file.name) for file in files}
    divided = set[str]().union(*(splits for splits in named.values() if len(splits) == 1))
    finder = ImageFinder(root)
    found: dict[Path, tuple[AnnotatedImage, Path]] = {}
    common: dict[Path, str] = {}
    # Files of one split first, since they say more about an image than those of several.
    for file in sorted(files, key=lambda file: len(named[file]) != 1):
        combined = len(named[file]) != 1
        splits = named[file] - divided if combined else named[file]
        if named[file] and not splits:
            source.notes.append(f"{file.name} is left out, since there are files by split")
            continue
        split = min(splits) if len(splits) == 1 else ""
        for image in _read_file(source, file, finder, split):
            first, home = found.setdefault(image.path, (image, file))
            if home == file:
                continue
            if combined and first.split != split:
                source.tally[f"an image of {file.name} is taken from {home.name}"] += 1
            elif first.split != split:
                common[image.path] = max(first.split, split, key=RANK.index)
                if common[image.path] == split:
                    found[image.path] = (image, file)
            elif Counter(first.objects) == Counter(image.objects):
                source.tally[f"an image of {file.name} is taken from {home.name}"] += 1
            else:
                raise ValueError(
                    f"{file}: expected the boxes of {image.path.name} that {home.name} has, found others; keep one of "
                    "the files, or put all boxes of an image into one"
                )
    source.images += [image for image, _ in found.values()]
    source.tell_several_splits(
        common, "image", "listed for", lambda path: path.name, "list each for one"
    )
    return source


def _read_file(source: Source, file: Path, finder: ImageFinder, split: str) -> list[AnnotatedImage]:
    lists = {"images": list, "annotations": list, "categories": list}
    content = wanted(read_json_content(file), lists, file, "as a whole")
    source.tell_unknown(content, (*lists, "info", "licenses", "type"), file.name)
    names: dict[Any, str] = {}
    for index, entry in enumerate(content["categories"]):
        wanted(entry, {"id": int, "name": str}, file, f"categories[{index}]")
        name = plain_name(entry["name"]) or entry["name"]
        if names.setdefault(entry["id"], name) != name:
            raise ValueError(
                f"{file} categories[{index}]: expected an id of its own for {name}, found {entry['id']}, which is "
                f"that of {names[entry['id']]}; number the categories anew, in the annotations as well"
            )
    listed: dict[Any, tuple[str, int, int]] = {}
    taken: dict[Path, int] = {}
    images: dict[Any, tuple[Path, tuple[int, int]] | None] = {}
    for index, entry in enumerate(content["images"]):
        wanted(
            entry,
            {"id": int, "file_name": str, "width": int, "height": int},
            file,
            f"images[{index}]",
        )
        source.tell_unknown(entry, IMAGE_KEYS, f"an image of {file.name}")
        stated = (entry["file_name"], entry["width"], entry["height"])
        if entry["id"] in listed:
            if listed[entry["id"]] == stated:
                continue
            raise ValueError(
                f"{file} images[{index}]: expected an id of its own for {_image_words(stated)}, found {entry['id']}, "
                f"which is that of {_image_words(listed[entry['id']])}; number the images anew, in the annotations as "
                "well"
            )
        listed[entry["id"]] = stated
        images[entry["id"]] = None
        path = finder.find(entry["file_name"], split)
        if path is None:
            source.leave_out(
                file, f"images[{index}]: {entry['file_name']} is missing or not unique"
            )
            continue
        if taken.setdefault(path, index) != index:
            raise ValueError(
                f"{file} images[{index}]: expected another image than images[{taken[path]}], found {path} for both; "
                "give its annotations one image_id, or correct file_name"
            )
        size = size_of(source, path, stated[1:])
        images[entry["id"]] = None if size is None else (path, size)
    objects: dict[Any, list[ObjectBox]] = {number: [] for number in images}
    for index, entry in enumerate(content["annotations"]):
        where = f"annotations[{index}]"
        wanted(entry, {"image_id": int, "category_id": int, "bbox": list}, file, where)
        source.tell_unknown(entry, BOX_KEYS, f"an annotation of {file.name}")
        box = entry["bbox"]
        if len(box) != 4 or not all(map(_finite, box)):
            raise ValueError(
                f"{file} {where}: expected [x, y, width, height] as bbox, found {shown(box)}; correct it"
            )
        for key, known in (("image_id", images), ("category_id", names)):
            if entry[key] not in known:
                raise ValueError(
                    f"{file} {where}: expected a listed {key}, found {entry[key]}; add or correct it"
                )
        home = images[entry["image_id"]]
        if entry.get("iscrowd"):
            source.tally["a crowd is left out"] += 1
        elif home is not None:
            x, y, width, height = map(float, box)
            edges = usable_box(source, file, where, (x, y, x + width, y + height), home[1])
            if edges is not None:
                objects[entry["image_id"]].append(ObjectBox(names[entry["category_id"]], edges))
    return [
        AnnotatedImage(home[0], split, home[1], objects=tuple(objects[number]))
        for number, home in images.items()
        if home is not None
    ]


def _image_words(stated: tuple[str, int, int]) -> str:
    return f"{stated[0]} of {stated[1]} x {stated[2]} pixels"


def _finite(number: Any) -> bool:
    """Whether a value of a JSON file is a number to compute with; Python reads NaN and Infinity there."""
    return isinstance(number, NUMBER) and not isinstance(number, bool) and abs(number) <= LARGEST


def _mentions(path: Path) -> bool:
    """Whether the keys occur; the whole file is looked at, since annotations may come first."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(f'"{key}"' in text for key in ("images", "annotations", "categories", "bbox"))
