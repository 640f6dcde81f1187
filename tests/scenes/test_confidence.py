"""The probability of the chosen class beside a map."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine
from torch import nn

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.write import write_raster
from mfnet_lite.scenes.confidence import confidence_of
from mfnet_lite.scenes.predict import predict_scene

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)


class Fixed(nn.Module):
    """Logits of a pixel from its brightness alone."""

    def forward(self, sample):
        x = sample["optical"][:, :1]
        return torch.cat([-3 * x, x, 2 * x], dim=1)


@pytest.fixture
def scene(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (3, 70, 90)).astype(np.uint8)
    image[:, :5, :9] = 0
    return write_raster(tmp_path / "scene.tif", image, crs="EPSG:25832", transform=PLACE, nodata=0)


@pytest.mark.parametrize("blend", ["smooth", "sum"])
@pytest.mark.parametrize("cog", [False, True])
def test_equal_to_the_softmax(scene, tmp_path, blend, cog):
    out, sure = tmp_path / "map.tif", tmp_path / "map_confidence.tif"
    predict_scene(
        Fixed(),
        {"optical": scene},
        out,
        window=32,
        stride=24,
        blend=blend,
        confidence=sure,
        cog=cog,
        device="cpu",
        progress=False,
    )
    with rasterio.open(scene) as file:
        x = torch.from_numpy(file.read(1)).float() / 255
    p = torch.stack([-3 * x, x, 2 * x]).softmax(0).amax(0).numpy()
    with rasterio.open(sure) as file, rasterio.open(out) as labels:
        found, chosen = file.read(1), labels.read(1)
        assert (file.scales, file.nodata, file.dtypes[0]) == ((0.004,), 255, "uint8")
        assert file.descriptions == ("confidence",)
    assert (found[chosen == 255] == 255).all()
    assert (chosen[:5, :9] == 255).all()
    valid = chosen != 255
    # the last places of sums may round to the neighbouring step
    assert np.abs(found[valid] - p[valid] * 250).max() < 0.51
    assert raster_info(sure).crs == raster_info(scene).crs


def test_the_map_is_the_same_with_and_without(scene, tmp_path):
    arrays = []
    for number, confidence in enumerate((None, tmp_path / "c.tif")):
        out = predict_scene(
            Fixed(), {"optical": scene}, tmp_path / f"{number}.tif", window=32,
            confidence=confidence, device="cpu", progress=False,
        )  # fmt: skip
        arrays.append(out.read_bytes())
    assert arrays[0] == arrays[1]


def test_large_logits():
    assert confidence_of(torch.tensor([[[1e4, -1e4]], [[-1e4, -1e4]]])).tolist() == [[250, 125]]


def test_mistakes(scene, tmp_path):
    for out, confidence, words in (
        ("a.tif", "a.tif", "would be both the map and its confidence"),
        ("a.tif", "b.png", "a name ending in .tif"),
        ("a.tif", "scene.tif", "is an input"),
    ):
        with pytest.raises(ValueError, match=words):
            predict_scene(
                Fixed(), {"optical": scene}, tmp_path / out, confidence=tmp_path / confidence,
                device="cpu", progress=False,
            )  # fmt: skip
        assert not (tmp_path / "a.tif").exists()
