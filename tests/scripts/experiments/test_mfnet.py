"""The experiments with MFNet: verdicts by hand, a plan without doubles, lines that survive a kill."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from scripts.experiments import claims
from scripts.experiments.mfnet import __main__ as experiment
from scripts.experiments.mfnet import plan, runs, verdicts
from scripts.experiments.options import Options


def line(score: float) -> dict:
    return {"scores": {"mIoU": score}}


def test_the_last_doubling_is_compared_with_the_mean_of_those_before():
    claim = next(c for c in verdicts.CLAIMS if c.name == "flattens")
    assert "less than the mean of the two doublings" in claim.claim
    gains = {
        1: 0.0,
        4: 0.3,
        8: 0.4,
    }  # mean gain of the doublings from 1 to 4: 0.15; of the last: 0.1
    rows = {term.run.row: {0: line(gains[term.run.scenes])} for term in claim.terms}
    assert claims.differences(claim, rows, verdicts.read) == pytest.approx({0: 0.05})


def test_differences_are_taken_seed_by_seed():
    claim = next(c for c in verdicts.CLAIMS if c.name == "ambiguity")
    names = [term.run.row for term in claim.terms]
    rows = {
        row: {0: line(0.1 * k), 1: line(0.2 * k), 5: line(0.9)}
        for k, row in enumerate(names, start=1)
    }
    del rows[names[0]][5]  # a seed that not all have does not count
    # +1 -2 -3 +4 = 0
    assert claims.differences(claim, rows, verdicts.read) == pytest.approx({0: 0.0, 1: 0.0})


def test_every_configuration_of_a_claim_is_planned():
    planned = {run.row for _, run in plan.plan((0,))}
    for claim in verdicts.CLAIMS:
        assert claim.rows <= planned, claim.name


def test_plan_holds_each_run_once_with_every_seed():
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    assert [key for key in keys if key.endswith("seed=0")] != []
    assert {k.removesuffix(" seed=0") for k in keys if k.endswith(" seed=0")} == {
        k.removesuffix(" seed=1") for k in keys if k.endswith(" seed=1")
    }
    assert plan.Run(3).key == "default seed=3"
    assert plan.Run(0, model="unet", tuning="lora").row == "model=unet"  # no encoder to tune
    assert not set(plan.SEEDS) & set(plan.TUNING_SEEDS)


def test_spoiled_tiles():
    tile = {
        "optical": torch.ones(3, 32, 32),
        "dsm": torch.full((1, 32, 32), 0.5),
        "label": torch.zeros(32, 32).long(),
    }
    assert set(runs.Spoiled([tile], "no dsm", [30.0])[0]) == {"optical", "label"}
    assert runs.Spoiled([tile], "dsm zero", [30.0])[0]["dsm"].max() == 0
    for span in (30.0, 20.0):  # two metres of noise, whatever the scaling
        noisy = runs.Spoiled([tile], "noise", [span])[0]["dsm"] - tile["dsm"]
        assert noisy.std() == pytest.approx(2 / span, rel=0.1)
    holes = runs.Spoiled([tile], "holes", [30.0])[0]["dsm"]
    assert set(holes.unique().tolist()) == {0.0, 0.5}
    blocks = holes.reshape(4, 8, 4, 8)  # whole blocks only
    assert (blocks.amax((1, 3)) == blocks.amin((1, 3))).all()
    assert tile["dsm"].min() == 0.5


def test_runs_resume_and_sum_up(monkeypatch, tmp_path):
    rows = (
        replace(plan.UNET, scenes=1),
        replace(plan.BASE, scenes=1),
        replace(plan.BASE, scenes=1, mixing=plan.FASTER),
        replace(plan.OPTICAL, scenes=1, official=True),
    )
    monkeypatch.setattr(plan, "GROUPS", {"main": rows})
    for name, value in (
        ("SIZE", 32),
        ("TEST_STRIDE", 32),
        ("SCENES", 1),
        ("TILE", 64),
        ("TEST_SCENES", 1),
    ):
        monkeypatch.setattr(runs, name, value)
    options = Options(tmp_path, tmp_path / "r.json", seeds=(0,), steps=4, only="main")
    experiment.EXPERIMENT.train_missing(options)
    first = (tmp_path / "runs.jsonl").read_text()
    assert len(first.splitlines()) == len(rows)
    experiment.EXPERIMENT.train_missing(options)
    assert (tmp_path / "runs.jsonl").read_text() == first
    lines = [json.loads(text) for text in first.splitlines()]
    assert [line["scaling"] for line in lines] == ["ground", "robust", "robust", "robust"]
    assert all(experiment.scaled_as_planned(line) for line in lines)
    for line, scaling in zip(lines[:2], ("robust", "ground"), strict=True):
        assert not experiment.scaled_as_planned(line | {"scaling": scaling})
    experiment.EXPERIMENT.summarise(options)
    content = json.loads((tmp_path / "r.json").read_text())
    assert set(content["rows"]) == {run.row for run in rows}
    assert all(0 < row["mIoU"]["mean"] < 1 for row in content["rows"].values())
    assert content["provenance"]["runs"] == len(rows)
    assert content["settings"]["steps"] == 4
    assert content["provenance"]["command"].endswith(" --steps 4 --only main")
    _, common, own, alone = (content["rows"][run.row].get("shares") for run in rows)
    assert alone is None  # one sensor exchanges with nobody
    assert set(own) == {"mean", "least", "most"}
    moved = [max(abs(w - 0.5) for w in (*s["least"], *s["most"])) for s in (common, own)]
    assert moved[1] > 3 * moved[0] > 0
    assert content["claims"] == []  # none of them is about one training scene alone
