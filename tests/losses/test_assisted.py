"""The composed loss: a sum by hand, weights of zero, missing maps, gradients."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.losses import AssistedLoss, boundary, cross_entropy, object_consistency
from mfnet_lite.losses.object_consistency import OFFICIAL


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return {
        "label": torch.randint(4, (2, 8, 8), generator=generator),
        "objects": torch.randint(5, (2, 8, 8), generator=generator),
        "boundaries": torch.rand(2, 8, 8, generator=generator) < 0.3,
    }


@pytest.fixture
def logits():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_sum_of_three(batch, logits):
    expected = (
        cross_entropy(logits, batch["label"])
        + 1.0 * object_consistency(logits, batch["objects"])
        + 0.1 * boundary(logits, batch["boundaries"])
    )
    assert AssistedLoss()(logits, batch) == expected
    assert set(AssistedLoss().terms(logits, batch)) == {"segmentation", "objects", "boundaries"}


def test_weight_zero_needs_no_map(batch, logits):
    label = {"label": batch["label"]}
    assert AssistedLoss(0, 0)(logits, label) == cross_entropy(logits, batch["label"])
    with pytest.raises(ValueError, match=r"no objects, only label; wrap the crops in WithObjects"):
        AssistedLoss(1, 0)(logits, label)
    with pytest.raises(ValueError, match="no boundaries"):
        AssistedLoss(0, 1)(logits, label)
    with pytest.raises(ValueError, match=r"must not be negative, got 1\.0 and -0\.1"):
        AssistedLoss(1.0, -0.1)


def test_unlabelled_pixels_still_teach_uniformity(batch, logits):
    """Without a single label the gradient is that of the two other losses."""
    blind = batch | {"label": torch.full((2, 8, 8), 255)}
    one = logits.clone().requires_grad_()
    AssistedLoss(2.0, 0.5)(one, blind).backward()
    two = logits.clone().requires_grad_()
    (
        2 * object_consistency(two, batch["objects"]) + boundary(two, batch["boundaries"]) / 2
    ).backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad.abs().sum() > 0


def test_the_authors_current_boundary_loss_changes_the_value_and_no_gradient(batch, logits):
    grads, values = [], []
    for weight in (0.0, 0.1):
        x = logits.clone().requires_grad_()
        value = AssistedLoss(0.0, weight, variant="official")(x, batch)
        value.backward()
        grads.append(x.grad)
        values.append(value.item())
    assert values[0] != values[1]
    assert torch.equal(*grads)


def test_official_objects_are_the_authors(batch, logits):
    found = AssistedLoss(**OFFICIAL).terms(logits, batch)["objects"]
    assert found == object_consistency(logits, batch["objects"], **OFFICIAL)
    assert found < AssistedLoss().terms(logits, batch)["objects"]


def test_gradient(batch, logits):
    small = {k: v[:1, :4, :4] for k, v in batch.items()}
    x = logits[:1, :, :4, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: AssistedLoss(1.0, 0.5)(z, small), (x,))
