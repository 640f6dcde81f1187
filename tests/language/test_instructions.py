"""Records of dialogues: to JSON and back, and one sentence for each malformed one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mfnet_lite.language.instructions import (
    EXPECTED,
    SENSORS,
    TASKS,
    Dialogue,
    Exchange,
    guess_task,
    read_instructions,
    write_instructions,
)

TURNS = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "park"}]


def test_there_and_back(tmp_path: Path) -> None:
    spoken = Exchange("vqa", "Ein Haus?", "ja – größer")
    boxed = Exchange("grounding", "Where?", "[0.10,0.20,0.30,0.40]")
    dialogues = [
        Dialogue("sar/a.tif", "sar", (spoken, boxed), (128, 64)),
        Dialogue("b.png", "optical", (Exchange("classification", "Class?", "park"),)),
    ]
    file = tmp_path / "train" / "instructions.json"
    write_instructions(file, dialogues)
    assert read_instructions(file) == dialogues
    record = json.loads(file.read_text("utf-8"))[0]
    assert record["conversations"][0] == {"from": "human", "value": "Ein Haus?"}
    assert record["size"] == [128, 64]
    assert dialogues[0].square is not None
    assert dialogues[0].square.top == 32
    assert dialogues[1].square is None
    write_instructions(file, [])
    assert read_instructions(file) == []


def test_records_from_elsewhere() -> None:
    turns = [
        {"from": "human", "value": "<image>\nDescribe it."},
        {"from": "gpt", "value": "A park. "},
    ]
    dialogue = Dialogue.from_record({"id": 3, "image": "a.jpg", "conversations": turns}, "infrared")
    assert dialogue.exchanges == (Exchange("captioning", "Describe it.", "A park."),)
    assert dialogue.sensor == "infrared"


@pytest.mark.parametrize(
    ("question", "answer", "task"),
    [
        ("Detect all.", "There are <p>2 ships</p>[0.1,0.1,0.2,0.2;0.3,0.3,0.4,0.4].", "detection"),
        ("Detect all.", "<p>1 ship</p>[0.1,0.1,0.3,0.1,0.3,0.3,0.1,0.3]", "oriented detection"),
        ("Where is it?", "[0.1,0.1,0.2,0.2]", "grounding"),
        ("What is in [0.1,0.1,0.2,0.2]?", "a ship", "region captioning"),
        ("Give a caption.", "A ship.", "captioning"),
        ("Which category is it?", "harbor", "classification"),
        ("Is there a ship?", "yes", "vqa"),
    ],
)
def test_guesses(question: str, answer: str, task: str) -> None:
    assert guess_task(question, answer) == task


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": None}, "expected the name of a file as image, found nothing"),
        ({"sensor": "x-ray"}, 'expected optical, sar or infrared as sensor, found "x-ray"'),
        ({"conversations": None}, "expected a list of turns"),
        ({"conversations": []}, "expected a list of turns"),
        ({"conversations": TURNS[:1]}, "turn 1: expected an answer from gpt, found the end"),
        ({"conversations": TURNS[::-1]}, "turn 0: expected one from human"),
        ({"conversations": [TURNS[0], {"from": "gpt", "value": 3}]}, "turn 1: expected a text as value, found 3"),
        ({"conversations": [{"from": "human", "value": "<image>"}, TURNS[1]]}, "found an empty one"),
        ({"tasks": ["vqa", "vqa"]}, "expected a list of 1 tasks"),
        ({"tasks": ["sorting"]}, 'found "sorting"'),
        ({"size": [3]}, "expected .width, height. in pixels as size"),
        ({"size": [3, True]}, "expected .width, height. in pixels as size"),
    ],
)  # fmt: skip
def test_malformed_records(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    good = {"image": "a.tif", "sensor": "optical", "conversations": TURNS}
    file = tmp_path / "instructions.json"
    file.write_text(json.dumps([good, good | change]), encoding="utf-8")
    with pytest.raises(ValueError, match=sentence) as caught:
        read_instructions(file)
    assert str(caught.value).startswith(f"{file} record 1: ")


def test_malformed_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_instructions(tmp_path / "x.json")
    for text, word in (("[\n{]", "line 2 is not valid JSON"), ("{}", "expected a list of records")):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=word):
            read_instructions(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b'["\xff"]')
    with pytest.raises(ValueError, match="not text in UTF-8"):
        read_instructions(tmp_path / "a.json")
    with pytest.raises(ValueError, match=re.escape("found [1]")):
        Dialogue.from_record([1])


def test_every_task_says_what_it_expects() -> None:
    assert set(EXPECTED) == set(TASKS)
    assert len(SENSORS) == 3
