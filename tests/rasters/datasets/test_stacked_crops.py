from __future__ import annotations

import pytest
import torch

from mfnet_lite.rasters import RandomCrops, open_folder, stack_crops


def test_crops_of_all_training_tiles_are_stacked(dataset):
    batch = stack_crops(dataset, "train", 16, ["dsm"], 5, seed=3)
    assert {name: (tuple(x.shape), x.dtype) for name, x in batch.items()} == {
        "dsm": ((5, 1, 16, 16), torch.float32),
        "label": ((5, 16, 16), torch.int64),
    }
    tiles = open_folder(dataset, val_fraction=0.0).tiles("train")
    crops = RandomCrops(tiles, 16, ["dsm"], 5, seed=3)
    for index in range(5):
        assert all(torch.equal(batch[name][index], x) for name, x in crops[index].items())
    assert not torch.equal(batch["dsm"], stack_crops(dataset, "train", 16, ["dsm"], 5, 4)["dsm"])


def test_a_split_that_is_not_there(dataset):
    with pytest.raises(ValueError, match="no tiles in the split"):
        stack_crops(dataset, "elsewhere", 16, ["dsm"], 5)
