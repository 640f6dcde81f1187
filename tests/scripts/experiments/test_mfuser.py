"""The experiments with MFuser: what claims need is planned, real tiles are compared rightly, runs resume and sum up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from mfnet_lite.language.class_words import CLASS_WORDS
from mfnet_lite.world.caption_words import CLASS_WORDS as NAMES_OF_CLASSES
from mfnet_lite.world.caption_words import KIND_WORDS
from scripts.experiments.mfuser import __main__ as experiment
from scripts.experiments.mfuser import plan, real_tiles, runs, verdicts
from scripts.experiments.options import Options


def test_every_configuration_of_a_claim_is_planned_once():
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    planned = {run.row for _, run in plan.plan((0,))}
    assert {row for claim in verdicts.CLAIMS for row in claim.rows} == planned
    assert not set(plan.SEEDS) & set(plan.TUNING_SEEDS)


def test_unseen_words_are_in_no_training():
    used = {w for phrases in CLASS_WORDS.values() for p in phrases for w in p.split()}
    for words in KIND_WORDS.values():
        used |= {w for p in words.countable + words.mass for w in p.split()}
    used |= {w for phrases in NAMES_OF_CLASSES for p in phrases for w in p.split()}
    assert not {w for phrases in runs.SYNONYMS for w in phrases} & used


class ByBrightness(nn.Module):
    """Class k where a pixel's first band is about k / 5."""

    def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
        levels = torch.arange(6)[:, None, None] / 5
        return -(sample["optical"][:, :1] - levels).abs()


def tile(folder, name: str, label: np.ndarray, image: np.ndarray) -> None:
    for part, values in (("image", image), ("label", label[None])):
        (folder / part).mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            folder / part / f"{name}.png", "w", driver="PNG", width=label.shape[1],
            height=label.shape[0], count=len(values), dtype="uint8",
        ) as out:  # fmt: skip
            out.write(values.astype(np.uint8))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_real_tiles_are_compared_by_the_table(tmp_path):
    # left half: what the model calls class 1 (building), right half: class 3 (tree)
    image = np.zeros((3, 64, 64))
    image[:, :, :32], image[:, :, 32:] = 255 * 1 / 5, 255 * 3 / 5
    label = np.full((64, 64), 2)  # LoveDA: building
    label[:, 32:] = 6  # forest
    label[:32, 32:] = 1  # background is not compared
    tile(tmp_path / "loveda", "1", label, image)
    found = real_tiles.real_scores(ByBrightness(), tmp_path, 0.3, 64, 64)
    # road does not occur and is predicted nowhere
    assert found == {"LoveDA": pytest.approx(2 / 3, abs=0.02)}
    label[:32, 32:] = 3  # road, where the model says tree
    tile(tmp_path / "loveda", "1", label, image)
    found = real_tiles.real_scores(ByBrightness(), tmp_path, 0.3, 64, 64)
    assert found["LoveDA"] == pytest.approx((1 + 0 + 0.5) / 3, abs=0.02)


def test_answers_that_no_class_stands_for_are_wrong():
    for tiles in real_tiles.TILES.values():
        assert max(tiles.world) <= len(tiles.classes)
        assert set(tiles.labels.values()) == set(range(len(tiles.classes)))


def test_variants_differ_in_what_they_train():
    channels, classes = {"optical": 3}, ("building", "tree")
    counts = {
        run.row: runs.parameters(runs.build(run, channels, classes))
        for run in (plan.BASE, plan.CONCAT, plan.ATTENTION, plan.PLAIN_WORDS, plan.PAIR)
    }
    whole = counts[plan.BASE.row]
    assert counts[plan.PAIR.row] == {"tuning": 0, "head": 0}
    assert counts[plan.CONCAT.row]["tuning"] < whole["tuning"]
    assert counts[plan.CONCAT.row]["head"] == whole["head"] == counts[plan.ATTENTION.row]["head"]
    assert counts[plan.ATTENTION.row]["tuning"] == pytest.approx(whole["tuning"], rel=0.12)
    assert counts[plan.PLAIN_WORDS.row]["head"] < whole["head"]


def test_elsewhere_and_real_are_means():
    line = {
        "scores": {n: {"mIoU": v} for n, v in zip(runs.DOMAINS, (0.9, 0.1, 0.2, 0.3, 0.4), strict=True)},
        "real": {"a": 0.2, "b": 0.4},
        "also": {"synonyms": 0.5},
    }  # fmt: skip
    assert verdicts.read(line, "elsewhere") == pytest.approx(0.25)
    assert verdicts.read(line, "real") == pytest.approx(0.3)
    assert verdicts.read(line, "clear") == 0.9
    assert verdicts.read(line, "synonyms") == 0.5
    assert verdicts.read(line | {"real": {}}, "real") is None


def test_runs_resume_and_sum_up(monkeypatch, tmp_path):
    rows = (plan.BASE, plan.PAIR, plan.UNET, replace(plan.VISION, seed=0))
    monkeypatch.setitem(plan.GROUPS, "what is fused, and how", rows)
    for name, value in (
        ("SIZE", 64),
        ("SCENES", 1),
        ("TEST_SCENES", 1),
        ("TILE", 64),
        ("TEST_STRIDE", 64),
    ):
        monkeypatch.setattr(runs, name, value)
    options = Options(
        tmp_path, tmp_path / "r.json", seeds=(0,), steps=1, only="what is fused, and how"
    )
    experiment.EXPERIMENT.train_missing(options)
    first = (tmp_path / "runs.jsonl").read_text()
    lines = [json.loads(text) for text in first.splitlines()]
    experiment.EXPERIMENT.train_missing(options)
    assert (tmp_path / "runs.jsonl").read_text() == first
    assert len(lines) == 4
    base = next(line for line in lines if line["row"] == plan.BASE.row)
    assert set(base["scores"]) == set(runs.DOMAINS)
    assert set(base["also"]) == {"synonyms"}
    experiment.EXPERIMENT.summarise(replace(options, only=""))
    content = json.loads((tmp_path / "r.json").read_text())
    assert {run.row for run in rows} == set(content["rows"])
    assert {c["verdict"] for c in content["claims"]} == {"not measured", "not tested here"}
