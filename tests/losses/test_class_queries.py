"""Loss of class-bound queries: golden numbers of the authors' formulas, values by hand, points, missing classes."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.losses import QueryWeights, class_query_loss, masks_of_classes, undecided_points
from mfnet_lite.losses.class_queries import read_at

# Two masks of six pixels: 2 sin(0.77 i), i from 1, and their targets.
LOGITS = (2 * torch.sin(0.77 * torch.arange(1, 13).double())).reshape(2, 1, 6)
TARGETS = torch.tensor([[1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 1]])


def test_golden_dice_and_cross_entropy():
    """Each of the authors' two masks beside a perfect one of a second class, which holds the other pixels."""
    dice, bce = [], []
    for row in range(2):
        label = torch.where(TARGETS[row] == 1, 0, 1).reshape(1, 1, 6)
        far = torch.where(label[0] == 1, 60.0, -60.0).double()  # a perfect mask of class 1
        masks = torch.stack([LOGITS[row], far])[None]
        terms = class_query_loss(torch.zeros(1, 2, 3).double(), masks, label)
        dice.append(2 * terms["dice"].item() / 5)  # the mean of it and 0
        bce.append(2 * terms["bce"].item() / 5)
    assert dice == pytest.approx([0.281058, 0.298427], abs=1e-6)
    assert 5 * sum(dice) / 2 == pytest.approx(1.448712, abs=1e-6)
    assert 5 * sum(bce) / 2 == pytest.approx(3.082272, abs=1e-5)


def test_classes_by_hand():
    """Class 0 is there, class 1 is not: weights 1 and 0.1, and the mean is weighted."""
    class_logits = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, math.log(2)]]])
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    terms = class_query_loss(class_logits, torch.full((1, 2, 2, 2), 80.0), label)
    # -log 1/3 with weight 1, -log 2/4 with weight 0.1
    expected = (math.log(3) + 0.1 * math.log(2)) / 1.1
    assert terms["classes"].item() == pytest.approx(2 * expected)
    assert terms["bce"].item() == pytest.approx(0, abs=1e-6)
    assert terms["dice"].item() == pytest.approx(0, abs=1e-6)
    assert terms["total"].item() == pytest.approx(2 * expected)


def test_masks_of_absent_classes_and_pixels_without_label_do_not_count():
    generator = torch.Generator().manual_seed(0)
    masks = torch.randn(1, 3, 4, 4, generator=generator)
    label = torch.zeros(1, 4, 4, dtype=torch.long)
    label[:, 2:] = 1
    label[:, 0] = 255
    scores = torch.zeros(1, 3, 4)
    before = class_query_loss(scores, masks, label)
    masks[:, 2] += 5  # the image does not show class 2
    masks[:, :2, 0] += 5  # nobody knows what is there
    after = class_query_loss(scores, masks, label)
    assert before["total"].item() == pytest.approx(after["total"].item())
    masks[:, 1, 1] += 5
    assert class_query_loss(scores, masks, label)["total"] > after["total"]


@pytest.mark.parametrize("points", [0, 8])
def test_nothing_labelled_teaches_nothing(points):
    scores = torch.randn(2, 3, 4, requires_grad=True)
    masks = torch.randn(2, 3, 4, 4, requires_grad=True)
    terms = class_query_loss(scores, masks, torch.full((2, 4, 4), 255), points=points)
    terms["total"].backward()
    assert [terms[name].item() for name in ("classes", "bce", "dice", "total")] == [0] * 4
    assert scores.grad.abs().max() == 0
    assert masks.grad is None or masks.grad.abs().max() == 0


def test_an_image_without_labels_changes_nothing_for_the_others():
    label = torch.randint(3, (2, 4, 4), generator=torch.Generator().manual_seed(0))
    scores, masks = torch.randn(2, 3, 4), torch.randn(2, 3, 4, 4)
    label[1] = 255
    both = class_query_loss(scores, masks, label)["total"]
    alone = class_query_loss(scores[:1], masks[:1], label[:1])["total"]
    assert both.item() == pytest.approx(alone.item())


def test_points_are_taken_where_the_mask_is_undecided():
    logits = torch.full((1, 1, 100), 9.0)
    logits[..., 40:60] = 0.01  # a fifth of the width is undecided
    places = undecided_points(logits, 40, torch.Generator().manual_seed(0))
    assert places.shape == (1, 40, 2)
    doubtful = ((places[0, :, 0] > 0.39) & (places[0, :, 0] < 0.61)).sum()
    # all of the 24 or so undecided places among 120 are taken, and 2 of the other 10
    assert 22 <= doubtful <= 34
    again = undecided_points(logits, 40, torch.Generator().manual_seed(0))
    assert torch.equal(places, again)


def test_points_estimate_the_mean_over_all_pixels():
    """Where nothing is more undecided than the rest, points are a fair sample."""
    torch.manual_seed(0)
    label = torch.randint(2, (1, 32, 32))
    sign = torch.where(torch.rand(1, 2, 32, 32) < 0.5, 1.0, -1.0)
    scores = torch.zeros(1, 2, 3)
    exact = class_query_loss(scores, sign, label)
    drawn = class_query_loss(scores, sign, label, points=4000)
    # between pixels of other signs a bilinear mean is nearer to zero, so that its loss is smaller
    assert 0.8 * exact["bce"] < drawn["bce"] < exact["bce"]


