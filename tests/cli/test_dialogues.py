"""Dialogues on the command line: made from the world, converted, checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.options import DIALOGUE_SENSORS, SOURCE_KINDS
from mfnet_lite.language.instructions import SENSORS, read_instructions
from mfnet_lite.language.sources import SOURCES
from tests.language.sources import made


def call(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "dialogues"
    options = ("--tiles", 3, "--size", 64, "--seed", 2, "--parameter", "ambiguity=0")
    result = call("world", "instruct", out, *options, "--sensors", "optical,thermal")
    assert result.exit_code == 0, result.output
    assert "wrote 6 images of 64 x 64, 3 each as seen by optical, infrared" in result.output
    return out


def test_the_world_is_written_and_checked(folder):
    dialogues = read_instructions(folder / "train" / "instructions.json")
    assert {dialogue.sensor for dialogue in dialogues} == {"optical", "infrared"}
    result = call("data", "check", folder)
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())  # lines are wrapped to the terminal
    assert "nothing wrong in 8 dialogues" in words


def test_what_is_wrong_is_listed(folder, tmp_path):
    copy = tmp_path / "copy"
    records = json.loads((folder / "train" / "instructions.json").read_text("utf-8"))
    records[0]["conversations"][1]["value"] = ""
    made.write(copy / "instructions.json", records)
    result = call("data", "check", copy)
    assert result.exit_code == 1
    assert "error: " in result.output
    assert "found an empty one" in result.output
    assert "is missing or unreadable" in result.output.replace("\n", " ")


def test_convert_and_check_a_source(tmp_path):
    made.coco(tmp_path / "src")
    result = call("data", "check", tmp_path / "src")
    assert result.exit_code == 0, result.output
    (tmp_path / "src" / "images" / "b.jpg").unlink()
    assert call("data", "check", tmp_path / "src", "--kind", "coco").exit_code == 1
    out = tmp_path / "out"
    result = call("data", "convert", "coco", tmp_path / "src", out, "--sensor", "sar", "--copy")
    assert result.exit_code == 0, result.output
    assert "note: a crowd is left out (1 x)" in result.output
    assert "left out: " in result.output
    assert "train: 1 dialogues (1 detection)" in result.output
    (dialogue,) = read_instructions(out / "train" / "instructions.json")
    assert dialogue.sensor == "sar"
    assert call("data", "check", out).exit_code == 0


def test_folders_of_classes_are_asked_for_by_name(tmp_path):
    made.classes(tmp_path / "src")
    assert call("data", "check", tmp_path / "src").exit_code == 1  # no dataset we know
    assert call("data", "check", tmp_path / "src", "--kind", "class_folders").exit_code == 0
    words = ("class_folders", tmp_path / "src", tmp_path / "out")
    assert call("data", "convert", *words, "--shares", "0.2,0,0.8").exit_code == 0
    assert len(read_instructions(tmp_path / "out" / "test" / "instructions.json")) == 16


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("world", "instruct", "OUT", "--sensors", "radar"), "sar or infrared as sensor, got 'radar'"),
        (("world", "instruct", "OUT", "--sensors", ","), "--sensors names nothing"),
        (("data", "convert", "coco", "SRC", "OUT", "--sensor", "x"), "as sensor, got 'x'"),
        (("data", "convert", "coco", "SRC", "OUT", "--shares", "1,0"), "--shares wants three numbers"),
        (("data", "convert", "yolo", "SRC", "OUT"), "unknown kind 'yolo'; available: auto, captions"),
        (("data", "convert", "coco", "SRC", "OUT"), "has no boxes"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(tmp_path, words, sentence):
    (tmp_path / "src").mkdir()
    places = {"OUT": tmp_path / "out", "SRC": tmp_path / "src"}
    result = call(*(places.get(word, word) for word in words))
    assert result.exit_code == 1
    assert sentence in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_words_are_those_of_the_readers():
    assert SOURCE_KINDS.replace(" or ", ", ").split(", ") == list(SOURCES)
    assert DIALOGUE_SENSORS == SENSORS
