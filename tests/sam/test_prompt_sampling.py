"""Questions with known answers."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.sam.prompt_sampling import ambiguous_clicks, distance_transform_centres
from mfnet_lite.world.instances import scene_objects
from mfnet_lite.world.shapes.images import make_images


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_answers_are_nested_and_hold_their_click() -> None:
    levels = make_images(seed=3, count=3, size=64).levels
    points, truth = ambiguous_clicks(levels, 20, generator())
    x, y = points[:, :, 0].long().unbind(-1)
    n = torch.arange(3)[:, None]
    k = torch.arange(20)[None]
    assert truth[n, k, :, y, x].all()
    part, whole, group = truth.unbind(2)
    assert (part <= whole).all()
    assert (whole <= group).all()


def test_background_and_specks_are_not_clicked() -> None:
    levels = torch.ones(1, 3, 20, 20, dtype=torch.long)  # object 1 is background
    levels[:, :, 5:10, 5:10] = 9
    levels[:, :, 15, 15] = 12  # one pixel of 400 is below 0.3 %
    _, truth = ambiguous_clicks(levels, 50, generator())
    assert (truth.sum(dim=(-2, -1)) == 25).all()


def test_small_and_large_parts_are_equally_likely() -> None:
    levels = torch.full((1, 3, 20, 20), 7)
    levels[:, :, :2, :2] = 8
    _, truth = ambiguous_clicks(levels, 2000, generator())
    small = (truth[0, :, 0].sum(dim=(-2, -1)) == 4).float().mean()
    assert 0.45 < small < 0.55


def test_same_generator_same_questions() -> None:
    levels = make_images(seed=3, count=1, size=32).levels
    first, again = (ambiguous_clicks(levels, 4, generator(5))[0] for _ in range(2))
    assert torch.equal(first, again)


def test_inmost_point_of_an_l_lies_in_its_thick_arm() -> None:
    masks = torch.zeros(1, 2, 12, 12, dtype=torch.bool)
    masks[0, 0, :, :1] = True
    masks[0, 0, 7:12, 0:5] = True  # thick corner, centre (2, 9)
    masks[0, 1] = True
    points = distance_transform_centres(masks)
    assert points.shape == (1, 2, 1, 2)
    assert points[0, 0, 0].tolist() == [2.0, 9.0]
    assert set(points[0, 1, 0].tolist()) <= {5.0, 6.0}


def test_an_object_that_fills_its_tile_has_its_middle_in_the_middle() -> None:
    """The image's border counts: without it SciPy measures from a point above the upper left corner."""
    lake = torch.ones(1, 1, 5, 9, dtype=torch.bool)
    assert distance_transform_centres(lake).tolist() == [[[[2.0, 2.0]]]]
    square = torch.ones(1, 1, 7, 7, dtype=torch.bool)
    assert distance_transform_centres(square).tolist() == [[[[3.0, 3.0]]]]


def test_scene_objects_are_instances_and_repeat_only_if_needed() -> None:
    image, masks = scene_objects(4, 3, size=96)
    assert image.shape == (1, 3, 96, 96)
    assert image.dtype == torch.uint8
    assert masks.shape == (1, 3, 96, 96)
    assert (masks.sum(dim=(-2, -1)) >= 64).all()
    again = scene_objects(4, 3, size=96)[1]
    assert torch.equal(masks, again)
    with pytest.raises(ValueError, match=r"scene 4 has no instance of 100000 pixels"):
        scene_objects(4, 3, size=96, smallest=100_000)
