"""Crops with objects: the same place, the same flips, numbers that do not collide, a loss that trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mfnet_lite import world
from mfnet_lite.losses import AssistedLoss
from mfnet_lite.nets import UNet
from mfnet_lite.rasters import RandomCrops, WithObjects, find_object_files, open_folder, read_raster
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects") / "world"
    world.write_folder(folder, 2, 64, seed=3, splits=(1.0, 0.0, 0.0), quiet=True)
    return open_folder(folder, ["optical"], val_fraction=0.0).tiles("train")


@pytest.fixture
def crops(tiles):
    return WithObjects(RandomCrops(tiles, 32, length=12), find_object_files(tiles, "instances"))


def test_objects_lie_where_the_image_does(tiles, crops):
    flipped = set()
    for index in range(12):
        sample = crops[index]
        chosen, window, vertical, horizontal = crops.dataset.crop(index)
        flipped.add((vertical, horizontal))
        path = tiles[chosen].label.parents[1] / "instances" / tiles[chosen].label.name
        whole = read_raster(path).array[0].astype(int)
        expected = whole[window.slices]
        expected = np.flip(expected, [a for a, f in ((0, vertical), (1, horizontal)) if f])
        ids = sample["objects"].numpy()
        assert sample["objects"].dtype == torch.int64
        assert sample["boundaries"].dtype == torch.bool
        assert not ids[sample["boundaries"]].any()
        kept = ids > 0
        pairs = np.unique(np.stack([ids[kept], expected[kept]]), axis=1)
        assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]  # one to one
        assert pairs[0].tolist() == list(range(1, pairs.shape[1] + 1))
        inner = ~sample["boundaries"].numpy()
        assert np.array_equal(kept[inner], (expected > 0)[inner])
    assert len(flipped) > 2


def test_epochs_workers_and_turns_pass_through(tiles, crops):
    first = crops[5]
    crops.set_epoch(1)
    other = crops[5]
    assert not torch.equal(first["optical"], other["optical"])
    crops.set_epoch(0)
    for found, wanted in zip(
        DataLoader(crops, None, num_workers=1), (crops[i] for i in range(12)), strict=True
    ):
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    turned = RandomJitter(crops, seed=2, brightness=0.0)
    for index in range(6):
        sample, plain = turned[index], crops[index]
        k = next(k for k in range(4) if torch.equal(
            torch.rot90(plain["optical"], k, (-2, -1)), sample["optical"]))  # fmt: skip
        for name in ("objects", "boundaries", "label"):
            assert torch.equal(torch.rot90(plain[name], k, (-2, -1)), sample[name]), name


def test_number_of_maps_is_checked(tiles):
    with pytest.raises(ValueError, match="object maps of 2 tiles, got 1"):
        WithObjects(RandomCrops(tiles, 32), find_object_files(tiles, "instances")[:1])


def test_training_with_both_losses_makes_objects_uniform(crops):
    """The variance within objects falls when it is trained on, beyond what labels alone bring."""

    def variance(weight: float) -> float:
        torch.manual_seed(0)
        net = UNet({"optical": 3}, 6, width=4, depth=2)
        config = TrainConfig(steps=12, batch=4, lr=1e-2, warmup=0, device="cpu", progress=False)
        fit(net, crops, config=config, loss=AssistedLoss(weight, 0.1))
        batch = {k: torch.stack([crops[i][k] for i in range(4)]) for k in crops[0]}
        with torch.no_grad():
            logits = net.eval()(batch)
            found = AssistedLoss(1.0, 0.1).terms(logits, batch)
        return (found["objects"] / logits.var()).item()

    assert variance(10.0) < 0.7 * variance(0.0)
