"""The experiments with few labels: claims are planned, halves never mix, every model is trained, lines sum up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mfnet_lite.rasters import WholeTiles, write_raster
from scripts.experiments.few_labels import __main__ as experiment
from scripts.experiments.few_labels import data, forests, plan, runs, verdicts
from scripts.experiments.options import Options


def test_every_configuration_of_a_claim_is_planned_once() -> None:
    keys = [run.key for _, run in plan.plan((0, 1))]
    assert len(keys) == len(set(keys))
    planned = {run.row for _, run in plan.plan((0,))}
    assert {row for claim in verdicts.CLAIMS for row in claim.rows} <= planned
    assert len({claim.name for claim in verdicts.CLAIMS}) == len(verdicts.CLAIMS)


def test_lines_depend_on_the_small_sam_where_it_is_used() -> None:
    needing = {run.model for _, run in plan.plan((0,)) if run.needs_weights}
    assert needing == {"mfnet", "sam_cd"}
    assert not replace(plan.SAM_CD, encoder=plan.IMAGENET).needs_weights


def write(folder: Path, name: str, image: np.ndarray, label: np.ndarray) -> None:
    for part, array in (("image", image), ("label", label[None])):
        (folder / part).mkdir(parents=True, exist_ok=True)
        write_raster(folder / part / name, array.astype(np.uint8))


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """An image as Vaihingen's, bright where a building stands, and pairs in which a square brightens."""
    rng = np.random.default_rng(0)
    label = np.ones((128, 256), int)
    label[32:96, ::64] = label[40:80, 16:48] = label[40:80, 176:208] = 2
    label[:8] = 0
    label[100:, 8::32] = 3
    image = rng.normal(60 * label, 8, (3, 128, 256)).clip(0, 255)
    write(tmp_path / "vaihingen_tile", "area.tif", image, label)
    for k in range(4):
        changed = np.zeros((64, 64), int)
        changed[8 * k : 8 * k + 32, 16:48] = 255
        before = rng.normal(80, 5, (3, 64, 64))
        for part, array in (("A", before), ("B", before + 0.3 * changed), ("label", changed[None])):
            (tmp_path / "change_levir" / part).mkdir(parents=True, exist_ok=True)
            write_raster(
                tmp_path / "change_levir" / part / f"p{k}.tif", array.clip(0, 255).astype(np.uint8)
            )
    return tmp_path


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SIDE", 64)
    monkeypatch.setattr(runs, "POOL", 6)
    monkeypatch.setattr(runs, "SIZES", dict.fromkeys(runs.SIZES, 32))
    monkeypatch.setattr(forests, "FOREST", forests.FOREST | {"n_estimators": 5})


def test_the_image_is_cut_and_its_halves_do_not_mix(real: Path, tmp_path: Path) -> None:
    here, there = data.halves("vaihingen", real, tmp_path / "tiles")
    assert [tile.id for tile in here] == ["r0c0", "r0c1", "r1c0", "r1c1"]
    assert [tile.id for tile in there] == ["r0c2", "r0c3", "r1c2", "r1c3"]
    assert here[0].info.classes == data.VAIHINGEN
    sample = WholeTiles(there, ("optical",))[2]  # row 1, column 2
    whole = data.read_raster(real / "vaihingen_tile" / "image" / "area.tif").array
    torch.testing.assert_close(
        sample["optical"], torch.from_numpy(whole[:, 64:, 128:192].astype(np.float32)) / 255
    )
    label = WholeTiles(here, ("optical",))[0]["label"]
    assert (label[:8] == 255).all()  # not labelled
    assert set(label[8:].unique().tolist()) == {0, 1}
    assert [t.id for t in data.drawn(here, 2, 1)] == [t.id for t in data.drawn(here, 2, 1)]
    drawn = Counter(t.id for seed in range(20) for t in data.drawn(here, 1, seed))
    assert set(drawn) == {tile.id for tile in here}
    assert data.drawn(here, 0, 1) is here
    with pytest.raises(FileNotFoundError, match="expected a folder of real tiles"):
        data.halves("ign", real, tmp_path)