def test_reading_at_places_by_hand():
    maps = torch.tensor([[[[1.0, 3.0]]]])
    places = torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.9, 0.5], [0.4, 0.5]]])
    assert torch.allclose(read_at(maps, places), torch.tensor([[[1.0, 2.0, 3.0, 1.6]]]))
    assert read_at(maps, places, nearest=True)[0, 0, [0, 2, 3]].tolist() == [1.0, 3.0, 1.0]


def test_masks_of_classes_are_disjoint_and_cover_what_is_labelled():
    label = torch.tensor([[[0, 2, 255], [-1, 1, 2]]])
    masks, known = masks_of_classes(label, 3)
    assert torch.equal(masks.sum(dim=1).bool(), known)
    assert masks.sum().item() == known.sum().item() == 4


def test_gradients():
    label = torch.tensor([[[0, 1], [255, 2]]])
    scores, masks = torch.randn(1, 3, 4).double(), torch.randn(1, 3, 2, 2).double()
    assert torch.autograd.gradcheck(
        lambda s, m: class_query_loss(s, m, label)["total"],
        (scores.requires_grad_(), masks.requires_grad_()),
    )


def test_weights_are_those_of_the_terms():
    label = torch.tensor([[[0, 1]]])
    scores, masks = torch.randn(1, 2, 3), torch.randn(1, 2, 1, 2)
    one = class_query_loss(scores, masks, label, QueryWeights(1, 1, 1))
    released = class_query_loss(scores, masks, label)
    for name, factor in (("classes", 2), ("bce", 5), ("dice", 5)):
        assert released[name].item() == pytest.approx(factor * one[name].item())


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"expected one query per class, .* got \(1, 3, 3\)"):
        class_query_loss(torch.zeros(1, 3, 3), torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2).long())
    with pytest.raises(ValueError, match="labels must lie in 0…2 or be 255"):
        class_query_loss(torch.zeros(1, 3, 4), torch.zeros(1, 3, 2, 2), torch.full((1, 2, 2), 3))


def test_nothing_counts_and_still_it_is_a_number():
    scores = torch.zeros(2, 3, 4, requires_grad=True)
    nothing = torch.full((2, 4, 4), 255)
    terms = class_query_loss(scores, torch.zeros(2, 3, 4, 4), nothing, QueryWeights(absent=0))
    terms["total"].backward()
    assert terms["total"].item() == 0
    assert not scores.grad.any()
    empty = class_query_loss(scores[:0], torch.zeros(0, 3, 4, 4), nothing[:0])
    assert empty["total"].item() == 0


def test_half_precision_on_many_pixels():
    label = torch.zeros(1, 300, 300, dtype=torch.uint8)
    scores, masks = torch.randn(1, 2, 3).half(), torch.randn(1, 2, 4, 4).half()
    half, single = (
        class_query_loss(s, m, label)["total"].item()
        for s, m in ((scores, masks), (scores.float(), masks.float()))
    )
    assert half == pytest.approx(single)


def test_bytes_and_more_than_255_classes():
    label = torch.tensor([[[0, 44, 255]]], dtype=torch.uint8)
    masks, known = masks_of_classes(label, 300)
    assert masks.flatten(2).any(dim=2).nonzero()[:, 1].tolist() == [0, 44]
    assert known.sum() == 2


def test_labels_and_points_that_do_not_fit_are_said():
    scores, masks = torch.zeros(1, 2, 3), torch.zeros(1, 2, 4, 4)
    for label, points in ((torch.zeros(4, 4), 0), (torch.zeros(1, 4, 4), -1)):
        with pytest.raises(ValueError, match=r"expected labels of shape \(1, height, width\)"):
            class_query_loss(scores, masks, label.long(), points=points)


def test_presence_is_the_choice_between_ones_own_class_and_none():
    torch.manual_seed(0)
    label = torch.randint(3, (3, 4, 4))
    label[0, 0], label[1], label[2] = 255, 255, 1
    presence = torch.randn(3, 4).double().requires_grad_()
    masks = torch.randn(3, 4, 4, 4).double()
    choice = torch.full((3, 4, 5), -torch.inf).double()
    choice[..., -1] = 0
    own = torch.arange(4)
    choice = choice.index_put((torch.arange(3)[:, None], own, own), presence)
    one, other = (class_query_loss(x, masks, label) for x in (presence, choice))
    for name in one:
        assert one[name].item() == pytest.approx(other[name].item(), abs=1e-12)
    gradients = [torch.autograd.grad(x["total"], presence)[0] for x in (one, other)]
    assert torch.allclose(*gradients, atol=1e-12)
    assert gradients[0][[0, 2]].all()
    assert not gradients[0][1].any()


def test_presence_by_hand():
    """Class 0 is there, class 1 is not: -log(3/4) with weight 1 and -log(1/3) with weight 0.1."""
    presence = torch.tensor([[math.log(3), math.log(2)]])
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    terms = class_query_loss(presence, torch.full((1, 2, 2, 2), 80.0), label)
    expected = (math.log(4 / 3) + 0.1 * math.log(3)) / 1.1
    assert terms["total"].item() == pytest.approx(2 * expected)


def test_presence_without_any_label():
    presence = torch.randn(2, 3, requires_grad=True)
    nothing = torch.full((2, 4, 4), 255)
    total = class_query_loss(presence, torch.zeros(2, 3, 4, 4), nothing)["total"]
    total.backward()
    assert total.item() == 0
    assert not presence.grad.any()


def test_presence_of_another_number_of_classes_is_said():
    with pytest.raises(ValueError, match=r"for their presence, .* got \(1, 2\) and \(1, 3, 2, 2\)"):
        class_query_loss(torch.zeros(1, 2), torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2).long())
