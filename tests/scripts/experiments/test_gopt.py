"""The experiments with GoPT: verdicts by hand, what a part taken away leaves, lines that survive a kill."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mfnet_lite.nets import GoPT
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.tuning import freeze
from scripts.experiments.gopt import __main__ as experiment
from scripts.experiments.gopt import plan, runs, verdicts
from scripts.experiments.gopt.variants import TunedUnderHead, keep
from scripts.experiments.options import Options

SIZES = SamConfig(image_size=64, width=16, depth=2, heads=2, global_blocks=(1,))
SENSORS = {"optical": 3, "dsm": 1}


def small(parts: str, query: str = "both") -> GoPT:
    torch.manual_seed(0)
    return keep(GoPT(build_sam(SIZES), 6, SENSORS, bottleneck=4, query=query), parts)


def sample(seed: int = 0, height: int = 0) -> dict[str, torch.Tensor]:
    optical = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    dsm = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(100 + height))
    return {"optical": optical, "dsm": dsm}


def trained(network: GoPT) -> None:
    """Give the last projections of all prompters weights, as training would."""
    for name, parameter in network.named_parameters():
        if name.endswith("up.weight"):
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))


def test_every_configuration_of_a_claim_is_planned_once():
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    planned = {run.row for _, run in plan.plan((0,))}
    for claim in verdicts.CLAIMS:
        assert claim.rows <= planned, claim.name
    assert {row for claim in verdicts.CLAIMS for row in claim.rows} == planned
    assert not set(plan.SEEDS) & set(plan.TUNING_SEEDS)


@pytest.mark.parametrize("parts", ["both", "cup", "acp", "static"])
def test_before_training_every_variant_is_the_frozen_network(parts):
    network, frozen = small(parts).eval(), small("both").eval()
    frozen.head.load_state_dict(network.head.state_dict())
    with torch.no_grad():
        assert torch.equal(network(sample()), frozen({"optical": sample()["optical"]}))


@pytest.mark.parametrize(
    ("parts", "query", "sees"),
    [
        ("both", "both", True), ("cup", "both", True), ("acp", "rgb", True),
        ("static", "both", True), ("static", "rgb", False),
    ],
)  # fmt: skip
def test_which_variants_see_the_sensor(parts, query, sees):
    network = small(parts, query).eval()
    trained(network)
    with torch.no_grad():
        one, other = network(sample(height=0)), network(sample(height=1))
    assert torch.equal(one, other) is not sees


def test_static_tokens_group_nothing_and_are_trained():
    network = small("static")
    freeze(network)
    names = {name for name, p in network.named_parameters() if p.requires_grad}
    assert sum(name.endswith("learned") for name in names) == 2
    assert not any("assignment" in name or "qkv" in name for name in names)
    # the prompts' first projection is zero, and hides them from the first gradient
    trained(network)
    network.train()(sample()).square().mean().backward()
    for name, parameter in network.named_parameters():
        if name.endswith("learned"):
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0


def test_groups_given_back_by_hand():
    # two groups, three patches; the first and the last belong to the second group
    whole = small("cup").encoder.prompts.prompters[0].place
    with torch.no_grad():
        whole.up.weight.copy_(torch.eye(4).repeat(4, 1)[:16])
    groups = torch.tensor([[[1.0, 0, 0, -1], [0, 2, -2, 0]]])
    assignment = torch.tensor([[[0.0, 1, 0], [1, 0, 1]]])
    prompt = whole([groups], [assignment])
    normal = torch.nn.functional.layer_norm(groups, (4,))
    assert torch.allclose(prompt[0, :, :4], normal[0, [1, 0, 1]])


def test_all_variants_are_of_one_size_but_for_what_is_taken_away():
    count = runs.parameters
    whole = count(plan.BASE)
    assert whole == {"tuning": 122_832, "head": 45_830}
    assert count(plan.OPTICAL) == {"tuning": 0, "head": 45_830}
    for other in (plan.MMLORA, plan.MMADAPTER):
        assert count(other)["head"] == 45_830
        assert count(other)["tuning"] == pytest.approx(whole["tuning"], rel=0.06)
    assert all(
        count(part)["tuning"] < whole["tuning"] for part in (plan.CUP, plan.ACP, plan.STATIC)
    )


def test_another_tuning_under_the_same_head():
    network = TunedUnderHead(build_sam(SIZES), 6, SENSORS, "mmlora", 2, None).eval()
    with torch.no_grad():
        assert network(sample()).shape == (1, 6, 64, 64)
        odd = {name: x[..., :61, :59] for name, x in sample().items()}
        assert network(odd).shape == (1, 6, 61, 59)
    assert {n.split(".")[0] for n, _ in network.added_parameters()} == {
        "encoder",
        "pictures",
        "head",
    } - (set() if any(True for _ in network.pictures.parameters()) else {"pictures"})


def test_noise_replaces_one_sensor_and_is_repeatable():
    tile = {"optical": torch.ones(3, 8, 8), "dsm": torch.ones(1, 8, 8), "label": torch.zeros(8, 8)}
    noisy = runs.WithNoise([tile, tile], "dsm", seed=3)
    assert len(noisy) == 2
    assert torch.equal(noisy[0]["optical"], tile["optical"])
    assert torch.equal(noisy[0]["dsm"], noisy[0]["dsm"])
    assert not torch.equal(noisy[0]["dsm"], noisy[1]["dsm"])
    assert 0 <= noisy[0]["dsm"].min() < 0.2 < 0.8 < noisy[0]["dsm"].max() <= 1
    assert tile["dsm"].min() == 1


def test_runs_resume_and_sum_up(monkeypatch, tmp_path):
    rows = (replace(plan.BASE, drop=0.4), replace(plan.OPTICAL, seed=0))
    monkeypatch.setitem(plan.GROUPS, "parts", rows)
    for name, value in (("SIZE", 64), ("SCENES", 1), ("TEST_SCENES", 1)):
        monkeypatch.setattr(runs, name, value)
    for name in ("TILE", "SIZE", "TEST_STRIDE"):
        monkeypatch.setitem(
            runs.scored.__globals__, name, 64
        )  # those of the experiments with MFNet
    options = Options(tmp_path, tmp_path / "r.json", seeds=(0,), steps=2, only="parts")
    experiment.EXPERIMENT.train_missing(options)
    first = (tmp_path / "runs.jsonl").read_text()
    lines = [json.loads(text) for text in first.splitlines()]
    experiment.EXPERIMENT.train_missing(options)
    assert (tmp_path / "runs.jsonl").read_text() == first
    dropped = next(line for line in lines if line["row"] == "drop=0.4")
    assert set(dropped["also"]) == {"no dsm", "dsm zero", "noise", "holes"}
    experiment.EXPERIMENT.summarise(replace(options, only=""))
    content = json.loads((tmp_path / "r.json").read_text())
    assert {run.row for run in rows} <= set(content["rows"])
    assert all(0 <= row["mIoU"]["mean"] < 1 for row in content["rows"].values())
    assert {c["verdict"] for c in content["claims"]} == {"not measured", "not tested here"}
