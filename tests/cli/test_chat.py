"""A conversation on the command line: given questions, typed ones, boxes as GeoJSON, faults in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfnet_lite.nets.earthgpt import EarthGPT
from mfnet_lite.nets.earthgpt_answers import WrittenAnswer
from tests.cli.dialogue_commands import call, refused, train, write_dialogues


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("chat") / "dia")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    out = folder.parent / "run"
    assert train(folder, out).exit_code == 0
    return out


@pytest.fixture(scope="module")
def image(folder: Path) -> Path:
    return next((folder / "test" / "optical").glob("*.tif"))


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[list[tuple[str, str | None]]]:
    """Give these answers; returns what the model was shown."""
    left, seen = list(answers), []

    def written(self, examples, max_new_tokens=0, at_once=0):
        seen.append(list(examples[0].turns))
        return [WrittenAnswer(left.pop(0), True)]

    monkeypatch.setattr(EarthGPT, "written", written)
    return seen


def test_several_questions_and_their_boxes(run, image, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, "<p>1 roof</p>[0.25,0.25,0.50,0.50]", "red [0.1,0.2")
    out = tmp_path / "new" / "boxes.geojson"
    questions = ("--question", "Where is a roof?", "--question", "Which colour?")
    result = call("chat", run, "--image", image, *questions, "--geojson", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["<p>1 roof</p>[0.25,0.25,0.50,0.50]", "red [0.1,0.2"]
    assert "note: answer 2 is malformed (truncated): the bracket is not closed" in result.stderr
    assert f"wrote {out}: 1 box, in the CRS of the image" in result.stderr
    assert seen[1] == [
        ("Where is a roof?", "<p>1 roof</p>[0.25,0.25,0.50,0.50]"),
        ("Which colour?", None),
    ]
    found = json.loads(out.read_text("utf-8"))
    assert found["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::25832"
    (feature,) = found["features"]
    assert feature["properties"]["question"] == "Where is a roof?"
    corners = feature["geometry"]["coordinates"][0]
    # 12 of 48 pixels of 0.25 m: a square of 3 m
    assert len(corners) == 5
    assert abs(corners[0][0] - corners[2][0]) == abs(corners[0][1] - corners[2][1]) == 3


def test_typed_questions_until_an_empty_line(run, image, monkeypatch):
    scripted(monkeypatch, "two", "red", "never")
    result = call("chat", run, "--image", image, typed="How many?\nWhich?\n\nLater?\n")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["two", "red"]
    assert "48 x 48 pixels; an empty line ends the dialogue" in result.stderr


def test_typed_questions_until_the_end(run, image, tmp_path, monkeypatch):
    scripted(monkeypatch, "two")
    out = tmp_path / "boxes.geojson"
    result = call("chat", run, "--image", image, "--geojson", out, typed="How many?")
    assert (result.exit_code, result.stdout) == (0, "two\n")
    assert json.loads(out.read_text())["features"] == []
    silent = call("chat", run, "--image", image, "--geojson", tmp_path / "no", typed="")
    assert (silent.exit_code, silent.stdout) == (0, "")
    assert not (tmp_path / "no").exists()


def test_what_was_found_is_kept_when_broken_off(run, image, tmp_path, monkeypatch):
    out = tmp_path / "boxes.geojson"

    def written(self, examples, max_new_tokens=0, at_once=0):
        if len(examples[0].turns) > 1:
            raise KeyboardInterrupt
        return [WrittenAnswer("[0.25,0.25,0.50,0.50]", True)]

    monkeypatch.setattr(EarthGPT, "written", written)
    result = call("chat", run, "--image", image, "--geojson", out, typed="Where?\nAnd?\n")
    assert result.exit_code == 130
    assert len(json.loads(out.read_text())["features"]) == 1


def test_a_model_answers_without_a_script(run, image):
    result = call("chat", run, "--image", image, "--question", "What?", "--max-tokens", 3)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image", "none.tif", "--question", "What?"), "none.tif does not exist"),
        (("--image", "IMAGE", "--question", " "), "--question is empty"),
        (("--image", "IMAGE", "--max-tokens", 0), "--max-tokens must be at least 1, got 0"),
        (("--image", "IMAGE", "--geojson", "IMAGE"), "would replace the image"),
        (("--image", "TEXT", "--question", "What?"), "cannot be read"),
        (("--image", "IMAGE", "--question", "What?", "--device", "tpu"), "tpu"),
        (("--image", "IMAGE", "--question", "What?", "--max-tokens", 5000), "the language model reads 4096"),
    ],
)  # fmt: skip
def test_faults_are_one_sentence(run, image, tmp_path, words, said):
    text = tmp_path / "notes.tif"
    text.write_text("no image")
    places = {"IMAGE": image, "TEXT": text}
    refused(call("chat", run, *(places.get(word, word) for word in words)), said)


def test_folders_that_hold_no_run_of_it(image, tmp_path):
    refused(call("chat", tmp_path, "--image", image), "config.json does not exist")
    (tmp_path / "config.json").write_text('{"model": "unet"}')
    result = call("chat", tmp_path, "--image", image, "--question", "What?")
    refused(result, "holds the network unet, which answers no questions")
    (tmp_path / "config.json").write_text("[]")
    refused(call("chat", tmp_path, "--image", image), "is not the config of a run")
