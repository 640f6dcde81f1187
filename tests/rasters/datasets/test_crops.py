from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mfnet_lite.rasters import RandomCrops, WholeTiles, open_folder, read_raster, write_raster


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_sample_follows_the_contract(dataset):
    sample = RandomCrops(open_folder(dataset).tiles("train"), 16)[0]
    assert {key: (tuple(v.shape), v.dtype) for key, v in sample.items()} == {
        "optical": ((4, 16, 16), torch.float32),
        "dsm": ((1, 16, 16), torch.float32),
        "label": ((16, 16), torch.int64),
    }
    assert 0 <= sample["optical"].min() <= sample["optical"].max() <= 1


def test_crop_is_a_pure_function_of_seed_epoch_index(dataset):
    tiles = open_folder(dataset).tiles("train")
    first, second = (RandomCrops(tiles, 16, length=8, seed=5) for _ in range(2))
    one = [first[i] for i in range(8)]
    assert all(same(one[i], second[i]) for i in reversed(range(8)))
    second.set_epoch(1)
    assert not any(same(one[i], second[i]) for i in range(8))
    second.set_epoch(0)
    assert same(one[3], second[3])
    assert not same(one[3], RandomCrops(tiles, 16, length=8, seed=6)[3])


def test_workers_and_cache_give_the_same_crops(dataset):
    tiles = open_folder(dataset).tiles("train")
    plain = RandomCrops(tiles, 16, length=6)
    expected = [plain[i] for i in range(6)]  # handles are open when the workers are forked
    cached = RandomCrops(tiles, 16, length=6, cache=True)
    assert all(same(expected[i], cached[i]) for i in range(6))
    for found, wanted in zip(DataLoader(plain, None, num_workers=2), expected, strict=True):
        assert same(found, wanted)
    assert same(pickle.loads(pickle.dumps(plain))[2], expected[2])


def test_living_workers_see_the_epoch_change(dataset):
    crops = RandomCrops(open_folder(dataset).tiles("train"), 16, length=4)
    loader = DataLoader(crops, None, num_workers=1, persistent_workers=True)
    first = list(loader)
    crops.set_epoch(1)
    second = list(loader)
    assert same(second[2], crops[2])
    assert not same(first[2], second[2])


def test_crop_is_the_place_it_says_with_flips(dataset):
    tiles = open_folder(dataset).tiles("train")
    crops = RandomCrops(tiles, 16, length=30)
    flips = set()
    for index in range(30):
        chosen, window, vertical, horizontal = crops.crop(index)
        flips.add((vertical, horizontal))
        axes = [axis for axis, flip in ((-2, vertical), (-1, horizontal)) if flip]
        image = read_raster(tiles[chosen].files["optical"], window).array / np.float32(255)
        label = read_raster(tiles[chosen].label, window).array[0]
        np.testing.assert_array_equal(crops[index]["optical"], np.flip(image, axes))
        np.testing.assert_array_equal(crops[index]["label"], np.flip(label, axes))
    assert len(flips) == 4
    still = RandomCrops(tiles, 16, length=30, flips=False)
    assert not any(any(still.crop(index)[2:]) for index in range(30))


def test_last_offset_is_reached(dataset):
    crops = RandomCrops(open_folder(dataset).tiles("train"), 38, length=300)
    rows = {crops.crop(i)[1].row for i in range(300)}
    cols = {crops.crop(i)[1].col for i in range(300)}
    assert rows == set(range(40 - 38 + 1))
    assert cols == set(range(48 - 38 + 1))
    full = RandomCrops(open_folder(dataset).tiles("train"), 40, length=20)
    assert {full.crop(i)[1].row for i in range(20)} == {0}


def test_small_tile_is_padded(dataset):
    sample = RandomCrops(open_folder(dataset).tiles("train"), 64, flips=False, valid=True)[0]
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[:40, :48] = True
    assert torch.equal(sample["valid"], inside)
    assert (sample["label"][~inside] == 255).all()
    assert (sample["optical"][:, ~inside] == 0).all()
    assert (sample["dsm"][:, ~inside] == 0).all()
    assert (sample["label"][4:40, :48] < 3).all()


def test_scaling_is_of_the_tile_not_of_the_crop(dataset):
    tiles = open_folder(dataset, ["dsm"]).tiles("train")[:1]
    crops = RandomCrops(tiles, 8, scaling="minmax", length=20)
    crops.prepare()
    dsm = read_raster(tiles[0].files["dsm"]).array
    low, high = dsm.min(), dsm.max()
    _, window, vertical, horizontal = crops.crop(7)
    axes = [axis for axis, flip in ((-2, vertical), (-1, horizontal)) if flip]
    expected = np.flip((dsm[(..., *window.slices)] - low) / (high - low), axes)
    np.testing.assert_allclose(crops[7]["dsm"], expected, atol=1e-6)


