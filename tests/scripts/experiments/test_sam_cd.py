"""The experiments with SAM-CD: claims on planned runs, sums by hand, a memory that changes no number."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.nets import SamPyramid
from mfnet_lite.sam import build_sam
from scripts.experiments import claims
from scripts.experiments.options import Options
from scripts.experiments.sam_cd import __main__ as experiment
from scripts.experiments.sam_cd import plan, runs, verdicts
from tests.small_sam import FOUR_LEVELS


@pytest.fixture
def small_runs(monkeypatch):
    """Small pairs, crops and encoder, and nothing remembered."""
    for name, value in (("TILE", 64), ("SIZE", 32), ("PAIRS", 2), ("TEST_PAIRS", 1), ("POOL", 4)):
        monkeypatch.setattr(runs, name, value)
    monkeypatch.setattr(runs, "load_sam", lambda _: build_sam(FOUR_LEVELS, seed=0))
    runs.Remembering.memory.clear()
    yield
    runs.Remembering.memory.clear()


def line(f1: float, **also: float) -> dict:
    return {"scores": {"F1": f1}, "also": also}


def test_every_configuration_of_a_claim_is_planned():
    planned = {run.row for _, run in plan.plan((0,))}
    for claim in verdicts.CLAIMS:
        assert claim.rows <= planned, claim.name
    names = [claim.name for claim in verdicts.CLAIMS]
    assert len(names) == len(set(names))


def test_other_scores_of_a_claim_are_written_for_its_runs():
    written = {
        verdicts.SWAPPED, verdicts.DIFFERS, verdicts.TWICE, verdicts.NOTHING, verdicts.CALM, "F1",
    }  # fmt: skip
    for claim in verdicts.CLAIMS:
        for _, run, score in claim.terms:
            assert score in written
            assert score == "F1" or (run.data == "world" and run.pairs == 20), claim.name


def test_sums_by_hand():
    claim = next(c for c in verdicts.CLAIMS if c.name == "few labels")
    rows = [run.row for _, run, _ in claim.terms]
    lines = {
        row: {0: line(value), 1: line(2 * value)}
        for row, value in zip(rows, (0.3, 0.2, 0.5, 0.45), strict=True)
    }
    lines[rows[0]][7] = line(0.9)  # a seed that not all have does not count
    # 0.3 - 0.2 - 0.5 + 0.45 = 0.05
    assert claims.differences(claim, lines, verdicts.value) == pytest.approx({0: 0.05, 1: 0.10})
    order = next(c for c in verdicts.CLAIMS if c.name == "order")
    lines = {order.terms[0].run.row: {0: line(0.4, **{verdicts.DIFFERS: 0.03})}}
    assert claims.differences(order, lines, verdicts.value) == pytest.approx({0: 0.02})
    assert verdicts.value(line(0.4, x=float("nan")), "x") == 0


def test_plan_names_runs_and_keeps_seeds_apart():
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    assert plan.Run(3).key == "default seed=3"
    assert plan.on("levir", plan.UNET).row == "data=levir model=unet effort=0.5"
    assert not set(plan.SEEDS) & set(plan.TUNING_SEEDS)


def test_remembered_maps_are_those_of_the_encoder(small_runs):
    torch.manual_seed(0)
    pyramid = SamPyramid(build_sam(FOUR_LEVELS, seed=0))
    remembering, x = runs.Remembering(pyramid, "a"), torch.rand(3, 3, 32, 32)
    remembering(x[:2])
    calls: list[int] = []
    pyramid.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    for ours, theirs in zip(remembering(x), pyramid.features(x), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=2e-3)  # kept in half precision
    assert calls == [1]  # the third image alone was new
    other = runs.Remembering(SamPyramid(build_sam(FOUR_LEVELS, seed=1)), "b")
    assert not torch.allclose(other(x)[0], remembering(x)[0])


def test_dates_swapped_and_doubled(small_runs):
    before, after = torch.rand(2, 3, 4, 4)
    tiles = [{"before": before, "after": after, "label": torch.ones(4, 4).long()}]
    swapped = runs.Dates(tiles, "after", "before")[0]
    assert torch.equal(swapped["before"], after)
    assert swapped["label"].all()
    twice = runs.Dates(tiles, "before", "before")[0]
    assert torch.equal(twice["after"], before)
    assert not twice["label"].any()


def test_runs_resume_and_sum_up(small_runs, monkeypatch, tmp_path):
    rows = (plan.OFFICIAL, plan.UNET, replace(plan.BASE, pairs=1))
    monkeypatch.setitem(plan.GROUPS, "main", rows)
    monkeypatch.setattr(runs, "PAIRS", 20)  # a run on all pairs also gets the other tests …
    monkeypatch.setattr(runs, "pairs", few(runs.pairs))  # … but here all pairs are two
    options = Options(tmp_path, tmp_path / "r.json", seeds=(0,), steps=2, only="main")
    experiment.EXPERIMENT.train_missing(options)
    first = (tmp_path / "runs.jsonl").read_text()
    lines = [json.loads(text) for text in first.splitlines()]
    assert len(lines) == 3
    assert 0 <= lines[0]["also"]["differs when swapped"] <= 1
    assert lines[2]["also"] == {}
    experiment.EXPERIMENT.train_missing(options)
    assert (tmp_path / "runs.jsonl").read_text() == first
    experiment.EXPERIMENT.summarise(options)
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["rows"] == {}  # one seed is no row
    monkeypatch.setattr(verdicts, "FEWEST", 1)
    experiment.EXPERIMENT.summarise(options)
    content = json.loads((tmp_path / "r.json").read_text())
    assert set(content["rows"]) == {run.row for run in rows}
    assert all(0 <= row["mF1"]["mean"] <= 1 for row in content["rows"].values())
    assert {c["verdict"] for c in content["claims"]} == {"not measured"}


def few(pairs):
    """Two pairs where twenty were asked for."""
    return lambda root, first, number, *rest, **more: pairs(
        root, first, min(number, 2), *rest, **more
    )


def test_real_tiles_both_ways_and_the_forest(small_runs, tmp_path):
    folder = tmp_path / "change_levir"
    rng = np.random.default_rng(0)
    for folder_name in ("A", "B", "label"):
        (folder / folder_name).mkdir(parents=True)
    for k in range(4):
        before = rng.integers(0, 100, (32, 32, 3), np.uint8)
        label = np.zeros((32, 32), np.uint8)
        label[: 8 + 4 * k] = 255
        after = before.copy()
        after[label > 0] += 120
        for folder_name, image in (("A", before), ("B", after), ("label", label)):
            Image.fromarray(image).save(folder / folder_name / f"{k}.png")
    forest = plan.on("levir", replace(plan.BASE, model="forest"))
    found = runs.train_and_score(forest, tmp_path, tmp_path)
    assert found["scores"]["F1"] > 0.95  # the difference of the colours says it all
    assert found["steps"] == 0
    found = runs.train_and_score(plan.on("levir", plan.UNET), tmp_path, tmp_path, steps=2)
    assert found["steps"] == 1
    assert runs.train_and_score(forest, tmp_path, None) is None
