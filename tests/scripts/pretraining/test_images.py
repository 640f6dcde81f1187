"""The stream of pre-training pictures: the same after a stop, image and ids turned together, some of it new."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from scripts.pretraining import images

OPTIONS = {"size": 32, "window": 16, "batch": 4, "fresh": 2, "pool": 8}


def test_a_stream_goes_on_where_it_stopped():
    whole = list(images.Stream(7, 0, 6, **OPTIONS))
    rest = list(images.Stream(7, 4, 6, **OPTIONS))
    assert len(whole) == 6
    for (image, levels), (again, ids) in zip(whole[4:], rest, strict=True):
        assert torch.equal(image, again)
        assert torch.equal(levels, ids)
        assert image.shape == levels.shape == (4, 3, 16, 16)


def test_other_seeds_and_steps_give_other_pictures():
    (a, _), (b, _) = islice(images.Stream(7, 0, 2, **OPTIONS), 2)
    (c, _) = next(iter(images.Stream(8_000, 0, 2, **OPTIONS)))
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("seed", range(8))
def test_image_and_ids_stay_together(seed):
    place = torch.arange(24 * 24).reshape(24, 24)
    image = torch.stack([place * 3 % 251, place * 5 % 241, place * 7 % 239]).to(torch.uint8)
    levels = place.repeat(3, 1, 1)
    seen, ids = images.vary(image, levels, 8, torch.Generator().manual_seed(seed))
    order = [next(k for k in range(3) if torch.equal(c, image[k].flatten()[ids[0]])) for c in seen]
    assert sorted(order) == [0, 1, 2]
    rows = ids[0] // 24
    assert len(rows.unique()) == 8
    assert torch.equal(ids[0], ids[2])


def test_all_turns_and_mirrors_come_up():
    levels = torch.arange(9).reshape(3, 3).expand(3, 3, 3)
    image = levels.to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    seen = {
        tuple(images.vary(image, levels, 3, generator)[1][0].flatten().tolist()) for _ in range(200)
    }
    assert len(seen) == 8
