"""A SAM of any number format can be prompted; in float32 with the official bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom
from torch import Tensor, nn

from mfnet_lite.sam import build_sam, embed_images, generate_masks, predict_masks
from mfnet_lite.sam.positions import code_of_grid, code_of_places
from tests.small_sam import SMALLEST

FORMATS = [torch.float16, torch.bfloat16, torch.float64]
PLACES = torch.tensor([[[0.5, 0.5], [31.0, 7.25]], [[12.0, 40.0], [64.0, 48.0]]])


def layer(dtype: torch.dtype) -> PositionEmbeddingRandom:
    torch.manual_seed(0)
    return PositionEmbeddingRandom(8).to(dtype)


def by_numpy(of: PositionEmbeddingRandom, places: np.ndarray) -> Tensor:
    """The formula of Tancik et al. 2020 for places from 0 to 1, in float64."""
    turns = 2 * np.pi * ((2 * places - 1) @ of.positional_encoding_gaussian_matrix.double().numpy())
    return torch.from_numpy(np.concatenate([np.sin(turns), np.cos(turns)], axis=-1))


@pytest.mark.parametrize("dtype", FORMATS)
def test_codes_have_the_format_of_the_matrix_and_its_precision(dtype: torch.dtype) -> None:
    of = layer(dtype)
    close = {"atol": 1e-5 if dtype != torch.float64 else 1e-12, "rtol": torch.finfo(dtype).eps}
    places = code_of_places(of, PLACES, (48, 64))
    assert places.dtype == dtype
    expected = by_numpy(of, PLACES.double().numpy() / [64, 48])
    torch.testing.assert_close(places.double(), expected, **close)
    y, x = np.meshgrid((np.arange(3) + 0.5) / 3, (np.arange(5) + 0.5) / 5, indexing="ij")
    grid = code_of_grid(of, (3, 5))
    assert grid.dtype == dtype
    expected = by_numpy(of, np.stack([x, y], axis=-1)).permute(2, 0, 1)
    torch.testing.assert_close(grid.double(), expected, **close)


def test_in_float32_they_are_the_official_ones() -> None:
    of, places = layer(torch.float32), PLACES.clone()
    found = code_of_places(of, places, (48, 64))
    assert torch.equal(found, of.forward_with_coords(PLACES, (48, 64)))
    assert torch.equal(code_of_grid(of, (3, 5)), of((3, 5)))
    assert torch.equal(places, PLACES)  # nothing is written into the caller's places


def test_what_stands_in_the_place_of_the_module_is_called() -> None:
    class Zeros(nn.Module):
        def forward(self, size: tuple[int, int]) -> Tensor:
            return torch.zeros(4, *size)

    assert code_of_grid(Zeros(), (2, 3)).shape == (4, 2, 3)  # type: ignore[arg-type]


def picture() -> np.ndarray:
    image = np.full((24, 32, 3), 60, dtype=np.uint8)
    image[8:16, 10:22] = 200
    return image


@torch.no_grad()
@pytest.mark.parametrize("dtype", FORMATS)
def test_prompts_in_any_format(dtype: torch.dtype) -> None:
    close = 1e-4 if dtype == torch.float64 else 0.1
    exact, sam = (build_sam(SMALLEST, seed=0).eval() for _ in range(2))
    sam.to(dtype)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255
    points, labels = torch.tensor([[[[9.0, 20.0], [3.0, 3.0]]]]), torch.tensor([[[1, 0]]])
    expected, found = (
        predict_masks(s, embed_images(s, images), points=points, labels=labels)
        for s in (exact, sam)
    )
    assert found.masks.dtype == dtype
    for a, b in ((found.masks, expected.masks), (found.iou, expected.iou)):
        assert (a.double() - b.double()).norm() < close * b.norm()


@pytest.mark.parametrize("dtype", FORMATS)
def test_automatic_masks_in_any_format(dtype: torch.dtype) -> None:
    options = {"points_per_side": 2, "pred_iou_thresh": -9.0, "stability_score_thresh": 0.0}
    exact, sam = (build_sam(SMALLEST, seed=0).eval() for _ in range(2))
    records = generate_masks(sam.to(dtype), picture(), **options)
    assert records
    if dtype == torch.float64:
        expected = generate_masks(exact, picture(), **options)
        assert [r["area"] for r in records] == [r["area"] for r in expected]
        assert [r["predicted_iou"] for r in records] == pytest.approx(
            [r["predicted_iou"] for r in expected], abs=1e-5
        )
