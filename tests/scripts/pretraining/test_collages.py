"""Collages: reproducible, ids that nest, objects of all sizes, textures of photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scripts.pretraining import collages


@pytest.fixture(scope="module")
def made():
    return collages.make_collages(5, 8, 96)


def test_a_seed_gives_the_same_pictures_and_another_gives_others(made):
    again, other = collages.make_collages(5, 8, 96), collages.make_collages(6, 8, 96)
    assert torch.equal(again.image, made.image)
    assert torch.equal(again.levels, made.levels)
    assert not torch.equal(other.image, made.image)
    assert made.image.shape == made.levels.shape == (8, 3, 96, 96)
    assert made.image.dtype == torch.uint8


def test_parts_lie_in_objects_and_objects_in_groups(made):
    for part, object_, group in made.levels:
        for inner, outer in ((part, object_), (object_, group)):
            for i in inner.unique():
                assert len(outer[inner == i].unique()) == 1
        assert ((part == 0) == (group == 0)).all()
        assert part.max() > object_.max()


def test_small_objects_are_common_and_large_ones_there(made):
    areas = np.array(
        [
            int((objects == i).sum()) / objects.numel()
            for objects in made.levels[:, 1]
            for i in objects.unique()
            if i > 0
        ]
    )
    assert len(areas) > 60
    assert (areas < 0.004).mean() > 0.3
    assert (areas > 0.05).any()


def test_photographs_come_from_the_packages_and_are_in_colour():
    found = collages.photographs()
    assert len(found) >= 10
    assert all(p.mode == "RGB" and max(p.size) <= 1024 for p in found)


def test_pictures_are_neither_flat_nor_clipped(made):
    spread = made.image.float().flatten(1).std(dim=1)
    assert spread.min() > 5
    assert ((made.image == 0) | (made.image == 255)).float().mean() < 0.3


def test_the_same_object_looks_alike_in_its_family():
    """Members of a family are near in size and colour; a family of its own is not."""
    collage = collages._Collage(np.random.default_rng(0), 64)
    kind = collage._kind(0.1)
    members = [collage._vary(kind, 0.0) for _ in range(50)]
    sizes = np.log([m["extent"] / kind["extent"] for m in members])
    assert abs(sizes).max() < 4 * kind["likeness"]
    assert all(m["code"] == kind["code"] for m in members)
