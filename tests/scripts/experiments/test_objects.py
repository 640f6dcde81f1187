"""The experiments with objects: verdicts by hand, maps and their quality, lines that survive a kill."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from mfnet_lite.nets import UNet
from mfnet_lite.rasters import open_folder, read_raster
from scripts.experiments.objects import __main__ as experiment
from scripts.experiments.objects import data, plan, runs, verdicts
from scripts.experiments.options import Options


@pytest.fixture
def small_data(monkeypatch):
    """Scenes of 64 pixels, one to train on and one to test on."""
    for name, value in (("TILE", 64), ("SCENES", 1), ("TEST_SCENES", 1)):
        monkeypatch.setattr(data, name, value)


@pytest.fixture
def small_runs(small_data, monkeypatch):
    """Crops of 32 pixels on small scenes."""
    for name, value in (("SIZE", 32), ("WINDOW", 64), ("STRIDE", 64)):
        monkeypatch.setattr(runs, name, value)


def test_rows_name_what_matters_and_nothing_else():
    assert plan.UNET.row == "data=world model=unet"
    assert replace(plan.UNET, maps="perfect", variant="official").row == plan.UNET.row
    assert (
        replace(plan.UNET, objects=1.0, variant="official").row
        == "data=world model=unet objects=1.0"
    )
    assert [r.mode for r in plan.modes(plan.UNET)] == [
        "seg", "seg+object", "seg+boundary", "seg+object+boundary"
    ]  # fmt: skip
    assert not plan.UNET.needs_weights
    assert plan.both(plan.UNET).needs_weights
    assert not plan.both(replace(plan.UNET, maps="perfect")).needs_weights
    assert plan.MFNET.needs_weights
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    assert not set(plan.SEEDS) & set(plan.TUNING_SEEDS)


def test_every_configuration_of_a_claim_is_planned():
    planned = {run.row for _, run in plan.plan((0,))}
    for claim in (*verdicts.CLAIMS, verdicts.EQUAL):
        assert claim.rows <= planned, claim.name
    assert len({c.name for c in verdicts.CLAIMS}) == len(verdicts.CLAIMS)


def test_equality_has_a_rule_of_its_own():
    assert verdicts.same([0.0] * 5)["verdict"] == "holds"
    found = verdicts.same([0.0, 0.0, -0.002])
    assert found["verdict"] == "does not hold here"
    assert "0.2 points" in found["sentence"]
    assert verdicts.same([0.0])["verdict"] == "not measured"


def line(run, seed, score, edges=0.5, kappa=0.4):
    run = replace(run, seed=seed)
    return {
        "key": run.key, "row": run.row, "seed": seed, "run": asdict(run), "terms": {},
        "scores": {
            "mIoU": score, "OA": 0.5, "kappa": kappa, "edge_F1": edges, "per_class": {"road": score}
        },
        "maps": None, "left_out": [], "trained": 1, "parameters": 1, "all_cpu_seconds": 1.0,
    }  # fmt: skip


def test_networks_that_know_one_class_decide_nothing():
    tile = replace(plan.UNET, data="loveda")
    lines = [line(r, s, 0.28, kappa=0.0) for r in plan.modes(tile) for s in range(3)]
    found = verdicts.summary(lines)
    claims = {c["name"]: c["verdict"] for c in found["claims"]}
    assert {claims[f"loveda unet {kind}"] for kind in ("both", "object", "boundary")} == {
        "not decided here"
    }
    assert found["rows"] == {}
    assert set(found["rows_of_one_class"]) == {run.row for run in plan.modes(tile)}


def test_summary_by_hand():
    lines = []
    for seed, (labels, helped) in enumerate(((0.5, 0.53), (0.6, 0.62), (0.4, 0.44))):
        lines.append(line(plan.UNET, seed, labels))
        lines.append(line(plan.both(plan.UNET), seed, helped))
    tile = replace(plan.UNET, data="vaihingen")
    lines.append(line(tile, 0, 0.5, edges=None))
    found = verdicts.summary(lines)
    claims = {c["name"]: c for c in found["claims"]}
    # differences 0.03, 0.02, 0.04: mean 0.03, error 0.01 / sqrt(3), 4.3027 errors to both sides
    assert claims["world unet both"]["difference"] == pytest.approx(0.03)
    assert claims["world unet both"]["interval"] == pytest.approx([0.00516, 0.05484], abs=1e-5)
    assert claims["world unet both"]["verdict"] == "holds"
    assert claims["world mfnet both"]["verdict"] == "not measured"
    assert found["multiplicity"].startswith("of 1 claims none of which were true")
    assert found["rows"][plan.UNET.row]["mIoU"]["mean"] == pytest.approx(0.5)
    assert found["rows"][tile.row]["edge_F1"] is None
    assert found["rows"][tile.row]["mode"] == "seg"
    assert found["rows"][tile.row]["cpu_seconds"] == 1.0


def test_quality_of_maps_by_hand(small_runs, tmp_path):
    """Perfect objects are pure and find every border; the whole tile as one object does neither."""
    folder = data.scenes(tmp_path, 3)
    tiles = open_folder(folder, ["optical"], val_fraction=0.0).tiles("train")
    perfect = data.maps_of(replace(plan.UNET, maps="perfect"), tiles, tmp_path, "0" * 8)
    label = read_raster(tiles[0].label).array[0]
    found = data.quality(tiles, perfect)
    assert found["pure"] == 1.0
    assert found["objects"] >= 5
    mixed = data.maps_of(replace(plan.UNET, maps="superpixels"), tiles, tmp_path, "0" * 8)
    rough = data.quality(tiles, mixed)
    assert 0.5 < rough["pure"] < 1.0
    again = data.maps_of(replace(plan.UNET, maps="superpixels"), tiles, tmp_path, "0" * 8)
    assert again == mixed
    path = data.write_raster(tmp_path / "one.tif", np.ones(label.shape, np.int32))
    whole = data.quality(tiles, [data.ObjectFiles(path)])
    assert whole["pure"] == pytest.approx(np.bincount(label.ravel()).max() / label.size, abs=1e-4)
    assert (whole["covered"], whole["edges_found"], whole["objects"]) == (1.0, 0.0, 1.0)


def test_points_keep_their_share_and_their_truth(small_data, tmp_path):
    folder = data.scenes(tmp_path, 3)
    name = data.pointed(folder, 0.1, seed=1)
    assert data.pointed(folder, 0.1, seed=1) == name
    (path,) = (folder / "train" / name).glob("*.tif")
    few, full = (read_raster(folder / "train" / n / path.name).array for n in (name, "label"))
    kept = few != 255
    assert 0.07 < kept.mean() < 0.13
    assert (few[kept] == full[kept]).all()


def test_borders_of_a_prediction_by_hand(small_runs):
    label = np.repeat([[0] * 10 + [1] * 10], 4, axis=0)
    right = runs.edge_counts(label, label)
    assert right.tolist() == [8, 8, 8, 8]  # two columns of four pixels
    far = runs.edge_counts(np.roll(label, 5, axis=1)[:, 5:], label[:, 5:])
    assert far.tolist() == [0, 8, 0, 8]
    blank = label.copy()
    blank[:, 9:11] = 255
    assert runs.edge_counts(label, blank).tolist() == [0, 0, 0, 0]
    assert runs.left_out("world", []) == (5,)
    assert runs.left_out("loveda", [5000, 152, 1000]) == (1,)


def test_scores_of_a_perfect_network(small_runs, tmp_path):
    class Oracle(torch.nn.Module):
        def forward(self, sample):
            return 9.0 * torch.nn.functional.one_hot(sample["truth"][:, 0].long(), 6).movedim(3, 1)

    folder = data.scenes(tmp_path, 3)
    tiles = open_folder(folder, ["optical"]).tiles("test")

    class Tiles:
        def __len__(self):
            return 1

        def __getitem__(self, index):
            label = torch.from_numpy(read_raster(tiles[0].label).array[0].astype(np.int64))
            return {"truth": label[None].float(), "label": label}

    names = ("a", "b", "c", "d", "e", "f")
    found = runs.scored(Oracle(), Tiles(), names, (5,))
    assert found["mIoU"] == found["OA"] == found["edge_F1"] == 1.0
    plain = runs.scored(UNet({"truth": 1}, 6, width=2, depth=1), Tiles(), names, (5,))
    assert plain["mIoU"] < 0.5


def test_runs_resume_and_sum_up(small_runs, monkeypatch, tmp_path):
    rows = (plan.UNET, plan.both(replace(plan.UNET, maps="perfect")))
    official = replace(plan.UNET, boundaries=0.1, variant="official")
    rows += (replace(official, maps="perfect"), replace(plan.UNET, data="ign"))
    rows += (replace(plan.UNET, labels=0.1),)
    monkeypatch.setattr(plan, "GROUPS", {"main": rows})
    options = Options(tmp_path, tmp_path / "r.json", seeds=(0,), steps=12, only="main")
    experiment.EXPERIMENT.train_missing(options)
    first = (tmp_path / "runs.jsonl").read_text()
    lines = [json.loads(text) for text in first.splitlines()]
    assert len(lines) == 4  # no real tile, no run on it
    assert {x["weights_sha256"] for x in lines} == {"any"}
    assert lines[0]["maps"] is None
    assert lines[0]["scaling"] == "ground"
    mfnet = lines[0] | {
        "run": lines[0]["run"] | {"model": "mfnet"}
    }  # heights that MFNet does not get
    assert [experiment.as_planned(line, options) for line in (lines[0], mfnet)] == [True, False]
    assert lines[1]["maps"]["pure"] == 1.0
    assert set(lines[1]["terms"]) == {"segmentation", "objects", "boundaries"}
    # no gradient: to the last digit the training on labels alone
    assert lines[2]["scores"] == lines[0]["scores"]
    assert lines[1]["scores"] != lines[0]["scores"]
    experiment.EXPERIMENT.train_missing(options)
    assert (tmp_path / "runs.jsonl").read_text() == first
    experiment.EXPERIMENT.summarise(options)
    content = json.loads((tmp_path / "r.json").read_text())
    assert set(content["rows"]) == {x["row"] for x in lines}
    assert content["provenance"]["runs"] == 4


def test_halves_of_real_tiles(small_data, realdata, tmp_path):
    for name, (height, width) in {"vaihingen": (256, 512), "loveda": (1024, 512)}.items():
        folder = data.halves(tmp_path, realdata, name)
        label = read_raster(next((folder / "train" / "label").glob("*.tif"))).array[0]
        assert label.shape == (height, width)
        assert set(np.unique(label)) <= {*range(7), 255}
        assert (label < 7).mean() > 0.9
        tiles = open_folder(folder, val_fraction=0.0)
        assert len(tiles.tiles("train")) == len(tiles.tiles("test")) == 1
