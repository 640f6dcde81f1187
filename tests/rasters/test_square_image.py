"""Any image as a square: padded as boxes are, black where nothing was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mfnet_lite.language.boxes import Square
from mfnet_lite.rasters import write_raster
from mfnet_lite.rasters.square_image import LARGEST, read_square, to_square

RNG = np.random.default_rng(0)
SHAPES = [(5, 5), (4, 9), (9, 4), (5, 8), (8, 5), (1, 6), (7, 1)]
"""Rows and columns, with differences that are even and odd."""


def marked(path: Path, kind: str, rows: int, cols: int, row: int, col: int) -> Path:
    """Write an image that is dark but for one pixel."""
    at = (slice(None), row, col)
    if kind == "bytes":
        array = np.zeros((3, rows, cols), np.uint8)
        array[at] = 255
    elif kind == "four":
        array = np.zeros((4, rows, cols), np.uint8)
        array[3] = 255
        array[at] = 255
    else:
        low, high = {"decibels": (-25.0, 3.0), "kelvin": (270.0, 310.0)}[kind]
        array = np.full((1, rows, cols), low, np.float32)
        array[at] = high
    return write_raster(path, array)


@pytest.mark.parametrize("kind", ["bytes", "four", "decibels", "kelvin"])
@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_a_marked_pixel_lies_where_boxes_say(
    tmp_path: Path, kind: str, rows: int, cols: int
) -> None:
    row, col = rows // 3, cols - 1 - cols // 4
    side = max(rows, cols)
    image = read_square(marked(tmp_path / "a.tif", kind, rows, cols, row, col), side)
    assert image.shape == (3, side, side)
    placed = Square(cols, rows).place((col, row, col + 1, row + 1), decimals=None).numbers
    x, y = (round(n * side) for n in placed[:2])
    found = image.amax(0)
    assert (int(found.argmax()) // side, int(found.argmax()) % side) == (y, x)
    assert (found > 0).sum() == 1


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_marked_pixel_lies_there_after_resizing(
    rows: int, cols: int, data: st.DataObject
) -> None:
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    array = np.zeros((rows, cols, 3), np.uint8)
    array[row, col] = 255
    side = 4 * max(rows, cols)
    image = to_square(array, side)[0].double()
    weights = image / image.sum()
    centre = torch.arange(side, dtype=torch.float64) + 0.5
    x, y = float((weights.sum(0) * centre).sum()), float((weights.sum(1) * centre).sum())
    x0, y0, x1, y1 = Square(cols, rows).place((col, row, col + 1, row + 1), None).numbers
    # at the border of the square half of the kernel is cut off
    assert x / side == pytest.approx((x0 + x1) / 2, abs=0.3 / max(rows, cols))
    assert y / side == pytest.approx((y0 + y1) / 2, abs=0.3 / max(rows, cols))


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_all_else_is_black_and_the_image_is_unchanged(rows: int, cols: int) -> None:
    array = RNG.integers(1, 256, (rows, cols, 3), dtype=np.uint8)
    square, side = Square(cols, rows), max(rows, cols)
    image = to_square(array, side)
    inner = image[:, square.top : square.top + rows, square.left : square.left + cols]
    np.testing.assert_array_equal(np.round(255 * inner.permute(1, 2, 0).numpy()), array)
    assert int((image == 0).sum()) == 3 * (side * side - rows * cols)


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    array = RNG.integers(100, 120, (3, 8, 8), dtype=np.uint8)
    image = read_square(write_raster(tmp_path / "a.tif", array), 8)
    np.testing.assert_allclose(255 * image.numpy(), array, atol=1e-4)
    Image.fromarray(array.transpose(1, 2, 0)).save(tmp_path / "a.png")
    assert torch.equal(read_square(tmp_path / "a.png", 8), image)
    grey = read_square(write_raster(tmp_path / "grey.tif", array[:1]), 8)
    assert torch.equal(grey, image[:1].expand(3, 8, 8))


def test_the_first_of_two_bands_is_shown_in_grey(tmp_path: Path) -> None:
    array = RNG.normal(-12, 4, (2, 8, 8)).astype(np.float32)
    both = read_square(write_raster(tmp_path / "both.tif", array), 8)
    assert torch.equal(both, read_square(write_raster(tmp_path / "one.tif", array[:1]), 8))
    assert torch.equal(both[0], both[2])


@pytest.mark.parametrize(("middle", "spread"), [(-12.0, 4.0), (285.0, 6.0)])
def test_measurements_are_stretched_between_two_percentiles(
    tmp_path: Path, middle: float, spread: float
) -> None:
    array = RNG.normal(middle, spread, (1, 40, 40)).astype(np.float32)
    image = read_square(write_raster(tmp_path / "a.tif", array), 40)[0].numpy()
    low, high = np.percentile(array, [2, 98])
    np.testing.assert_allclose(image, ((array[0] - low) / (high - low)).clip(0, 1), atol=0.003)
    moved = read_square(write_raster(tmp_path / "b.tif", 2 * array + 50), 40)[0].numpy()
    np.testing.assert_allclose(moved, image, atol=0.005)


@pytest.mark.parametrize("nodata", [-9999.0, np.nan, 0.0])
def test_no_data_is_black(tmp_path: Path, nodata: float) -> None:
    array = RNG.normal(285, 6, (1, 12, 12)).astype(np.float32)
    whole = read_square(write_raster(tmp_path / "whole.tif", array[:, 3:]), 12)
    holes = array.copy()
    holes[:, :3] = nodata
    image = read_square(write_raster(tmp_path / "a.tif", holes, nodata=nodata), 12)
    assert (image[:, :3] == 0).all()
    assert image[:, 3:].std() > 0.2
    # the stretch is that of what was measured
    torch.testing.assert_close(image[:, 3:], whole[:, 1:10], atol=1e-5, rtol=0)


def test_an_image_without_any_data_is_black(tmp_path: Path) -> None:
    for number, array in enumerate(
        (np.full((1, 6, 9), -9999, np.float32), np.zeros((3, 6, 9), np.uint8))
    ):
        path = write_raster(tmp_path / f"{number}.tif", array, nodata=float(array.max()))
        image = read_square(path, 16)
        assert image.shape == (3, 16, 16)
        assert (image == 0).all()


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    array = RNG.integers(1, 256, (6, 6, 4), dtype=np.uint8)
    array[..., 3] = 255
    array[:2, :, 3] = 0
    Image.fromarray(array, mode=None).save(tmp_path / "a.png")
    image = read_square(tmp_path / "a.png", 6)
    assert (image[:, :2] == 0).all()
    assert (image[:, 2:] > 0).all()


def test_more_bands_than_three_and_large_numbers(tmp_path: Path) -> None:
    array = RNG.integers(200, 4000, (4, 20, 20), dtype=np.uint16)
    array[3] = 60_000
    image = read_square(write_raster(tmp_path / "a.tif", array), 20)
    assert 0.4 < float(image.mean()) < 0.6
    array[3] = 0
    assert torch.equal(read_square(write_raster(tmp_path / "b.tif", array), 20), image)


def test_values_stay_between_0_and_1_however_resized() -> None:
    array = RNG.choice([0, 255], (37, 21, 3)).astype(np.uint8)
    for side in (5, 16, 37, 64):
        image = to_square(array, side)
        assert image.shape == (3, side, side)
        assert image.dtype == torch.float32
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.tif"):
        read_square(tmp_path / "none.tif", 16)
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(ValueError, match=r"text\.tif"):
        read_square(tmp_path / "text.tif", 16)
    long = write_raster(tmp_path / "long.tif", np.zeros((1, 1, LARGEST + 1), np.uint8))
    with pytest.raises(ValueError, match=r"long\.tif has 8193 x 1 pixels.* at most 8192"):
        read_square(long, 16)
