"""Scores of classes from queries: by hand, both forms equal where they should be, far ranges."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.nets.decoders.query_scores import scores_of_queries


def test_closed_form_by_hand():
    """Two queries share the classes 2:1:1 and 1:1:2, "no object" at last; masks are 3/4 and 1/2."""
    scores = torch.tensor([[[2.0, 1, 1], [1, 1, 2]]]).log()
    masks = torch.tensor([math.log(3), 0.0]).reshape(1, 2, 1, 1)
    found = scores_of_queries(scores, masks).exp().flatten()
    assert found.tolist() == pytest.approx([0.5 * 0.75 + 0.25 * 0.5, 0.25 * 0.75 + 0.25 * 0.5])


def test_open_form_by_hand():
    presence = torch.tensor([[math.log(3), 0.0]])
    masks = torch.tensor([0.0, math.log(4)]).reshape(1, 2, 1, 1)
    found = scores_of_queries(presence, masks).exp().flatten()
    assert found.tolist() == pytest.approx([0.75 * 0.5, 0.5 * 0.8])


def test_the_open_form_is_the_closed_one_of_queries_that_know_one_class():
    torch.manual_seed(0)
    presence, masks = torch.randn(2, 4), torch.randn(2, 4, 3, 5)
    closed = torch.full((2, 4, 5), -torch.inf)
    closed[..., -1] = 0
    closed[:, range(4), range(4)] = presence
    one, other = scores_of_queries(presence, masks), scores_of_queries(closed, masks)
    assert torch.allclose(one, other, atol=1e-5)


def test_equals_the_plain_formula():
    torch.manual_seed(0)
    scores, masks = 8 * torch.randn(2, 6, 7), 20 * torch.randn(2, 6, 4, 4)
    plain = torch.einsum(
        "bqk,bqhw->bkhw", scores.double().softmax(-1)[..., :-1], masks.double().sigmoid()
    )
    found = scores_of_queries(scores, masks)
    assert torch.allclose(found.double(), plain.log(), atol=1e-4)
    share = plain / plain.sum(dim=1, keepdim=True)
    assert torch.allclose(found.softmax(dim=1).double(), share, atol=1e-5)
    assert found.max() <= math.log(6)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_far_ranges_stay_finite(shape, size):
    torch.manual_seed(0)
    scores = (size * torch.randn(shape)).requires_grad_()
    masks = (size * torch.randn(2, 3, 4, 4)).requires_grad_()
    found = scores_of_queries(scores, masks)
    assert found.isfinite().all()
    assert found.softmax(dim=1).isfinite().all()
    found.sum().backward()
    assert scores.grad.isfinite().all()
    assert masks.grad.isfinite().all()


def test_a_class_that_no_query_can_be():
    scores = torch.zeros(1, 2, 3)
    scores[..., 1] = -torch.inf
    found = scores_of_queries(scores, torch.zeros(1, 2, 2, 2))
    assert found.isfinite().all()
    assert (found.argmax(dim=1) == 0).all()
    assert torch.equal(found.softmax(dim=1)[:, 1], torch.zeros(1, 2, 2))


def test_half_precision_gives_single():
    found = scores_of_queries(torch.zeros(1, 2).half(), torch.full((1, 2, 1, 1), -20.0).half())
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == pytest.approx([-20 - math.log(2)] * 2)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"got \(1, 2, 3\) and \(1, 3, 4, 4\)"):
        scores_of_queries(torch.zeros(1, 2, 3), torch.zeros(1, 3, 4, 4))
