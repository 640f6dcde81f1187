"""Scores of answers on the command line: tables and JSON, baselines, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfnet_lite.cli.dialogue_options import DialogueScoringOptions
from mfnet_lite.cli.evaluate_dialogues import as_dict
from mfnet_lite.language.instructions import read_instructions, write_instructions
from mfnet_lite.language.scoring import TaskScores, majority_answers, score_answers
from mfnet_lite.nets.earthgpt import ANSWER_TOKENS, EarthGPT
from tests.cli.dialogue_commands import call, refused, train, write_dialogues

QUICK = ("--max-tokens", 2, "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("scores") / "dia")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    out = folder.parent / "run"
    result = train(folder, out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def unet(folder: Path) -> Path:
    """A run of another network."""
    world, out = folder.parent / "world", folder.parent / "unet"
    assert call("world", "make", world, "--tiles", 2, "--size", 64).exit_code == 0
    few = ("--steps", 1, "--batch", 1, "--size", 32, "--device", "cpu", "--val-fraction", 0)
    assert call("train", world, "--sensors", "optical", "--out", out, *few).exit_code == 0
    return out


def test_json_has_one_layout(folder, run):
    result = call("evaluate", run, folder, "--json", *QUICK)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found) == [
        "split", "file", "sensor", "paraphrased", "blank", "max_tokens", "dialogues", "questions", "trained_on",
        "scores", "majority", "majority_from",
    ]  # fmt: skip
    assert found["file"] == "test/instructions.json"
    assert (found["dialogues"], found["trained_on"], found["blank"]) == (2, 0, False)
    assert list(found["scores"]) == list(found["majority"]) == ["all", "optical", "sar"]
    tasks = found["scores"]["all"]
    assert sum(row["questions"] for row in tasks.values()) == found["questions"]
    assert set(tasks["detection"]["scores"]) == {"precision", "recall", "F1"}
    assert found["majority_from"] == "train/instructions.json"
    own = read_instructions(folder / "test" / "instructions.json")
    known = read_instructions(folder / "train" / "instructions.json")
    expected = score_answers(own, majority_answers(known, own), known)
    assert found["majority"]["all"] == as_dict({"all": expected})["all"]


def test_a_sensor_alone_is_scored_as_its_row(folder, run):
    every, alone = (
        json.loads(call("evaluate", run, folder, "--json", *QUICK, *words).stdout)
        for words in ((), ("--sensor", "sar"))
    )
    for group in ("scores", "majority"):
        assert alone[group] == {"all": every[group]["sar"]}


def test_answers_may_be_as_long_as_the_model_says():
    assert DialogueScoringOptions().max_tokens == ANSWER_TOKENS


def test_right_answers_score_in_full(folder, run, monkeypatch):
    """Every question is asked alone, with its own image, in the order of the file."""
    own = read_instructions(folder / "test" / "instructions.json")
    said = {e.question: e.answer for d in own for e in d.exchanges}
    asked = []

    def answer(self, examples, max_new_tokens=0, at_once=0):
        asked.extend(examples)
        return [said[example.turns[-1][0]] for example in examples]

    monkeypatch.setattr(EarthGPT, "answer", answer)
    result = call("evaluate", run, folder, "--sensor", "sar", "--json", *QUICK)
    scores = json.loads(result.stdout)["scores"]
    assert list(scores) == ["all"]
    assert all(len(example.turns) == len(example.images) == 1 for example in asked)
    sar = [d for d in own if d.sensor == "sar"]
    assert len(asked) == sum(len(d.exchanges) for d in sar)
    for task in ("classification", "detection", "grounding"):
        assert scores["all"][task]["malformed"] == 0
    assert scores["all"]["classification"]["scores"] == {"accuracy": 1}
    assert scores["all"]["grounding"]["scores"]["mean IoU"] == pytest.approx(1)


def test_a_blank_image_is_the_same_for_all(folder, run, monkeypatch):
    seen = []

    def answer(self, examples, max_new_tokens=0, at_once=0):
        seen.extend(example.images[0] for example in examples)
        return [""] * len(examples)

    monkeypatch.setattr(EarthGPT, "answer", answer)
    result = call("evaluate", run, folder, "--blank", *QUICK)
    assert result.exit_code == 0, result.output
    assert all((image == seen[0]).all() for image in seen)
    assert "a mean image for each" in result.stdout
    seen.clear()
    call("evaluate", run, folder, *QUICK)
    assert not (seen[0] == seen[-1]).all()


def test_table_and_other_wordings(folder, run):
    result = call("evaluate", run, folder, "--paraphrased", *QUICK)
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "instructions_paraphrased.json" in words
    for head in ("task", "score", "model", "majority", "malformed", "questions"):
        assert head in words
    for row in ("classification", "CIDEr", "mean IoU", "F1", "sar, in other wordings"):
        assert row in words
    assert "majority: the most frequent answer of train/instructions.json" in words
    assert "warning" not in result.stderr


def test_what_was_trained_on_is_said(folder, run, tmp_path):
    result = call("evaluate", run, folder, "--split", "train", *QUICK)
    assert "warning: 2 of 2 dialogues are about images which" in result.stderr
    # a copy under another name, with other questions
    first, *_ = read_instructions(folder / "train" / "instructions.json")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "x.tif").write_bytes((folder / "train" / first.image).read_bytes())
    changed = type(first)("x.tif", first.sensor, first.exchanges[:1])
    write_instructions(tmp_path / "test" / "instructions.json", [changed])
    result = call("evaluate", run, tmp_path, *QUICK)
    assert "warning: 1 of 1 dialogues" in result.stderr
    assert "no training split here" in result.stdout
    found = json.loads(call("evaluate", run, tmp_path, "--json", *QUICK).stdout)
    assert found["majority"] is found["majority_from"] is None


def test_what_nothing_defines_is_null():
    scores = {"all": {"vqa": TaskScores(1, 0.5, {"accuracy": float("nan")})}}
    assert as_dict(scores) == {  # type: ignore[arg-type]
        "all": {"vqa": {"questions": 1, "malformed": 0.5, "scores": {"accuracy": None}}}
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--window", 64), "--window is about maps of classes"),
        (("--flips",), "--flips is about"),
        (("--blend", "sum"), "--blend is about"),
        (("--convention", "authors"), "--convention is about"),
        (("--kind", "folder"), "--kind is about"),
        (("--sensors", "optical"), "--sensors is about"),
        (("--nodata-policy", "first"), "--nodata-policy is about"),
        (("--classes", "roof"), "--classes is about"),
        (("--sensor", "radar"), "expected optical, sar or infrared as sensor, got 'radar'"),
        (("--sensor", "thermal"), "holds no dialogue of infrared: expected one of optical, sar"),
        (("--max-tokens", 0), "--max-tokens must be at least 1, got 0"),
        (("--split", "trial"), "holds neither trial/instructions.json"),
        (("--split", "train", "--paraphrased"), "train/instructions_paraphrased.json"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, run, words, said):
    refused(call("evaluate", run, folder, "--device", "cpu", *words), said)


@pytest.mark.parametrize("words", [("--blank",), ("--paraphrased",), ("--sensor", "sar")])
def test_runs_of_other_networks_know_no_dialogues(unet, folder, words):
    refused(call("evaluate", unet, folder, *words), f"{words[0]} is about dialogues", "earthgpt")


def test_a_run_of_earthgpt_maps_nothing(folder, run, tmp_path):
    image = next((folder / "test" / "optical").glob("*.tif"))
    result = call("predict", run, "--optical", image, "--out", tmp_path / "map.tif")
    refused(result, "holds the network earthgpt, which answers questions and maps no classes")
    assert not (tmp_path / "map.tif").exists()
    result = call("train", folder, "--out", run, "--resume", "--device", "cpu")
    assert result.exit_code == 1


def test_the_encoder_must_be_the_one_of_the_training(folder, run, tmp_path):
    import shutil

    other = tmp_path / "run"
    shutil.copytree(run, other)
    config = json.loads((other / "config.json").read_text())
    config["base"] = "0" * 64
    (other / "config.json").write_text(json.dumps(config))
    refused(call("evaluate", other, folder, *QUICK), "the run was trained on other weights")
