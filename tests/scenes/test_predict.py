"""Maps: equal to one pass where theory says so, in the right place, at bounded memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from torch import nn

from mfnet_lite.nets.unet import UNet
from mfnet_lite.rasters.datasets.tile_reader import TileReader
from mfnet_lite.rasters.tiling import windows
from mfnet_lite.rasters.write import write_raster
from mfnet_lite.scenes.evaluate import evaluate, read_from
from mfnet_lite.scenes.map_areas import panels
from mfnet_lite.scenes.predict import predict_array, predict_scene
from mfnet_lite.scenes.windows import Windows, blend_windows

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)


class Conv(nn.Module):
    """One convolution; with a 1 × 1 kernel every pixel is on its own."""

    def __init__(self, kernel: int, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, classes, kernel, padding=kernel // 2)

    def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.conv(torch.cat([sample["optical"], sample["dsm"]], dim=1))


def scene(height: int, width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "optical": torch.rand(3, height, width, generator=generator),
        "dsm": torch.rand(1, height, width, generator=generator),
    }


def direct(model: nn.Module, sample: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return model({name: value[None] for name, value in sample.items()})[0]


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    window=st.integers(1, 24),
    step=st.floats(0.05, 1.0),
    batch=st.integers(1, 5),
    repeat=st.booleans(),
)
def test_a_pixelwise_model_does_not_see_the_windows(height, width, window, step, batch, repeat):
    sample, model = scene(height, width), Conv(1)
    stride = max(1, round(step * window))
    options = Windows(window, stride, batch=batch, repeat_border=repeat)
    expected = direct(model, sample)
    seen = torch.zeros(height, width)
    for place in windows(height, width, window, stride, repeat):
        seen[place.slices] += 1
    # Every one of the summed windows may round the running total by one unit in the last place.
    rounding = torch.finfo(torch.float32).eps * seen.max().item() * expected.abs().max().item()
    smooth = predict_array(model, sample, replace(options, blend="smooth"))
    assert torch.allclose(smooth, expected, atol=1e-5 + rounding)
    summed = predict_array(model, sample, replace(options, blend="sum"))
    assert torch.allclose(summed, expected * seen, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blend", ["smooth", "sum"])
@pytest.mark.parametrize("size", [(48, 48), (37, 21)])
def test_one_window_over_all_equals_one_pass(blend, size):
    torch.manual_seed(0)
    model = UNet({"optical": 3, "dsm": 1}, 3, width=4, depth=2).eval()
    logits = predict_array(model, scene(*size), window=64, blend=blend)
    assert torch.allclose(logits, direct(model, scene(*size)), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(5, 50), width=st.integers(5, 50), blend=st.sampled_from(["smooth", "sum"])
)
def test_a_margin_of_the_receptive_radius_makes_a_convolution_exact(height, width, blend):
    sample, model = scene(height, width), Conv(5)
    logits = predict_array(model, sample, window=16, stride=12, margin=2, blend=blend)
    expected = direct(model, sample)
    assert torch.equal(logits.argmax(0), expected.argmax(0)) or torch.allclose(
        logits.softmax(0), expected.softmax(0), atol=1e-4
    )
    if blend == "smooth":
        assert torch.allclose(logits, expected, atol=1e-5)
        seams = predict_array(model, sample, window=16, stride=16, margin=0)
        if max(height, width) > 16:
            assert not torch.allclose(seams, expected, atol=1e-5)


def test_weights_by_hand():
    assert Windows(4, blend="sum").weights(0, 4).tolist() == [1, 1, 1, 1]
    at_the_end = Windows(5, 1, blend="sum", margin=2).weights(3, 8)
    assert at_the_end.tolist() == [0, 0, 1, 1, 1]
    smooth = Windows(4).weights(0, 4)
    assert smooth.tolist() == pytest.approx([0.1464, 0.8536, 0.8536, 0.1464], abs=1e-4)
    assert torch.allclose(smooth, smooth.flip(0))


def test_the_model_is_left_in_the_mode_it_was_in():
    model = UNet({"optical": 3}, 2, width=2, depth=1).train()
    model.up.eval()
    before = {name: module.training for name, module in model.named_modules()}
    statistics = [b.clone() for b in model.buffers()]
    predict_array(model, {"optical": torch.rand(3, 20, 20)}, window=16)
    assert {name: module.training for name, module in model.named_modules()} == before
    assert all(torch.equal(a, b) for a, b in zip(statistics, model.buffers(), strict=True))


def write_scene(folder: Path, height: int = 90, width: int = 70) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, height, width), dtype=np.uint8)
    dsm = rng.random((height, width), dtype=np.float32) * 20 + 100
    optical[:, :5, :7] = 0
    dsm[40:44, 10:13] = -9999
    dsm[60, 60] = np.nan
    where = {"crs": "EPSG:25832", "transform": PLACE}
    return {
        "optical": write_raster(folder / "optical.tif", optical, nodata=0, **where),
        "dsm": write_raster(folder / "dsm.tif", dsm, nodata=-9999, **where),
    }


def test_the_map_lies_in_place_with_colours_and_holes(tmp_path):
    paths, model = write_scene(tmp_path), Conv(1)
    palette = [(255, 255, 255), (0, 0, 255), (0, 255, 0)]
    out = predict_scene(
        model,
        paths,
        tmp_path / "maps" / "map.tif",
        window=32,
        scaling="minmax",
        classes=["a", "b", "c"],
        palette=palette,
        device="cpu",
        progress=False,
    )
    with rasterio.open(out) as source:
        labels = source.read(1)
        assert source.transform == PLACE
        assert source.crs.to_epsg() == 25832
        assert source.nodata == 255
        assert source.dtypes == ("uint8",)
        assert [source.colormap(1)[c][:3] for c in range(3)] == palette
        assert source.tags()["CLASSES"] == "0 a; 1 b; 2 c"
    holes = np.zeros(labels.shape, dtype=bool)
    holes[:5, :7] = holes[40:44, 10:13] = holes[60, 60] = True
    assert np.array_equal(labels == 255, holes)
    with rasterio.open(paths["optical"]) as a, rasterio.open(paths["dsm"]) as b:
        optical, dsm = a.read() / np.float32(255), b.read()
    usable = np.isfinite(dsm) & (dsm != -9999)
    low, high = dsm[usable].min(), dsm[usable].max()
    scaled = np.where(usable, (dsm - low) / (high - low), 0).astype(np.float32)
    sample = {"optical": torch.from_numpy(optical), "dsm": torch.from_numpy(scaled)}
    expected = direct(model, sample).argmax(0).numpy()
    assert (labels == expected)[~holes].mean() > 0.999
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == ["map.tif"]


def test_holes_of_the_first_sensor_only(tmp_path):
    out = predict_scene(
        Conv(1),
        write_scene(tmp_path),
        tmp_path / "map.tif",
        window=32,
        holes="first",
        device="cpu",
        progress=False,
    )
    with rasterio.open(out) as source:
        assert int((source.read(1) == 255).sum()) == 35


def test_no_input_is_overwritten(tmp_path):
    paths = write_scene(tmp_path)
    mosaic = tmp_path / "mosaic.vrt"
    mosaic.write_text(
        '<VRTDataset rasterXSize="70" rasterYSize="90"><SRS>EPSG:25832</SRS>'
        f"<GeoTransform>{', '.join(map(str, PLACE.to_gdal()))}</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">dsm.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    kept = {path: path.read_bytes() for path in paths.values()}
    detour = tmp_path / "x" / ".." / "optical.tif"
    (tmp_path / "x").mkdir()
    for scene_files, out in (
        (paths, paths["optical"]),
        (paths, paths["dsm"]),
        (paths, detour),
        (paths | {"dsm": mosaic}, paths["dsm"]),
    ):
        with pytest.raises(ValueError, match=r"is an input.*choose another name"):
            predict_scene(Conv(1), scene_files, out, device="cpu", progress=False)
    assert kept == {path: path.read_bytes() for path in kept}


def test_faults_name_the_file_and_leave_no_map(tmp_path):
    paths, out = write_scene(tmp_path), tmp_path / "map.tif"
    dsm = np.ones((90, 70), np.float32)
    options = {"device": "cpu", "progress": False}
    moved = write_raster(
        tmp_path / "moved.tif",
        dsm,
        crs="EPSG:25832",
        transform=Affine(0.5, 0, 400_001.5, 0, -0.5, 5_700_000),
    )
    with pytest.raises(ValueError, match=r"moved\.tif lies up to 3\.00 pixels off"):
        predict_scene(Conv(1), paths | {"dsm": moved}, out, **options)
    other = write_raster(tmp_path / "other.tif", dsm, crs="EPSG:25833", transform=PLACE)
    with pytest.raises(ValueError, match=r"other\.tif is in EPSG:25833"):
        predict_scene(Conv(1), paths | {"dsm": other}, out, **options)
    small = write_raster(tmp_path / "small.tif", dsm[:50], crs="EPSG:25832", transform=PLACE)
    with pytest.raises(ValueError, match=r"small\.tif has 50 x 70 pixels, expected 90 x 70"):
        predict_scene(Conv(1), paths | {"dsm": small}, out, **options)
    with pytest.raises(FileNotFoundError, match=r"none\.tif"):
        predict_scene(Conv(1), paths | {"dsm": tmp_path / "none.tif"}, out, **options)
    with pytest.raises(ValueError, match=r"ending in \.tif"):
        predict_scene(Conv(1), paths, tmp_path / "map.png", **options)
    with pytest.raises(ValueError, match="at least one raster"):
        predict_scene(Conv(1), {}, out, **options)
    with pytest.raises(ValueError, match="holes"):
        predict_scene(Conv(1), paths, out, holes="none", **options)  # type: ignore[arg-type]

    class Broken(Conv):
        def forward(self, sample):
            return super().forward(sample)[..., 1:]

    with pytest.raises(ValueError, match="expected logits of shape"):
        predict_scene(Broken(1), paths, out, **options)
    assert not out.exists()


def test_windows_are_checked_when_they_are_made():
    for faulty in ({"stride": 0}, {"stride": 40}, {"margin": -1}, {"size": 0}):
        with pytest.raises(ValueError, match=r"at least 1|leave gaps"):
            Windows(**{"size": 32, **faulty})


def test_windows_by_keyword_are_those_of_the_object():
    sample, model = scene(50, 40), Conv(3)
    by_object = predict_array(model, sample, Windows(16, stride=12, blend="sum", margin=1))
    by_keyword = predict_array(model, sample, window=16, stride=12, blend="sum", margin=1)
    assert torch.equal(by_object, by_keyword)
    with pytest.raises(TypeError, match=r"both \(window\)"):
        predict_array(model, sample, Windows(16), window=16)
    with pytest.raises(TypeError, match="unknown option official"):
        predict_array(model, sample, official=True)  # type: ignore[call-arg]


def test_settings_that_leave_gaps_are_refused():
    for options in ({"stride": 40}, {"stride": 16, "margin": 9}, {"batch": 0}, {"blend": "max"}):
        with pytest.raises(ValueError, match=r"gaps|batch|blend"):
            predict_array(Conv(1), scene(50, 50), window=32, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grid"):
        predict_array(Conv(1), scene(5, 5) | {"dsm": torch.zeros(1, 4, 5)})


@settings(deadline=None, max_examples=15)
@given(
    width=st.integers(1, 90),
    cut=st.floats(0.01, 0.99),
    blend=st.sampled_from(["smooth", "sum"]),
    repeat=st.booleans(),
    stride=st.integers(4, 12),
)
def test_panels_give_what_the_whole_gives(width, cut, blend, repeat, stride):
    sample, model = scene(20, width), Conv(5)
    options = Windows(16, stride, blend, margin=2, repeat_border=repeat)

    def rows(columns: tuple[int, int]) -> torch.Tensor:
        parts = blend_windows(model, read_from(sample), 20, width, options, columns)
        return torch.cat([part for _, part in parts], dim=1)

    whole, middle = rows((0, width)), max(1, round(cut * width))
    if middle < width:
        joined = torch.cat([rows((0, middle)), rows((middle, width))], dim=2)
        assert torch.allclose(joined, whole, atol=1e-5)
    with pytest.raises(ValueError, match="expected columns between"):
        rows((0, width + 1))


def test_the_map_lies_where_any_of_its_rasters_says(tmp_path):
    rng = np.random.default_rng(0)
    image = write_raster(tmp_path / "plain.tif", rng.integers(1, 255, (3, 20, 30), np.uint8))
    heights = rng.random((20, 30), np.float32)
    dsm = write_raster(tmp_path / "dsm.tif", heights, crs="EPSG:25832", transform=PLACE)
    paths, out = {"optical": image, "dsm": dsm}, tmp_path / "map.tif"
    predict_scene(Conv(1), paths, out, window=16, scaling="minmax", progress=False, device="cpu")
    with rasterio.open(out) as made:
        assert (made.crs.to_epsg(), made.transform) == (25832, PLACE)


@pytest.mark.parametrize("holes", ["any", "first"])
def test_a_map_in_panels_is_the_same_map(tmp_path, holes):
    paths = write_scene(tmp_path, height=70, width=600)
    made = []
    for panel in (4096, 256):
        out = predict_scene(
            Conv(3),
            paths,
            tmp_path / f"{panel}.tif",
            window=48,
            stride=20,
            holes=holes,
            panel=panel,
            device="cpu",
            progress=False,
        )
        with rasterio.open(out) as source:
            made.append(source.read(1))
    assert panels(600, 256) == [(0, 256), (256, 512), (512, 600)]
    assert np.array_equal(made[0], made[1])


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_no_pixel_of_a_panel_is_read_twice(tmp_path, monkeypatch, stride):
    paths = write_scene(tmp_path, 100, 70)
    areas = []
    patch = TileReader.patch

    def noted(self, tile, window):
        areas.append(window)
        return patch(self, tile, window)

    monkeypatch.setattr(TileReader, "patch", noted)
    model = UNet(dict.fromkeys(paths, 1) | {"optical": 3}, 3, width=2, depth=1).eval()
    out = predict_scene(
        model, paths, tmp_path / "map.tif", window=32, stride=stride, device="cpu", progress=False
    )
    read = np.zeros((100, 70), dtype=int)
    for window in areas:
        read[window.slices] += 1
    assert read.min() == read.max() == 1
    with rasterio.open(out) as file:
        assert file.shape == (100, 70)


def test_the_authors_evaluation_is_their_loop(tmp_path):
    """Their test loop, written out: every start clamped, raw logits added, argmax."""
    sample, model = scene(70, 55), Conv(3)
    size, stride = 32, 8
    seen = torch.zeros(3, 70, 55)
    count = 0
    for top in range(0, 70, stride):
        for left in range(0, 55, stride):
            r, c = min(top, 70 - size), min(left, 55 - size)
            part = {name: x[:, r : r + size, c : c + size] for name, x in sample.items()}
            seen[:, r : r + size, c : c + size] += direct(model, part)
            count += 1
    ours = predict_array(model, sample, Windows(size, stride, "sum", batch=3, repeat_border=True))
    assert count == len(windows(70, 55, size, stride, official=True)) == 63
    assert torch.allclose(ours, seen, rtol=1e-4, atol=1e-4)
    single = predict_array(model, sample, window=size, stride=stride, blend="sum")
    assert not torch.allclose(single, seen, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_answers_no_numbers_gives_no_map(tmp_path, value):
    model = Conv(1)
    with torch.no_grad():
        model.conv.weight.fill_(value)
    sample = scene(16, 16)
    with pytest.raises(FloatingPointError, match="windows at row 0, columns 0 to 16"):
        predict_array(model, sample, window=16)
    labelled = [sample | {"label": torch.zeros(16, 16, dtype=torch.long)}]
    with pytest.raises(FloatingPointError, match="the training diverged"):
        evaluate(model, labelled, window=16)
    place = {"crs": "EPSG:25832", "transform": PLACE}
    for name, values in sample.items():
        write_raster(tmp_path / f"{name}.tif", values.numpy(), **place)
    paths = {name: tmp_path / f"{name}.tif" for name in sample}
    with pytest.raises(FloatingPointError, match="expected finite logits"):
        predict_scene(
            model, paths, tmp_path / "map.tif", window=16, scaling="minmax", progress=False
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dsm.tif", "optical.tif"]
