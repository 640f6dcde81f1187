"""The check of dialogues finds what is wrong and counts the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

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
        (record("../test/b.png", "Is it?", "no"), "1 image(s) lie in several splits, such as b.png"),
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
        "1 record(s) name no sensor and are counted as infrared",
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
    assert "nothing wrong in 2 dialogue(s)" in text
    assert "1 problem(s)" in text
    assert "train/instructions.json" in text


def test_pieces() -> None:
    assert pieces("[0.10,0.25]") == 11
    assert pieces("There are 13 ships.") == 6
    assert pieces("") == 0
