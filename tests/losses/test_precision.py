"""Half precision: every loss is that of the same logits in float32, and has a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mfnet_lite import losses
from mfnet_lite.losses.precision import at_least_single

SIDE = 512
"""More pixels than float16 can count."""

WITHOUT_LOGITS = {"QueryWeights", "balanced_weights", "masks_of_classes", "renumber_objects"}


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


LABEL = (random(1, SIDE, SIDE) > 0.5).long()
MASK = LABEL.float()
OBJECTS = torch.arange(SIDE * SIDE).reshape(1, SIDE, SIDE) // 64 + 1
BATCH = {"label": LABEL, "objects": OBJECTS, "boundaries": LABEL}
CLASSES, ONE = (1, 2, SIDE, SIDE), (1, SIDE, SIDE)
# what stands beside the logits is the same number in all three formats
PRESENCE, TEXT = random(1, 2).bfloat16().float(), random(1, 2, 8).bfloat16().float()
DENSE = (1, 8, 64, 64)

CASES: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Any]]] = {
    "AssistedLoss": (CLASSES, lambda z: losses.AssistedLoss(class_weights=(1.0, 3.0))(z, BATCH)),
    "BalancedLoss": (CLASSES, lambda z: losses.BalancedLoss((1.0, 3.0))(z, BATCH)),
    "batch_dice": (ONE, lambda z: losses.batch_dice(z, MASK.to(z.dtype), LABEL < 2)),
    "boundary": (CLASSES, lambda z: losses.boundary(z, LABEL)),
    "class_query_loss": (
        CLASSES,
        lambda z: losses.class_query_loss(PRESENCE.to(z.dtype), z, LABEL)["total"],
    ),
    "cross_entropy": (CLASSES, lambda z: losses.cross_entropy(z, LABEL)),
    "dice_loss": (ONE, lambda z: losses.dice_loss(z, MASK.to(z.dtype))),
    "focal_loss": (ONE, lambda z: losses.focal_loss(z, MASK.to(z.dtype))),
    "mask_iou": (ONE, lambda z: losses.mask_iou(z, MASK.to(z.dtype))),
    "mask_loss": (ONE, lambda z: losses.mask_loss(z, MASK.to(z.dtype))),
    "object_consistency": (CLASSES, lambda z: losses.object_consistency(z, OBJECTS)),
    "pixel_text_alignment": (
        DENSE,
        lambda z: losses.pixel_text_alignment(z, TEXT.to(z.dtype), LABEL),
    ),
    "pixel_text_cosine": (DENSE, lambda z: losses.pixel_text_cosine(z, TEXT.to(z.dtype))),
    "soft_edges": (CLASSES, losses.soft_edges),
    "temporal_similarity": (
        CLASSES,
        lambda z: losses.temporal_similarity(z, -z, LABEL, temperature=1.0),
    ),
    "text_query_loss": (
        CLASSES,
        lambda z: losses.text_query_loss([(PRESENCE.to(z.dtype), z)] * 2, LABEL),
    ),
    "two_class_dice": (ONE, lambda z: losses.two_class_dice(z, MASK.to(z.dtype))),
    "undecided_points": (
        ONE,
        lambda z: losses.undecided_points(z, 64, torch.Generator().manual_seed(0)),
    ),
}
WITHOUT_GRADIENT = {"mask_iou", "undecided_points"}


def test_every_public_loss_is_here() -> None:
    assert sorted({*CASES, *WITHOUT_LOGITS}) == sorted(losses.__all__)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_half_precision_gives_what_its_float_gives(name: str, dtype: torch.dtype) -> None:
    shape, loss = CASES[name]
    half = (2 * random(*shape)).to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    found, expected = loss(half), loss(single)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    if name in WITHOUT_GRADIENT:
        return
    found.sum().backward()
    expected.sum().backward()
    assert half.grad is not None
    assert single.grad is not None
    assert torch.isfinite(half.grad).all()
    # the gradient itself is of the format of the logits, which ends at 6e-8 in float16
    assert half.grad.float().abs().sum().item() == pytest.approx(
        single.grad.abs().sum().item(), rel=0.05
    )
    assert half.grad.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_formats_stay(dtype: torch.dtype) -> None:
    x = torch.rand(3, dtype=dtype)
    assert at_least_single(x) is x
