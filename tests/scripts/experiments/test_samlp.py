"""The experiments' plan holds what the verdicts ask for; a run gives what they read; rules by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from scripts.experiments.options import Options
from scripts.experiments.samlp import __main__ as experiment
from scripts.experiments.samlp import plan, runs, verdicts


@pytest.fixture
def quick(monkeypatch):
    """A handful of images, one step of everything."""
    for name, value in {"POOL": 12, "TEST": 3, "PROMPTED": 2, "SECOND_STEPS": 1, "SIZE": 64,
                        "BATCH": 1, "ALL": 2, "ROUNDS": 2, "REHEARSED": 1}.items():  # fmt: skip
        monkeypatch.setattr(runs, name, value)


def stages(run, all_shots: int) -> dict[str, set[str]]:
    """Which scores a run has, by stage."""
    plates, prompts = {"AP50", "AP50 by estimate", "mask IoU", "agreement", "estimate error"}, {
        "click", "box", "plate click"}  # fmt: skip
    found = {"step 1": plates | (prompts if run.rehearsal else set())}
    if run.official:
        found["step 1, cut at 0.5"] = plates
    if run.second:
        found["step 2"] = found["step 1"]
    if run.rehearsal:
        found |= {"before": found["step 1"], "rehearsed": found["step 1"]}
    return found


def test_every_claim_is_planned():
    planned = {run.row: run for _, run in plan.plan()}
    names = [claim.name for claim in verdicts.CLAIMS]
    assert len(names) == len(set(names))
    for claim in verdicts.CLAIMS:
        for _, run, (stage, score) in claim.terms:
            assert run.row in planned, claim.name
            assert score in stages(planned[run.row], plan.ALL)[stage], claim.name


def test_a_configuration_is_planned_once():
    keys = [run.key for _, run in plan.plan()]
    assert len(keys) == len(set(keys))
    shots = {r.shots for _, r in plan.plan() if r.second}
    assert shots == {1, 5, 10, 50, 200}
    assert {r.seed for _, r in plan.plan()} == set(range(5))


def test_shots_are_nested_and_show_a_plate(quick, tmp_path):
    base = plan.unet(2)
    one, two = (runs.drawn(tmp_path, replace(base, shots=n)) for n in (1, 2))
    assert one.chosen == two.chosen[:1]
    assert all(sample["label"].any() for sample in two)
    assert [len(b) > 0 for b in two.boxes] == [True, True]
    other = runs.drawn(tmp_path, replace(base, seed=1, shots=2))
    assert other.chosen != two.chosen


@pytest.mark.parametrize("kind", ["samlp", "official", "decoder", "unet"])
def test_a_run_gives_what_the_claims_read(quick, tmp_path, kind):
    run = {
        "samlp": replace(plan.samlp(plan.ALL), shots=2),
        "official": replace(plan.BASE, official=True, shots=2),
        "decoder": plan.decoder(2),
        "unet": plan.unet(2),
    }[kind]
    result = runs.train_and_score(run, tmp_path, steps=1)
    for stage, scores in stages(run, plan.ALL).items():
        assert scores <= set(result["stages"][stage])
    json.dumps(result)
    assert result["trained"] > 0


def line(run, **scores) -> dict:
    return {
        "row": run.row,
        "seed": run.seed,
        "run": {"seed": run.seed, "effort": run.effort},
        "trained": 1,
        "cpu_seconds": {"step 1": 1.0},
        "stages": {"step 1": scores} | ({"step 2": scores} if run.second else {}),
    }


def test_claims_pair_seed_by_seed():
    claim = next(c for c in verdicts.CLAIMS if c.name == "samlp>unet 10")
    lines = []
    for seed in range(4):
        lines.append(line(replace(plan.unet(10), seed=seed), AP50=0.1 * seed, F1=math.nan))
        if seed < 3:
            lines.append(
                line(replace(plan.samlp(10), seed=seed), AP50=0.1 * seed + 0.2 + 0.01 * seed)
            )
    found = verdicts.summary(lines)
    judged = next(c for c in found["claims"] if c["name"] == claim.name)
    assert (judged["n"], judged["verdict"]) == (3, "holds")
    assert judged["difference"] == pytest.approx(0.21)
    other = next(c for c in found["claims"] if c["name"] == "samlp>unet 1")
    assert other["verdict"] == "not measured"
    assert found["rows"][plan.unet(10).row]["stages"]["step 1"]["F1"]["mean"] is None


def test_work_then_summary(quick, tmp_path):
    options = Options(tmp_path, tmp_path / "result.json", seeds=(0,), steps=1, only="ten shots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.GROUPS, "ten shots", (plan.unet(2),))
        patch.setattr(runs, "digest", lambda root: "d")
        experiment.EXPERIMENT.train_missing(options)
        experiment.EXPERIMENT.train_missing(options)  # nothing is left to do
        assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 1
        experiment.EXPERIMENT.summarise(options)
    content = json.loads(options.result.read_text())
    assert content["provenance"]["runs"] == 1
    assert set(content["rows"]) == {plan.unet(2).row}