def test_nodata_of_the_elevation(dataset):
    path = dataset / "test" / "dsm" / "s0.tif"
    raster = read_raster(path)
    raster.array[0, 10:15] = -9999
    write_raster(path, raster.array, raster, nodata=-9999)
    sample = WholeTiles(open_folder(dataset).tiles("test"), scaling="robust", valid=True)[0]
    assert (sample["dsm"][0, 10:15] == 0).all()
    assert not sample["valid"][10:15].any()
    assert sample["valid"][15:].all()
    assert (sample["label"][10:15] < 3).all()  # the image is there: the label counts


def test_nodata_of_the_image_takes_the_label(dataset):
    path = dataset / "test" / "image" / "s0.tif"
    raster = read_raster(path)
    raster.array[:, 20:] = 0
    write_raster(path, raster.array, raster, nodata=0)
    sample = WholeTiles(open_folder(dataset).tiles("test"))[0]
    assert (sample["label"][20:] == 255).all()
    assert (sample["label"][4:20] < 3).all()


def test_wide_types_need_a_scale(dataset):
    for path in dataset.glob("*/image/*.tif"):
        raster = read_raster(path)
        write_raster(path, raster.array.astype(np.uint16) * 20, raster)
    with pytest.raises(ValueError, match=r"is uint16 and its range is not known.*image_scale"):
        RandomCrops(open_folder(dataset).tiles("train"), 16)[0]
    (dataset / "dataset.json").write_text('{"classes": ["a", "b", "c"], "image_scale": 5100}')
    sample = RandomCrops(open_folder(dataset).tiles("train"), 16)[0]
    assert 0.5 < sample["optical"].max() <= 1


def test_radar_in_floats_is_fitted_per_tile(dataset):
    rng = np.random.default_rng(0)
    for path in dataset.glob("*/image/*.tif"):
        sar = rng.normal(-12, 4, (40, 48)).astype(np.float32)
        write_raster(path.parent.parent / "sar" / path.name, sar)
    sample = WholeTiles(open_folder(dataset, ["sar"]).tiles("train"))[0]["sar"]
    assert (sample.min(), sample.max()) == (0, 1)
    assert 0.4 < sample.mean() < 0.6


def test_by_area_prefers_the_large_tile(dataset):
    for folder, bands in (("image", 4), ("dsm", 1), ("label", 1)):
        dtype = np.float32 if folder == "dsm" else np.uint8
        write_raster(dataset / "train" / folder / "t0.tif", np.ones((bands, 160, 192), dtype))
    tiles = open_folder(dataset, val_fraction=0).tiles("train")
    drawn = [RandomCrops(tiles, 8, length=200, by_area=True).crop(i)[0] for i in range(200)]
    assert drawn.count(0) > 140


def test_scene_is_not_held_in_memory(tmp_path):
    side = 3000
    for folder, dtype in (("image", np.uint8), ("label", np.uint8)):
        write_raster(tmp_path / folder / "big.tif", np.ones((1, side, side), dtype))
    (tmp_path / "dataset.json").write_text('{"classes": ["a", "b"]}')
    tiles = open_folder(tmp_path).tiles("train")
    tracemalloc.start()
    crops = RandomCrops(tiles, 64, length=10)
    for index in range(10):
        crops[index]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    cached = RandomCrops(tiles, 64, length=10, cache=True)
    cached[0]
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert peak < 0.2 * side * side
    assert held < 1.1 * 2 * side * side  # one copy of image and label, in bytes as in the file
    crops.reader.close()


def test_refusals(dataset):
    data = open_folder(dataset)
    tiles = data.tiles("train")
    with pytest.raises(ValueError, match="got none"):
        RandomCrops([], 16)
    with pytest.raises(ValueError, match="got none"):
        WholeTiles([])
    with pytest.raises(ValueError, match="size and length"):
        RandomCrops(tiles, 0)
    with pytest.raises(ValueError, match="seed"):
        RandomCrops(tiles, 16, seed=-1)
    with pytest.raises(IndexError, match="crop 5 is outside"):
        RandomCrops(tiles, 16, length=5)[5]
    with pytest.raises(ValueError, match="has no sensor 'sar'"):
        RandomCrops(tiles, 16, ["sar"])[0]
    with pytest.raises(ValueError, match="unknown scaling"):
        RandomCrops(tiles, 16, scaling="none")
    for path in (dataset / "train" / "label").iterdir():
        path.unlink()
    unlabelled = open_folder(dataset).tiles("train")
    with pytest.raises(ValueError, match="has no label"):
        RandomCrops(unlabelled, 16)
    assert "label" not in WholeTiles(unlabelled)[0]
