"""Class weights: by hand, as properties, and what they do to a gradient."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.losses import AssistedLoss, BalancedLoss, balanced_weights


def test_by_hand() -> None:
    assert balanced_weights([50, 25, 25, 0]) == pytest.approx([2 / 3, 4 / 3, 4 / 3, 1.0])
    # √2, 2, 2 before the mean of 50 √2 + 25 · 2 + 25 · 2 over 100 pixels
    mean = 0.5 * 2**0.5 + 1
    assert balanced_weights([50, 25, 25], 0.5) == pytest.approx([2**0.5 / mean, 2 / mean, 2 / mean])


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=8).filter(any),
    st.floats(0, 1),
)
def test_the_mean_weight_of_a_pixel_is_one_and_rarer_classes_weigh_no_less(pixels, power) -> None:
    weights = balanced_weights(pixels, power)
    mean = sum(n * w for n, w in zip(pixels, weights, strict=True)) / sum(pixels)
    assert mean == pytest.approx(1)
    present = sorted((n, w) for n, w in zip(pixels, weights, strict=True) if n)
    assert all(b[1] <= a[1] * (1 + 1e-9) for a, b in pairwise(present))
    assert min(weights) > 0


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=6))
def test_with_power_one_every_class_has_the_same_share(pixels) -> None:
    shares = [n * w for n, w in zip(pixels, balanced_weights(pixels), strict=True)]
    assert shares == pytest.approx([sum(pixels) / len(pixels)] * len(pixels))


@pytest.mark.parametrize(
    ("pixels", "power"), [([], 1.0), ([0, 0], 1.0), ([3, -1], 1.0), ([3], -0.1), ([3], 1.5)]
)
def test_what_makes_no_weights(pixels, power) -> None:
    with pytest.raises(ValueError, match=r"power of the class balance|pixels of each class"):
        balanced_weights(pixels, power)


def test_the_loss_is_pytorchs_weighted_one() -> None:
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=g, dtype=torch.float64, requires_grad=True)
    label = torch.randint(3, (2, 4, 4), generator=g)
    label[0, 0] = 255
    weights = balanced_weights([10, 5, 1])
    found = BalancedLoss(weights)(logits, {"label": label})
    wanted = F.cross_entropy(
        logits, label, torch.tensor(weights, dtype=torch.float64), ignore_index=255
    )
    torch.testing.assert_close(found, wanted)
    (ours,) = torch.autograd.grad(found, logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(wanted, logits)
    torch.testing.assert_close(ours, theirs)
    other = label.where(label != 255, torch.full_like(label, -3))
    assert BalancedLoss(weights, -3)(logits, {"label": other}) == found


def test_with_objects_the_labels_alone_are_weighed() -> None:
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 2, 4, 4, generator=g)
    batch = {
        "label": torch.randint(2, (1, 4, 4), generator=g),
        "objects": torch.randint(1, 3, (1, 4, 4), generator=g),
        "boundaries": torch.randint(2, (1, 4, 4), generator=g),
    }
    weights = balanced_weights([9, 1])
    plain = AssistedLoss().terms(logits, batch)
    weighed = AssistedLoss(class_weights=weights).terms(logits, batch)
    assert weighed["segmentation"] == BalancedLoss(weights)(logits, batch)
    assert weighed["segmentation"] != plain["segmentation"]
    assert all(weighed[name] == plain[name] for name in ("objects", "boundaries"))
