"""The check of dialogues finds what is wrong and counts the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from mfnet_lite.language.converting import convert
from mfnet_lite.language.instruction_check import (
    check_instructions,
    holds_dialogues,
    instruction_files,
    pieces,
)
from tests.language.sources import made


def record(image: str, question: str, answer: str, **more: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"image": image, "sensor": "sar", "conversations": turns} | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made.image(tmp_path / "train" / "a.png")
    made.image(tmp_path / "test" / "b.png")
    good = [record("a.png", "Which category is it?", "park", size=[100, 50])]
    made.write(tmp_path / "train" / "instructions.json", good)
    made.write(tmp_path / "test" / "instructions.json", [record("b.png", "Is it a park?", "no")])
    return tmp_path


def test_nothing_wrong(folder: Path) -> None:
    report = check_instructions(folder)
    assert report.ok
    assert report.counts == {("train", "sar", "classification"): 1, ("test", "sar", "vqa"): 1}
    assert report.lengths["classification"].questions == [5]
    assert report.lengths["classification"].answers == [1]
    assert report.dialogue_lengths == (6, 6)
    assert list(instruction_files(folder).values()) == ["train", "test"]
    assert holds_dialogues(folder)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"image": 3}, "record 1: expected the name of a file as image, found 3"),
        (record("c.png", "Is it?", "no"), "record 1: the image c.png is missing or unreadable"),
        (record("a.png", "Is it?", "no", size=[50, 100]), "record 1: a.png has 100 x 50 pixels, not 50 x 100"),
        (record("a.png", "All?", "<p>2 ships</p>[0.1,0.1,0.2,0.2]"), "record 1, answer 0 (detection): 2 announced"),
        (record("a.png", "Where?", "[0.1,0.1,0.2,1.2]", tasks=["grounding"]), "a coordinate lies outside 0 to 1"),
        (record("a.png", "Which?", "[0.1,0.1,0.2,0.2]", tasks=["vqa"]), "boxes where words were asked for"),
        (record("../test/b.png", "Is it?", "no"), "1 image lies in several splits, such as b.png"),
    ],
)  # fmt: skip
def test_problems(folder: Path, bad: dict[str, Any], told: str) -> None:
    file = folder / "train" / "instructions.json"
    file.write_text(json.dumps([*json.loads(file.read_text()), bad]), encoding="utf-8")
    report = check_instructions(folder)
    assert len(report.problems) == 1
    assert told in str(report.problems[0])


def test_notes_and_unreadable_files(folder: Path) -> None:
    nameless = record("a.png", "Is it?", "no", mood="good")
    del nameless["sensor"]
    made.write(folder / "train" / "instructions.json", [nameless])
    made.write(folder / "test" / "instructions.json", "[")
    report = check_instructions(folder, sensor="infrared")
    assert report.notes == (
        "the unknown key mood is not read (1 x)",
        "1 record without a sensor is counted as infrared",
    )
    assert "line 1 is not valid JSON" in str(report.problems[0])
    assert report.counts == {("train", "infrared", "vqa"): 1}


def test_sources_are_checked_as_a_conversion_would_see_them(tmp_path: Path) -> None:
    report = check_instructions(made.coco(tmp_path / "coco"))
    assert report.ok
    assert report.kind == "coco"
    assert report.counts == {("train", "optical", "detection"): 2}
    (tmp_path / "coco" / "images" / "a.jpg").unlink()
    assert "a.jpg is missing" in str(check_instructions(tmp_path / "coco").problems[0])
    made.write(
        tmp_path / "coco" / "annotations" / "instances_train.json",
        '{"images": "annotations categories bbox',
    )
    assert not check_instructions(tmp_path / "coco", "coco").ok
    assert "holds no instructions.json" in str(
        check_instructions(tmp_path, "instructions").problems[0]
    )


LEAK = "1 image lies in several splits, such as {}; keep each in one, or scores on the test split tell nothing"


def test_one_image_in_several_splits_of_a_source(tmp_path: Path) -> None:
    (problem,) = check_instructions(made.referring(tmp_path / "r")).problems
    assert str(problem).startswith(f"{tmp_path / 'r'}: {LEAK.format('00001.jpg')}")
    # Without a split beside those of the test, it is taken for train.
    captions = made.captions(tmp_path / "c")
    file = captions / "dataset_rsicd.json"
    entries = json.loads(file.read_text())["images"]
    park = {"filename": "park_2.jpg", "sentences": [{"raw": "Trees."}]}
    made.write(file, {"images": [*entries, park]})
    (problem,) = check_instructions(captions).problems
    assert LEAK.format("park_2.jpg") in str(problem)
    made.write(file, {"images": [entries[0], entries[0] | {"imgid": 3}, entries[1]]})
    assert check_instructions(captions).ok  # twice in one split is no leak


def test_one_image_listed_twice_without_a_split(tmp_path: Path) -> None:
    captions = made.captions(tmp_path / "c", split="")
    file = captions / "dataset_rsicd.json"
    entries = [entry | {"split": ""} for entry in json.loads(file.read_text())["images"]]
    made.write(file, {"images": entries})
    assert check_instructions(captions).ok
    made.write(file, {"images": [*entries, entries[1]]})
    assert [str(problem) for problem in check_instructions(captions).problems] == [
        f"{captions}: 1 image without a split is listed more than once, such as park_2.jpg; list each once, or it "
        "is drawn for training and for test"
    ]


def test_copies_in_several_splits(tmp_path: Path) -> None:
    convert("referring", made.referring(tmp_path / "src"), tmp_path / "out", copy=True)
    copies = [
        tmp_path / "out" / s / "images" / "JPEGImages" / "00001.jpg" for s in ("train", "test")
    ]
    assert copies[0].read_bytes() == copies[1].read_bytes()
    (problem,) = check_instructions(tmp_path / "out").problems
    assert str(problem).startswith(f"{tmp_path / 'out'}: {LEAK.format('00001.jpg')}")
    # Another image of the same name is none of them.
    Image.new("RGB", (100, 50), (9, 9, 9)).save(copies[1])
    assert check_instructions(tmp_path / "out").ok
    # In three splits it is still one image, and one that is missing is told as missing.
    for split in ("val", "test"):
        made.write(
            tmp_path / "out" / split / "instructions.json",
            [
                record("images/JPEGImages/00001.jpg", "Is it?", "no"),
                record("images/x.png", "Is it?", "no"),
            ],
        )
        target = tmp_path / "out" / split / "images" / "JPEGImages" / "00001.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(copies[0].read_bytes())
    told = [str(problem) for problem in check_instructions(tmp_path / "out").problems]
    assert ["x.png is missing" in text for text in told] == [True, True, False]
    assert LEAK.format("00001.jpg") in told[2]


def test_which_folders_are_checked_here(tmp_path: Path) -> None:
    assert not holds_dialogues(tmp_path / "nowhere")
    assert not holds_dialogues(tmp_path)
    assert holds_dialogues(tmp_path, "class_folders")
    assert not holds_dialogues(tmp_path, "folder")
    assert holds_dialogues(made.voc(tmp_path / "voc"))
    assert not holds_dialogues(Path(__file__).parents[2] / "data" / "scenes")


def test_tables(folder: Path) -> None:
    console = Console(width=100, record=True, force_jupyter=False)
    report = check_instructions(folder)
    report.render(console)
    (folder / "train" / "a.png").unlink()
    check_instructions(folder).render(console)
    text = console.export_text()
    assert "classification" in text
    assert "nothing wrong in 2 dialogues" in text
    assert "1 problem" in text
    assert "train/instructions.json" in text


def test_pieces() -> None:
    assert pieces("[0.10,0.25]") == 11
    assert pieces("There are 13 ships.") == 6
    assert pieces("") == 0
