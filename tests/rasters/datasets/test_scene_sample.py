"""A scene in memory as a sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.rasters import fit_scaling, scene_sample
from mfnet_lite.world import make_scene


@pytest.mark.parametrize("scaling", ["ground", "minmax"])
def test_a_scene_becomes_what_a_network_takes(scaling: str) -> None:
    scene = make_scene(3, size=64, gsd=0.5)
    sample = scene_sample(scene, scaling)
    assert {name: (tuple(x.shape), x.dtype) for name, x in sample.items()} == {
        "optical": ((3, 64, 64), torch.float32),
        "dsm": ((1, 64, 64), torch.float32),
        "label": ((64, 64), torch.int64),
    }
    assert torch.equal((255 * sample["optical"]).round().byte(), torch.from_numpy(scene.optical[:3]))  # fmt: skip
    by_hand = fit_scaling(scene.dsm, scene.dsm_valid, scaling, 0.5)(scene.dsm, scene.dsm_valid)
    assert np.array_equal(sample["dsm"][0].numpy(), by_hand)
    assert not sample["dsm"][0].numpy()[~scene.dsm_valid].any()
