"""Boxes in COCO's JSON (HRSID, HIT-UAV and SSDD in that form, NWPU VHR-10).

::

    DIR/[annotations/]instances_train.json   {"images": [{"id", "file_name", "width", "height"}],
                                              "annotations": [{"image_id", "category_id", "bbox": [x, y, w, h]}],
                                              "categories": [{"id", "name"}]}
    DIR/**/*.jpg
"""

from __future__ import annotations

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
    split_of_name,
    usable_box,
    wanted,
)

__all__ = ["read_coco"]

NUMBER = (int, float)
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
        The images with their objects; those without any are kept. Crowds are no objects and are left out.

    Raises:
        ValueError: If there is no such file, or an entry is malformed.
    """
    source = Source(root, "coco")
    files = coco_files(root)
    if not files:
        raise ValueError(
            f"{root} has no boxes: expected a JSON file with images, annotations and categories; check the path"
        )
    finder = ImageFinder(root)
    for file in files:
        _read_file(source, file, finder)
    return source


def _read_file(source: Source, file: Path, finder: ImageFinder) -> None:
    lists = {"images": list, "annotations": list, "categories": list}
    content = wanted(read_json_content(file), lists, file, "as a whole")
    source.tell_unknown(content, (*lists, "info", "licenses", "type"), file.name)
    split = split_of_name(file.name)
    names: dict[Any, str] = {}
    for index, entry in enumerate(content["categories"]):
        wanted(entry, {"id": int, "name": str}, file, f"categories[{index}]")
        names[entry["id"]] = plain_name(entry["name"]) or entry["name"]
    images: dict[Any, tuple[Path, tuple[int, int]] | None] = {}
    for index, entry in enumerate(content["images"]):
        wanted(
            entry,
            {"id": int, "file_name": str, "width": int, "height": int},
            file,
            f"images[{index}]",
        )
        source.tell_unknown(entry, IMAGE_KEYS, f"an image of {file.name}")
        images[entry["id"]] = None
        path = finder.find(entry["file_name"], split)
        if path is None:
            source.leave_out(
                file, f"images[{index}]: {entry['file_name']} is missing or not unique"
            )
            continue
        size = size_of(source, path, (entry["width"], entry["height"]))
        images[entry["id"]] = None if size is None else (path, size)
    objects: dict[Any, list[ObjectBox]] = {number: [] for number in images}
    for index, entry in enumerate(content["annotations"]):
        where = f"annotations[{index}]"
        wanted(entry, {"image_id": int, "category_id": int, "bbox": list}, file, where)
        source.tell_unknown(entry, BOX_KEYS, f"an annotation of {file.name}")
        box = entry["bbox"]
        if len(box) != 4 or not all(isinstance(n, NUMBER) and not isinstance(n, bool) for n in box):
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
    for number, home in images.items():
        if home is not None:
            source.images.append(
                AnnotatedImage(home[0], split, home[1], objects=tuple(objects[number]))
            )


def _mentions(path: Path) -> bool:
    """Whether the keys occur; the whole file is looked at, since annotations may come first."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(f'"{key}"' in text for key in ("images", "annotations", "categories", "bbox"))
