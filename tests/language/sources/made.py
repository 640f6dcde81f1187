"""Small made samples of the public formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def image(path: Path, width: int = 100, height: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return path


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def captions(root: Path, **change: Any) -> Path:
    entries = [
        {"filename": "airport_1.jpg", "imgid": 0, "split": "train", "sentids": [0, 1],
         "sentences": [{"raw": "Many planes are parked .", "tokens": ["many"], "imgid": 0, "sentid": 0},
                       {"raw": "Many planes  are parked.", "tokens": [], "imgid": 0, "sentid": 1},
                       {"raw": "It is an airport .", "tokens": [], "imgid": 0, "sentid": 2}]},
        {"filename": "park_2.jpg", "imgid": 1, "split": "test",
         "sentences": [{"raw": "A park , with trees"}]} | change,
    ]  # fmt: skip
    for name in ("airport_1.jpg", "park_2.jpg"):
        image(root / "images" / name)
    write(root / "dataset_rsicd.json", {"images": entries, "dataset": "rsicd"})
    return root


def vqa(root: Path, **change: Any) -> Path:
    image(root / "Images_LR" / "0.tif")
    image(root / "Images_LR" / "1.tif")
    off = {"active": False}
    full = {"active": True, "people_id": 0, "date_added": 1.0}
    for split, mine in (("train", 0), ("val", 1)):
        questions: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        for number in range(4):
            if number // 2 == mine:
                text = (
                    "Is it a rural or an urban area"
                    if number % 2
                    else "What is the number of roads?"
                )
                question = {
                    "id": number,
                    "img_id": mine,
                    "type": "count",
                    "question": text,
                    "answers_ids": [number + 10],
                }
                answer = {
                    "id": number + 10,
                    "question_id": number,
                    "answer": "rural" if number % 2 else "3",
                }
                questions.append(question | full | (change if number == 0 else {}))
                answers.append(answer | full)
            else:
                questions.append({"id": number} | off)
                answers.append({"id": number + 10} | off)
        images = [{"id": 0, "original_name": "west.tif"}, {"id": 1, "original_name": "east.tif"}]
        for what, entries in (("questions", questions), ("answers", answers), ("images", images)):
            write(root / f"LR_split_{split}_{what}.json", {what: entries})
    return root


def coco(root: Path, boxes: list[dict[str, Any]] | None = None, **change: Any) -> Path:
    image(root / "images" / "a.jpg")
    image(root / "images" / "b.jpg")
    content = {
        "info": {},
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50},
                   {"id": 8, "file_name": "b.jpg", "width": 100, "height": 50}],
        "categories": [{"id": 1, "name": "ship", "supercategory": "x"}, {"id": 2, "name": "storage-tank"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 0, 20, 20], "iscrowd": 0},
                        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [50, 25, 50, 25]},
                        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 90, 50], "iscrowd": 1},
                        *(boxes or [])],
    }  # fmt: skip
    write(root / "annotations" / "instances_train.json", content | change)
    return root


DOTA = """imagesource:GoogleEarth
gsd:0.146343590398
20.0 10.0 30.0 20.0 20.0 30.0 10.0 20.0 small-vehicle 0
60 10 90 10 90 40 60 40 plane 1
"""


def dota(root: Path, text: str = DOTA, split: str = "train") -> Path:
    image(root / split / "images" / "P0001.png")
    image(root / split / "images" / "P0002.png")
    write(root / split / "labelTxt" / "P0001.txt", text)
    write(root / split / "labelTxt" / "P0002.txt", "")
    return root


def xml(
    name: str,
    objects: list[tuple[str, tuple[Any, ...], str]],
    size: tuple[int, int] | None = (100, 50),
) -> str:
    parts = []
    for word, box, description in objects:
        edges = "".join(
            f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=False)
        )
        said = f"<description>{description}</description>" if description else ""
        parts.append(
            f"<object><name>{word}</name><pose>0</pose><bndbox>{edges}</bndbox>{said}</object>"
        )
    stated = (
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        if size
        else ""
    )
    return f"<annotation><filename>{name}</filename>{stated}\n{''.join(parts)}</annotation>"


def voc(root: Path) -> Path:
    image(root / "JPEGImages" / "000001.jpg")
    image(root / "JPEGImages" / "000002.jpg")
    ships = [("ship", (10, 0, 30, 20), ""), ("ship", (50, 25, 100, 50), "")]
    write(root / "Annotations" / "000001.xml", xml("000001.jpg", ships))
    write(
        root / "Annotations" / "000002.xml", xml("000002", [("Bridge", (1, 1, 40, 40), "")], None)
    )
    write(root / "ImageSets" / "Main" / "train.txt", "000001\n")
    write(root / "ImageSets" / "Main" / "test.txt", "000002\n")
    return root


def referring(root: Path) -> Path:
    for name in ("00001", "00002"):
        image(root / "JPEGImages" / f"{name}.jpg")
    first = [
        ("ship", (10, 0, 30, 20), "The ship on the left"),
        ("ship", (50, 25, 99, 50), "The large ship"),
    ]
    write(root / "Annotations" / "00001.xml", xml("00001.jpg", first))
    write(root / "Annotations" / "00002.xml", xml("00002.jpg", [("dam", (1, 1, 40, 40), "A dam")]))
    for split, numbers in (("train", "0\n2\n"), ("val", ""), ("test", "1\n")):
        write(root / f"{split}.txt", numbers)
    return root


def classes(root: Path) -> Path:
    for name in ("dense_residential", "Airport"):
        for k in range(10):
            image(root / name / f"{name}_{k:03d}.jpg", 64, 64)
    return root
