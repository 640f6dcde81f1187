"""Purity of objects."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.metrics import purity


def test_by_hand() -> None:
    label = torch.tensor([[0, 0, 1, 2], [0, 1, 1, 2], [2, 2, 2, 255]])
    objects = torch.tensor([[1, 1, 1, 7], [1, 7, 7, 7], [0, 0, 3, 3]])
    # object 1: 0 0 1 0 -> 3 of 4; object 7: 2 1 1 2 -> 2 of 4; object 3: 2 and one without truth -> 1 of 1
    assert purity(label, objects) == pytest.approx(6 / 9)


def test_negative_labels_are_no_class() -> None:
    # object 1: 0 1 -> 1 of 2; object 2 holds nothing with a class
    label, objects = torch.tensor([-1, -1, -1, 0, 1]), torch.tensor([2, 2, 2, 1, 1])
    assert purity(label, objects) == 0.5
    # object 1: 0 1 and one of no class; -100 would reach beyond the first object
    assert purity(torch.tensor([-100, 0, 1, 1]), torch.tensor([1, 1, 1, 2])) == pytest.approx(2 / 3)
    assert math.isnan(purity(torch.tensor([-1, 255]), torch.tensor([1, 1])))


def test_bytes_are_labels_too() -> None:
    label = torch.tensor([3, 3, 5, 255], dtype=torch.uint8)
    assert purity(label, torch.tensor([1, 1, 1, 1], dtype=torch.uint8)) == pytest.approx(2 / 3)


def test_pure_objects_and_none() -> None:
    label = torch.tensor([3, 3, 5])
    assert purity(label, torch.tensor([4, 4, 9])) == 1
    assert math.isnan(purity(label, torch.zeros(3)))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        purity(torch.zeros(3), torch.zeros(2))
