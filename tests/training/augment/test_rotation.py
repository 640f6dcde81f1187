"""Mirrored and tilted samples: image and label move together, nothing is interpolated that must not be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.training.augment.rotation import RandomRotation, rotate


def plain(height: int = 40, width: int = 40, number: int = 1) -> list[dict[str, torch.Tensor]]:
    samples = []
    for index in range(number):
        label = torch.zeros(height, width, dtype=torch.long)
        label[8:14, 20 : 30 + index % 3] = 1
        samples.append(
            {
                "optical": label[None].float().expand(3, -1, -1),
                "label": label,
                "instances": 7 * label,
            }
        )
    return samples


@given(st.integers(0, 10_000), st.booleans())
def test_image_label_and_instances_move_together(seed, official):
    sample = RandomRotation(plain(), seed, official=official)[0]
    assert set(sample["label"].unique().tolist()) <= {0, 1, 255}
    assert set(sample["instances"].unique().tolist()) <= {0, 7}
    there = sample["label"] == 1
    assert torch.equal(there, sample["instances"] == 7)
    if there.any():
        assert sample["optical"][:, there].mean() > 0.7
    assert sample["optical"][:, ~there].mean() < 0.03


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int32])
def test_objects_and_boundaries_move_with_the_label(kind):
    """What WithObjects adds to samples: maps of other names and types, outside of which there is nothing."""
    sample = plain()[0]
    where = sample["label"] == 1
    sample |= {"objects": (200 * where).int(), "boundaries": where.to(kind)}
    rotated = 0
    for seed in range(12):
        found = RandomRotation([sample], seed)[0]
        rotated += bool((found["label"] == 255).any())
        there = found["label"] == 1
        assert found["boundaries"].dtype == kind
        assert torch.equal(found["boundaries"], there.to(kind))
        assert torch.equal(found["objects"], (200 * there).int())
    assert rotated >= 2


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int64])
def test_labels_of_every_type_rotate_alike(kind):
    label = plain()[0]["label"]
    label[30:, 5:9] = 255
    expected = rotate(label, 12.0, 255)
    assert set(expected.unique().tolist()) == {0, 1, 255}
    assert torch.equal(rotate(label.to(kind), 12.0, 255).long(), expected)


def test_same_seed_epoch_and_index_give_the_same_sample():
    one, other = RandomRotation(plain(), 3), RandomRotation(plain(), 3)
    assert torch.equal(one[0]["optical"], other[0]["optical"])
    seen = set()
    for epoch in range(12):
        one.set_epoch(epoch)
        seen.add(tuple(one[0]["label"].flatten().tolist()))
    assert len(seen) > 4


def test_default_never_turns_upside_down():
    """The mark stays in the upper half; the authors' quarter turns bring it anywhere."""
    ours, theirs = RandomRotation(plain(), 0), RandomRotation(plain(), 0, official=True)
    rows: dict[str, list[float]] = {"ours": [], "theirs": []}
    for epoch in range(60):
        for name, data in (("ours", ours), ("theirs", theirs)):
            data.set_epoch(epoch)
            rows[name].append((data[0]["label"] == 1).nonzero()[:, 0].float().mean().item())
    assert max(rows["ours"]) < 20
    assert max(rows["theirs"]) > 25


def test_a_rotation_is_counter_clockwise_and_keeps_angles_of_wide_images():
    """A point right of the middle goes up; a distance stays one, though the image is not square."""
    label = torch.zeros(41, 81, dtype=torch.long)
    label[19:22, 69:72] = 1
    rotated = rotate(label, 30.0, outside=255)
    y, x = (rotated == 1).nonzero().float().mean(dim=0).tolist()
    assert x == pytest.approx(40 + 30 * 3**0.5 / 2, abs=0.6)
    assert y == pytest.approx(20 - 15, abs=0.6)


def test_what_a_rotation_uncovers_does_not_count():
    """A label of ones: after a rotation, corners hold what lies outside, the middle what it held."""
    label = torch.ones(20, 20, dtype=torch.long)
    for official, outside in ((False, 255), (True, 0)):
        data = RandomRotation([{"label": label}], official=official)
        corners = set()
        for epoch in range(20):
            data.set_epoch(epoch)
            found = data[0]["label"]
            assert found[10, 10] == 1
            corners.add(int(found[0, 0]))
        assert corners == {1, outside}


def test_no_degrees_only_mirrors():
    data = RandomRotation(plain(), 1, degrees=0)
    label = plain()[0]["label"]
    for epoch in range(8):
        data.set_epoch(epoch)
        found = data[0]["label"]
        assert torch.equal(found, label) or torch.equal(found, label.flip(-1))


def test_the_set_below_hears_of_the_epoch():
    class Counting(list):
        epoch = 0

        def set_epoch(self, epoch):
            self.epoch = epoch

    below = Counting(plain(number=2))
    data = RandomRotation(below)
    data.set_epoch(4)
    assert (below.epoch, len(data)) == (4, 2)


def test_faults():
    with pytest.raises(ValueError, match="degrees"):
        RandomRotation(plain(), degrees=90)
    with pytest.raises(ValueError, match="seed of 0 or more"):
        RandomRotation(plain(), seed=-1)
