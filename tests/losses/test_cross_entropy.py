"""Cross-entropy: the authors' golden values and the two cases PyTorch's own does not cover."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.losses.cross_entropy import cross_entropy


def golden_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.sin(0.1 * torch.arange(2 * 6 * 4 * 4, dtype=torch.float64)).float()
    label = torch.arange(2 * 4 * 4) % 6
    return logits.reshape(2, 6, 4, 4), label.reshape(2, 4, 4)


def test_golden_values_of_the_authors_loss():
    logits, label = golden_inputs()
    assert cross_entropy(logits, label).item() == pytest.approx(2.066681, rel=1e-5)
    label[0, 0, 0:2] = 255
    label[1, 3, 3] = -1
    assert cross_entropy(logits, label).item() == pytest.approx(2.103215, rel=1e-5)


def test_crop_without_labels_gives_zero_and_zero_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_ignored_pixels_get_no_gradient():
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    cross_entropy(logits, torch.tensor([[[0, 255]]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 0, 1].tolist() == [0.0, 0.0]
    assert logits.grad[0, :, 0, 0].tolist() == [-0.5, 0.5]


def test_perfect_and_hand_computed():
    logits = torch.tensor([[[[100.0]], [[0.0]]]])
    assert cross_entropy(logits, torch.tensor([[[0]]])).item() == 0.0
    two = torch.log(torch.tensor([[[[3.0]], [[1.0]]]]))
    assert cross_entropy(two, torch.tensor([[[1]]])).item() == pytest.approx(math.log(4), rel=1e-6)


def test_gradcheck():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([[[0, 2], [255, 1]]])
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, label), logits)


def test_label_out_of_range_is_named():
    with pytest.raises(ValueError, match="7 occurs"):
        cross_entropy(torch.zeros(1, 3, 1, 1), torch.tensor([[[7]]]))


def test_weights_of_classes_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [5.0, 5.0]]).T.reshape(1, 2, 1, 3)
    label = torch.tensor([[[0, 1, 255]]])
    # −log softmax: log(1 + e) for the first pixel, log(1 + e²) for the second; the third does not count
    expected = (1.0 * math.log1p(math.e) + 4.0 * math.log1p(math.e**2)) / 5.0
    assert cross_entropy(logits, label, weights=(1.0, 4.0)).item() == pytest.approx(expected)
    plain = cross_entropy(logits, label)
    assert cross_entropy(logits, label, weights=(3.0, 3.0)).item() == pytest.approx(plain.item())
    assert cross_entropy(logits, torch.full((1, 1, 3), 255), weights=(1.0, 4.0)).item() == 0


def test_a_weight_for_each_class() -> None:
    with pytest.raises(ValueError, match=r"a positive weight for each of 2 classes, got \(1.0,\)"):
        cross_entropy(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1).long(), weights=(1.0,))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int8, torch.int32])
def test_labels_of_few_bits(dtype) -> None:
    logits = torch.randn(1, 300 if dtype != torch.int8 else 100, 1, 3)
    label = torch.tensor([[[0, 44, 5]]])
    expected = cross_entropy(logits, label, ignore_index=5)
    assert cross_entropy(logits, label.to(dtype), ignore_index=5) == expected