def test_pairs_are_halved(real: Path, tmp_path: Path) -> None:
    here, there = data.halves("levir", real, tmp_path)
    assert [tile.id for tile in (*here, *there)] == ["p0", "p1", "p2", "p3"]
    assert len(here) == 2


@pytest.mark.slow
def test_forests_learn_what_is_easy(real: Path, tmp_path: Path) -> None:
    for model in forests.FORESTS:
        run = replace(plan.PIXELS, data="vaihingen", model=model)
        found = runs.train_and_score(run, tmp_path / "tiles", real)
        assert found is not None
        assert found["scores"]["mIoU"] > 0.9  # three brightnesses, hardly any noise
        assert (found["steps"], found["trained"]) == (0, 0)
        assert runs.train_and_score(run, tmp_path / "tiles", real)["scores"] == found["scores"]
    found = runs.train_and_score(replace(plan.PIXELS, data="levir"), tmp_path / "tiles", real)
    assert found is not None
    assert found["scores"]["F1"] > 0.95
    assert runs.train_and_score(plan.PIXELS, tmp_path, None) is None


@pytest.mark.parametrize(
    "run",
    [
        replace(plan.UNET, data="vaihingen", balance=0.5, tiles=1),
        replace(plan.UNMOVED, data="vaihingen", rate=0.01, crop=48, effort=1.5),
        replace(plan.UNETFORMER, data="vaihingen"),
        replace(plan.UNETFORMER, data="vaihingen", encoder=plan.RANDOM),
        replace(plan.MFNET, data="vaihingen"),
        replace(plan.UNET, data="levir"),
        plan.SAM_CD,
        replace(plan.SAM_CD, encoder=plan.IMAGENET),
        replace(plan.SAM_CD, encoder=plan.RANDOM),
    ],
    ids=lambda run: run.row.replace(" ", ","),
)
def test_every_network_is_trained_and_scored(run: plan.Run, real: Path, tmp_path: Path) -> None:
    found = runs.train_and_score(run, tmp_path / "tiles", real, steps=2)
    assert found is not None
    assert found["steps"] == round(2 * run.effort)
    assert found["trained"] > 1000
    score = found["scores"]["F1" if run.data == "levir" else "mIoU"]
    assert 0 <= (score or 0) <= 1


def test_weights_of_classes_reach_the_training(real: Path, tmp_path: Path) -> None:
    tiles, _ = data.halves("vaihingen", real, tmp_path / "tiles")
    run = replace(plan.UNET, data="vaihingen")
    heads = [
        runs.train(replace(run, balance=power), tiles, 2)[0].state_dict()["head.weight"]
        for power in (0.0, 0.0, 1.0)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_lines_resume_and_sum_up(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(
        out=tmp_path / "out",
        result=tmp_path / "result.json",
        seeds=(0, 1, 2),
        steps=1,
        only="fewer",
        real=real,
    )
    seen = [
        replace(plan.UNET, data="vaihingen", tiles=k, balance=0.5, effort=float(k)) for k in (1, 2)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.GROUPS, "fewer tiles", tuple(seen))
        experiment.EXPERIMENT.train_missing(options)
        experiment.EXPERIMENT.train_missing(options)
    assert "6 runs done, 0 to do" in capsys.readouterr().out
    experiment.EXPERIMENT.summarise(replace(options, only=""))
    found = json.loads(options.result.read_text())
    assert {row["n"] for row in found["rows"].values()} == {3}
    row = found["rows"][seen[0].row]
    assert row["run"]["tiles"] == 1
    values = row["scores"]["mIoU"]["values"]
    assert row["scores"]["mIoU"]["mean"] == pytest.approx(np.mean(list(values.values())), abs=1e-4)
    assert len(found["claims"]) == len(verdicts.CLAIMS)
    assert {claim["verdict"] for claim in found["claims"]} == {"not measured"}


def test_the_real_tiles_are_those_of_the_record(realdata: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "SIDE", 128)
        sizes = {
            name: [len(half) for half in data.halves(name, realdata, tmp_path / "tiles")]
            for name in data.FOLDERS
        }
    assert sizes == {"ign": [2, 2], "vaihingen": [8, 8], "levir": [2, 2], "dsifn": [2, 2]}
