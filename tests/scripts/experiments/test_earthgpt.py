"""The experiments with EarthGPT: what claims need is planned, rivals are of one size, scores are read rightly."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from mfnet_lite.language.instructions import Dialogue, Exchange
from mfnet_lite.nets.earthgpt import EarthGPTConfig
from mfnet_lite.runs.earthgpt import answer_dialogues
from scripts.experiments.earthgpt import __main__ as experiment
from scripts.experiments.earthgpt import plan, runs, verdicts
from scripts.experiments.options import Options

pytest.importorskip("transformers")


def dialogue(image: str, sensor: str, *tasks: str) -> Dialogue:
    return Dialogue(image, sensor, tuple(Exchange(task, f"{task}?", "yes") for task in tasks))  # type: ignore[arg-type]


def test_every_configuration_of_a_claim_is_planned_once():
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    planned = {run.row for _, run in plan.plan((0,))}
    assert {row for claim in verdicts.CLAIMS for row in claim.rows} == planned


def test_few_images_keep_all_their_sensors_and_the_questions_asked():
    said = [
        dialogue(f"{sensor}/{name}.tif", sensor, "vqa", "oriented detection")
        for name in "abcd"
        for sensor in ("optical", "sar", "infrared")
    ]
    kept = runs.asked(said, runs.TRAINED)
    assert {d.sensor for d in kept} == {"optical", "sar"}
    assert all([e.task for e in d.exchanges] == ["vqa"] for d in kept)
    few = runs.drawn(kept, 2, seed=0)
    assert len(few) == 4
    assert len({d.image.split("/")[1] for d in few}) == 2
    assert few == runs.drawn(kept, 2, seed=0)
    assert any(runs.drawn(kept, 2, seed=k) != few for k in range(1, 6))


def test_rivals_move_what_they_say_and_lora_is_of_about_one_size():
    counts = {}
    for tuning in ("scale_shift", "input_scale", "lora", "full", "stage_1", "projection"):
        model = EarthGPTConfig(cnn="none", output_projection=True).open()
        runs.start(model, replace(plan.TINY, tuning=tuning))
        counts[tuning] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        if tuning == "projection":
            assert trained == {"perception.projection.weight", "perception.projection.bias"}
    assert counts["scale_shift"] == 10_624
    assert counts["input_scale"] == counts["lora"] == 9_760
    assert counts["full"] == 857_216
    # 576 channels of the transformer: three blocks of 192
    assert counts["projection"] == 577 * 128
    assert counts["stage_1"] == 577 * 128 + 4 * 4 * 128**2 + 9 * 128


def test_scores_are_read_by_task_place_and_mean():
    def of(value: float) -> dict[str, dict[str, float]]:
        return {
            task: {name: value * (10 if name == "CIDEr" else 1)}
            for task, name in runs.SCORE.items()
        }

    line = {"scores": {"optical, known": of(0.2), "sar, known": of(0.4)}}
    line["scores"]["sar, known"]["detection"]["F1"] = None  # type: ignore[assignment]  # no box anywhere
    assert verdicts.read(line, "vqa: sar, known") == pytest.approx(0.4)
    assert verdicts.read(line, "captioning: optical, known") == pytest.approx(0.2)
    assert verdicts.read(line, "detection: sar, known") == 0
    assert verdicts.read(line, "all: home, known") == pytest.approx((6 * 0.2 + 5 * 0.4) / 12)
    assert verdicts.read(line, "all: infrared, known") is None


def test_a_run_is_trained_scored_and_summed_up(tmp_path, monkeypatch):
    small = {"MANY": 6, "TEST_IMAGES": 2, "CROPS": 2, "SIZE": 64, "LONGEST": 8}
    for name, value in small.items():
        monkeypatch.setattr(runs, name, value)
    monkeypatch.setattr(
        runs,
        "open_model",
        lambda run, pretrained: EarthGPTConfig(cnn="none", image_size=64, grid=2).open(run.seed),
    )
    line = runs.train_and_score(plan.TINY, tmp_path / "data", None, 1)
    assert line is not None
    assert line["trained"] == 10_624
    assert set(line["scores"]) == {
        f"{sensor}, {how}"
        for sensor in ("optical", "sar", "infrared")
        for how in ("known", "other", "blank", "majority")
    }
    named = {"key": plan.TINY.key, "row": plan.TINY.row, "run": asdict(plan.TINY)}
    lines = [{**named, "seed": seed, **line} for seed in range(3)]
    found = verdicts.summary(lines)
    json.dumps(found)
    assert found["rows"][plan.TINY.row]["n"] == 3
    options = Options(tmp_path, tmp_path / "found.json", (0,), 1)
    assert experiment.EXPERIMENT.counts(lines[0], options)
    assert not experiment.EXPERIMENT.counts(lines[0], replace(options, steps=2))


def test_what_nothing_has_tuned_answers_once_for_all_seeds(tmp_path, monkeypatch):
    small = {"MANY": 6, "TEST_IMAGES": 2, "CROPS": 2, "SIZE": 64, "LONGEST": 8}
    for name, value in small.items():
        monkeypatch.setattr(runs, name, value)
    weights = iter((0, 0, 1))
    monkeypatch.setattr(
        runs,
        "open_model",
        lambda run, pretrained: EarthGPTConfig(cnn="none", image_size=64, grid=2).open(
            next(weights)
        ),
    )
    asked = []

    def counted(*args, **options):
        asked.append(args)
        return answer_dialogues(*args, **options)

    monkeypatch.setattr(runs, "answer_dialogues", counted)
    before = [replace(plan.TINY_BEFORE, seed=seed) for seed in range(3)]
    first, second, _ = (runs.train_and_score(run, tmp_path / "data") for run in before)
    assert len(asked) == 2 * 9  # three sensors, three ways; other weights answer anew
    assert first is not None
    assert second is not None
    for place in ("optical, known", "sar, other", "infrared, blank"):
        assert first["scores"][place]["vqa"] == second["scores"][place]["vqa"]


def test_what_begins_with_a_model_that_is_not_here_is_left_out(tmp_path):
    assert runs.open_model(plan.REAL, None) is None
    assert runs.open_model(plan.STAGE_1, tmp_path) is None
    assert runs.train_and_score(plan.REAL, tmp_path) is None
