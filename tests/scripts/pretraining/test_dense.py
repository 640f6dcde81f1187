"""What places teach: shares, reaches and borders by hand, and a reading that knows them has no loss left."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining import dense


def test_share_counts_the_pixels_of_the_clicked_id():
    # One level, two tokens of four pixels each.
    ids = torch.tensor([[[[1, 1, 1, 2], [2, 2, 0, 1]]]])
    places, pixel = torch.tensor([[0, 1, 1]]), torch.tensor([[0, 1, 2]])  # ids 1, 2 and 0
    share = dense.token_shares(ids, places, pixel)
    expected = torch.tensor([[0.75, 0.25], [0.25, 0.5], [0.0, 0.25]])
    assert torch.equal(share, expected[None, None])


def test_reach_is_the_distance_to_the_sides_of_the_box():
    levels = torch.zeros(1, 3, 16, 16, dtype=torch.int16)
    levels[:, :, 2:6, 1:15] = 5
    reach = torch.expm1(dense.log_reaches(levels, 8)) * 8
    # The first patch's upper left quarter has its middle at (y, x) = (2, 2), inside the thing.
    assert reach[0, 0, 0, 0].tolist() == pytest.approx([1, 0, 12, 3], abs=1e-4)
    # Its lower left quarter, at (6, 2), lies on the canvas, which reaches everywhere.
    assert reach[0, 0, 0, 2].tolist() == pytest.approx([2, 6, 13, 9], abs=1e-4)


def test_reach_against_a_loop():
    made = make_images(4, 2, 32)
    reach = torch.expm1(dense.log_reaches(made.levels, 8)) * 8
    for token, (y, x) in ((0, (2, 2)), (5, (8 + 2, 8 + 2)), (15, (24 + 2, 24 + 2))):
        for level in range(3):
            same = made.levels[1, level] == made.levels[1, level, y, x]
            rows, columns = same.any(1).nonzero().flatten(), same.any(0).nonzero().flatten()
            box = [x - columns[0], y - rows[0], columns[-1] - x, rows[-1] - y]
            expected = [int(side) for side in box]
            assert reach[1, level, token, 0].tolist() == pytest.approx(expected, abs=1e-3)


def test_heads_that_know_the_answer_have_no_loss():
    """Ids in quarters of the picture, one token each: only the same token belongs together."""
    levels = torch.arange(1, 5).reshape(2, 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
    levels = levels.expand(1, 3, 16, 16)
    heads = dense.DenseHeads(4, width=4)
    with torch.no_grad():
        heads.project.weight.copy_(torch.eye(4).repeat(3, 1))
        heads.project.bias.zero_()
        heads.scale.fill_(5.0)
        heads.bias.fill_(-40.0)
        heads.inner.weight.zero_()
        heads.inner.bias.fill_(40.0)  # no border inside any patch
        heads.reach.weight.zero_()
        heads.reach.bias.copy_(dense.log_reaches(levels, 8)[0, :, 0].flatten())
    embeddings = torch.eye(4).reshape(1, 4, 2, 2)
    losses = dense.dense_losses(heads, embeddings, levels, torch.Generator().manual_seed(0))
    assert [loss.item() for loss in losses] == pytest.approx([0, 0, 0], abs=1e-6)
    worse = dense.dense_losses(heads, embeddings.flip(1) * 0 + 1, levels, torch.Generator())
    assert worse[0] > 1


def test_every_loss_reaches_the_embedding():
    levels = make_images(0, 1, 32).levels
    for k in range(3):
        embeddings = torch.randn(1, 8, 4, 4, requires_grad=True)
        heads = dense.DenseHeads(8)
        dense.dense_losses(heads, embeddings, levels, torch.Generator())[k].backward()
        assert embeddings.grad.abs().sum() > 0
