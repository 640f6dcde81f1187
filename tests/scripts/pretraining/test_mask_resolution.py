"""What the resolution of SAM's masks allows at best."""

from __future__ import annotations

import torch

from scripts.pretraining.mask_resolution import coarse_truth, reachable


def squares():
    """A square of whole cells, one between cells, and one that fills a quarter of each of four cells."""
    masks = torch.zeros(3, 32, 32, dtype=torch.bool)
    masks[0, 8:24, 8:24] = True
    masks[1, 9:22, 9:22] = True
    masks[2, 11:13, 11:13] = True
    return masks


def iou(found, true):
    return (found & true).sum((1, 2)) / (found | true).sum((1, 2))


def test_coarse_truth_by_hand():
    coarse = coarse_truth(squares())
    assert (coarse[0] > 0).nonzero().min(dim=0).values.tolist() == [4, 4]
    assert (coarse[0] > 0).sum() == 64
    assert not (coarse[2] > 0).any()  # a quarter of each cell is not half of it
    assert set(coarse.unique().tolist()) == {-1.0, 1.0}


def test_full_size_allows_what_the_coarse_grid_cannot_say():
    masks = squares()
    found = reachable(masks)
    coarse, full = (iou(found[key], masks) for key in found)
    assert coarse[2] == 0
    assert full[2] > 0.7
    assert (full >= coarse).all()
    assert full[0] > 0.95
