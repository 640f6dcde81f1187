"""EarthGPT trained by the command line: stages, what a run records, going on, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from mfnet_lite.cli.dialogue_options import (
    DialogueTrainingOptions,
    refuse_pixel_training,
    stage_settings,
)
from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig
from mfnet_lite.runs.dialogue_run import load_dialogue_run, load_earthgpt
from mfnet_lite.runs.dialogue_samples import DialogueTraining
from mfnet_lite.training.state import load_state
from tests.cli.dialogue_commands import FEW, SMALL, call, refused, train, write_dialogues


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("dialogues") / "dia")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """A run that nobody disturbed."""
    out = folder.parent / "whole"
    result = train(folder, out)
    assert result.exit_code == 0, result.output
    assert (
        "note: trains 2 steps of stage 0 (--stage0-steps), 3 steps of stage 1 (--stage1-steps), "
        "4 steps of stage 2 (--steps)\n"
    ) in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"trained earthgpt on 2 dialogues of optical, sar; run in {out}"
    assert [line.split(" in ")[0] for line in lines[1:]] == [
        "stage 0: 2 steps",
        "stage 1: 3 steps",
        "stage 2: 4 steps",
    ]
    assert all("loss " in line and "weights trained (" in line for line in lines[1:])
    return out


def test_the_run_says_what_was_trained(folder, whole):
    run = load_dialogue_run(whole)
    assert {"language": "tiny", "cnn": "none", "grid": 2}.items() <= run.options.items()
    rates = {number: (s["steps"], s["lr"], s["warmup"]) for number, s in run.stages.items()}
    assert rates == {"0": (2, 3e-3, 0), "1": (3, 2e-3, 0), "2": (4, 5e-3, 0)}
    assert (run.turns, run.seed, len(run.base)) == (1, 0, 64)
    told = run.dataset["files"]["train/instructions.json"]
    assert (run.dataset["name"], list(told)) == ("dia", ["optical", "sar"])
    assert told["sar"]["dialogues"] == 1
    assert told["sar"]["questions"]["classification"] == 1
    assert sorted(run.content) == [
        "train/instructions.json",
        *(f"train/{sensor}/scene_00004.tif" for sensor in ("optical", "sar")),
    ]
    assert {"torch", "python"} <= run.versions.keys()
    assert str(folder.parent) not in (whole / "config.json").read_text()


def test_info_describes_it(whole):
    text = call("info", whole).stdout
    assert "model             earthgpt (backbone tiny, cnn none" in text
    assert "train/instructions.json: 1 optical (" in text
    assert "stage 1           3 steps in " in text
    assert "words of the training's dialogues" in text
    models = next(line for line in call("info").stdout.splitlines() if line.startswith("models"))
    assert "earthgpt" in models


def same_weights(first: Path, second: Path) -> None:
    for number in (0, 1, 2):
        one, other = (load_state(run / f"stage{number}" / "state.pt") for run in (first, second))
        assert one["model"].keys() == other["model"].keys()
        for name, value in one["model"].items():
            assert torch.equal(value, other["model"][name]), (number, name)
    one, other = (load_earthgpt(run)[1].state_dict() for run in (first, second))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_stopped_between_two_stages(folder, whole, tmp_path, monkeypatch):
    out = tmp_path / "run"
    start = EarthGPT.start_stage

    def killed(self, number):
        if number == 2:
            raise KeyboardInterrupt("between two stages")
        return start(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(EarthGPT, "start_stage", killed)
        stopped = train(folder, out)
    assert stopped.exit_code == 130
    text = call("info", out).stdout
    assert "4 steps asked for, not at its end; go on with --resume" in text
    refused(call("evaluate", out, folder), "stage2 holds no model.safetensors", "--resume")
    assert train(folder, out, "--resume").exit_code == 0
    same_weights(whole, out)


@pytest.mark.parametrize("how", ["Ctrl-C", "kill"])
def test_stopped_inside_stage_2(folder, whole, tmp_path, monkeypatch, how):
    out = tmp_path / "run"
    forward, calls = DialogueTraining.forward, []

    def disturbed(self, batch):
        calls.append(self.model.stage)
        if calls.count(2) == 3:
            if how == "kill":
                raise MemoryError  # nothing is saved any more
            signal.raise_signal(signal.SIGINT)  # obeyed after the step
        return forward(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(DialogueTraining, "forward", disturbed)
        stopped = train(folder, out, "--save-every", 1)
    assert stopped.exit_code == (130 if how == "Ctrl-C" else 1)
    assert load_state(out / "stage2" / "state.pt")["progress"]["step"] == (
        3 if how == "Ctrl-C" else 2
    )
    assert train(folder, out, "--resume", "--save-every", 1).exit_code == 0
    same_weights(whole, out)


def test_going_on_after_the_end_changes_nothing(folder, whole, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    result = train(folder, out, "--resume")
    assert result.exit_code == 0, result.output
    assert "stage 2: 4 steps" in result.stdout
    same_weights(whole, out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seed", 1), "seed was 0 and is now 1"),
        (("--turns", 2), "turns was 1 and is now 2"),
        (("--steps", 5), "stage 2 of"),
        (("--stage1-lr", 1), "lr was 0.002 and is now 1.0"),
        (("--stage0-steps", 0), "stages was 0, 1, 2 and is now 1, 2"),
        (("--grid", 4), "options"),
    ],
)
def test_another_training_is_no_continuation(folder, whole, words, said):
    refused(train(folder, whole, "--resume", *words), said)


def test_other_dialogues_are_no_continuation(folder, whole, tmp_path):
    other = tmp_path / "dia"
    shutil.copytree(folder, other)
    assert train(other, whole, "--resume").exit_code == 0  # a copy is the same
    file = other / "train" / "instructions.json"
    text = file.read_text("utf-8")
    file.write_text(text.replace("houses", "ships"), "utf-8")
    refused(train(other, whole, "--resume"), "cannot resume", "the content of", "instructions.json")
    file.write_text(text, "utf-8")
    shutil.copy(other / "train/sar/scene_00004.tif", other / "train/optical/scene_00004.tif")
    refused(train(other, whole, "--resume"), "train/optical/scene_00004.tif", "has changed")


def test_a_run_is_not_overwritten(folder, whole, tmp_path):
    refused(train(folder, whole), "already holds a run", "--resume")
    refused(call("train", folder, "--out", whole, "--device", "cpu"), "already holds a run")
    refused(train(folder, tmp_path / "new", "--resume"), "does not exist", "--model earthgpt")


def test_other_dialogues_first_and_one_file_for_all(folder, tmp_path):
    flat = tmp_path / "flat"
    shutil.copytree(folder / "train", flat)
    out = tmp_path / "run"
    result = train(flat, out, "--first", folder, "--stage0-steps", 0, "--steps", 1)
    assert result.exit_code == 0, result.output
    run = load_dialogue_run(out)
    assert list(run.stages) == ["1", "2"]
    assert list(run.dataset["files"]) == ["instructions.json", "first: dia/train/instructions.json"]
    assert {"train/instructions.json", "first/instructions.json"} <= run.content.keys()
    scored = call("evaluate", out, flat, "--max-tokens", 1, "--json", "--sensor", "sar")
    assert "has no folder test; all of instructions.json is evaluated" in scored.stderr
    assert "1 of 1 dialogues are about images which" in scored.stderr
    assert json.loads(scored.stdout)["trained_on"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sensors", "optical"), "--sensors is about maps of classes, and earthgpt answers"),
        (("--size", 64), "--size is about maps of classes"),
        (("--jitter", 0), "--jitter is about"),
        (("--objects", "maps"), "--objects is about"),
        (("--object-weight", 1), "--object-weight is about"),
        (("--val-fraction", 0), "--val-fraction is about"),
        (("--nodata-policy", "first"), "--nodata-policy is about"),
        (("--kind", "folder"), "--kind is about"),
        (("--recipe", "authors"), "--recipe is about"),
        (("--keep", "best"), "--keep is about"),
        (("--evaluate-every", 5), "--evaluate-every is about"),
        (("--mixing-lr", 10), "--mixing-lr is about"),
        (("--precision", "bf16-mixed"), "keeps its frozen weights in bfloat16 by itself"),
        (("--rank", 4), "--rank is no option of earthgpt, it belongs to mfnet"),
        (("--words", "x"), None),
        (("--turns", -1), "--turns must not be negative, got -1"),
        (("--stage1-steps", -1), "--stage1-steps must not be negative"),
        (("--stage0-lr", 0), "lr must be positive and below 1e30, got 0.0"),
        (("--stage1-steps", 0, "--first", "x"), "--first is for stage 1"),
        (("--stage0-steps", 0, "--stage1-steps", 0, "--steps", 0), "at least one stage"),
        (("--form", "none"), "unknown form 'none'; available: output, input"),
        (("--image-size", 8), "image_size must be at least 16"),
        (("--backbone", "none"), "without a vision transformer"),
        (("--device", "tpu"), "tpu"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, tmp_path, words, said):
    result = train(folder, tmp_path / "run", *words)
    if said is None:  # the vocabulary is no option
        assert result.exit_code == 2
        return
    refused(result, said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words", [("--turns", 2), ("--first", "x"), ("--stage0-steps", 1), ("--stage1-lr", 1)]
)
def test_other_networks_know_no_dialogues(folder, tmp_path, words):
    result = call("train", folder, "--model", "unet", "--out", tmp_path / "run", *words)
    refused(result, f"{words[0]} is about dialogues: expected --model earthgpt")
    refused(
        call("train", folder, "--grid", 2, "--out", tmp_path / "run"),
        "--grid is no option of unet, it belongs to earthgpt",
    )


def test_folders_that_hold_no_dialogues(tmp_path):
    refused(train(tmp_path, tmp_path / "run"), "holds neither train/instructions.json")
    (tmp_path / "instructions.json").write_text("[]")
    refused(train(tmp_path, tmp_path / "run"), "holds no dialogue: expected at least one")
    record = {
        "image": "none.tif",
        "sensor": "sar",
        "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
    }
    (tmp_path / "instructions.json").write_text(json.dumps([record]))
    refused(train(tmp_path, tmp_path / "run"), "none.tif does not exist")
    assert not (tmp_path / "run").exists()


def test_learning_rates_fit_the_language_model():
    options = DialogueTrainingOptions(stage1_steps=100)
    given = {"steps": 50, "batch": 4}
    tiny = stage_settings(EarthGPTConfig(), options, given)
    assert {n: (c.steps, c.lr, c.warmup) for n, c in tiny.items()} == {
        0: (300, 3e-3, 20),
        1: (100, 2e-3, 20),
        2: (50, 5e-3, 10),
    }
    trained = stage_settings(EarthGPTConfig(language="smollm2"), options, given | {"lr": 1e-2})
    assert {n: (c.steps, c.lr) for n, c in trained.items()} == {1: (100, 2e-4), 2: (50, 1e-2)}
    assert {c.batch for c in trained.values()} == {4}


def test_options_of_pixels_at_their_defaults_pass():
    refuse_pixel_training((), "default", {"keep": "last", "evaluate_every": 0}, "earthgpt")


def test_help_names_them():
    from typer.testing import CliRunner

    from mfnet_lite.cli import app

    text = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["train", "--help"]).output
    assert "Dialogues: --model earthgpt" in text
    assert "Options of earthgpt" in text
    assert "--stage0-steps" in text
    assert "earthgpt 0.005" in text
    assert {*SMALL, *FEW} >= {"--grid", "--turns"}
