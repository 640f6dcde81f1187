"""The class-free images: reproducible, three nested levels, no empty ones."""

from __future__ import annotations

import hashlib

import pytest
import torch

from mfnet_lite.world.shapes.images import ImageConfig, make_images


def test_same_seed_same_bytes_other_seed_other_bytes():
    one, two, three = (make_images(seed, 3, 48) for seed in (5, 5, 6))
    assert torch.equal(one.image, two.image)
    assert torch.equal(one.levels, two.levels)
    assert not torch.equal(one.image, three.image)


def test_images_of_a_seed_stay_what_they_were():
    """Trained weights and results stand on these bytes: drawing may become faster, not different."""
    images = make_images(seed=7, count=3, size=64)
    found = [hashlib.sha256(t.numpy().tobytes()).hexdigest() for t in (images.image, images.levels)]
    assert found == [
        "1e3ac3ffc5318ed9e1e72266b326ec8f483fd566ef67c50f8a030ea02cfe5092",
        "d3dfb2f3450ad3ef487535dba2eaeafe2ad9eae526b8697003b0602e347027f2",
    ]


def test_levels_are_nested():
    levels = make_images(1, 8, 64).levels
    for image in levels:
        part, thing, group = (level.flatten() for level in image)
        for fine, coarse in ((part, thing), (thing, group)):
            for index in fine.unique():
                assert len(coarse[fine == index].unique()) == 1


def test_every_image_offers_choices_at_every_level():
    levels = make_images(2, 16, 64).levels
    parts = [len(image[0].unique()) for image in levels]
    things = [len(image[1].unique()) for image in levels]
    groups = [len(image[2].unique()) for image in levels]
    assert min(things) >= 5
    assert sum(parts) > sum(things) > sum(groups)


def test_objects_are_visible():
    """Within an object colours vary less than across the image: otherwise there is nothing to learn."""
    images = make_images(3, 12, 64)
    within, overall = [], []
    for image, levels in zip(images.image.float(), images.levels, strict=True):
        overall.append(image.flatten(1).std(dim=1).mean())
        spread = [
            image[:, levels[0] == i].std(dim=1).mean()
            for i in levels[0].unique()
            if (levels[0] == i).sum() > 30
        ]
        within.append(torch.stack(spread).mean())
    assert torch.stack(within).mean() < 0.6 * torch.stack(overall).mean()


def test_parameters_do_what_they_say():
    no_parts = make_images(4, 6, 64, ImageConfig(split=0.0, child=0.0)).levels
    assert torch.equal(no_parts[:, 1] > 0, no_parts[:, 0] > 0)
    assert torch.equal(no_parts[:, 1], no_parts[:, 2])
    for image in no_parts:
        assert len(image[0].unique()) == len(image[1].unique())


@pytest.mark.parametrize(("count", "size"), [(0, 64), (1, 8)])
def test_impossible_images_are_refused(count, size):
    with pytest.raises(ValueError, match=f"count={count} and size={size}"):
        make_images(0, count, size)
