"""Object consistency: the authors' numbers, a plain loop, gradients, and what is left out."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mfnet_lite.losses import object_consistency, renumber_objects
from mfnet_lite.losses.object_consistency import OFFICIAL


def sine(*shape: int) -> Tensor:
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.1 * index).reshape(shape).float()


def grid(size: int) -> tuple[Tensor, Tensor]:
    return torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")


Y8, X8 = grid(8)
Y16, X16 = grid(16)
TWO = torch.stack([(Y8 // 4) * 2 + X8 // 4, X8 // 2])
ROWS = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 0], [2, 2, 2, 0]])[None]


@pytest.mark.parametrize(
    ("name", "logits", "objects", "loss", "gradient"),
    [
        ("O1", torch.arange(32.0).reshape(1, 2, 4, 4), ROWS, 1.965714286, 1.742041),
        ("O2", sine(2, 3, 8, 8), TWO, 0.203400567, 0.615299),
        ("O3", sine(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long), 0.0, 0.0),
        ("O4", sine(1, 3, 8, 8), (8 * Y8 + X8)[None], 0.0, 0.0),
        ("O5", sine(1, 6, 16, 16), ((16 * Y16 + X16) // 4)[None], 0.003037098, 0.062182),
        ("O6", 0.7 * TWO[:, None].expand(-1, 3, -1, -1).float(), TWO, 0.0, 0.0),
    ],
)
def test_golden(name: str, logits: Tensor, objects: Tensor, loss: float, gradient: float) -> None:
    logits = logits.clone().requires_grad_()
    value = object_consistency(logits, objects, **OFFICIAL)
    assert value.item() == pytest.approx(loss, abs=1e-6), name
    value.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == pytest.approx(gradient, abs=2e-6), name


def test_golden_without_the_limit_of_fifty() -> None:
    """O5b: the authors' function with room for 100 objects; only ids 1 to 63 occur, all count."""
    logits = sine(1, 6, 16, 16).requires_grad_()
    objects = ((16 * Y16 + X16) // 4)[None]
    value = object_consistency(logits, objects) * (4 / 5) ** 2  # every object has four pixels
    assert value.item() == pytest.approx(0.003917205, abs=1e-7)
    value.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == pytest.approx(0.080119, abs=1e-6)


def test_golden_large() -> None:
    y, x = grid(256)
    objects = ((y // 37) * 7 + x // 37).expand(10, -1, -1)
    value = object_consistency(sine(10, 6, 256, 256), objects, **OFFICIAL)
    assert value.item() == pytest.approx(0.487724, abs=1e-6)


def plain_loop(logits: Tensor, objects: Tensor) -> Tensor:
    total = logits.new_zeros(())
    for image, ids in zip(logits, objects, strict=True):
        for k in ids.unique():
            if k > 0:
                inside = image[:, ids == k]
                total = total + (inside - inside.mean(dim=1, keepdim=True)).square().sum()
    return total / logits.numel()


@given(st.integers(0, 10_000), st.sampled_from([3, 60, 10**9]))
def test_equals_a_loop_with_the_same_gradient(seed: int, largest: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    objects = torch.randint(0, largest + 1, (2, 5, 7), generator=generator)
    if largest > 1000:
        objects = objects // (largest // 4) * (largest // 4)  # few objects with large numbers
    ours, theirs = object_consistency(logits, objects), plain_loop(logits, objects)
    torch.testing.assert_close(ours, theirs)
    if theirs.requires_grad:
        torch.testing.assert_close(
            torch.autograd.grad(ours, logits)[0], torch.autograd.grad(theirs, logits)[0]
        )


def test_gradcheck() -> None:
    logits = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    objects = torch.randint(0, 3, (2, 3, 3))
    assert torch.autograd.gradcheck(lambda p: object_consistency(p, objects), (logits,))


def test_images_do_not_share_objects() -> None:
    logits = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    assert object_consistency(logits, torch.ones(2, 2, 2, dtype=torch.long)) == 0


def test_ignored_pixels_are_in_no_object() -> None:
    logits = torch.tensor([[[[1.0, 3.0, 99.0]]]])
    objects = torch.tensor([[[1, 1, 1]]])
    ignore = torch.tensor([[[False, False, True]]])
    assert object_consistency(logits, objects, ignore).item() == pytest.approx(2 / 3)


def test_half_precision_sums_in_single() -> None:
    logits = (100 + torch.rand(1, 1, 64, 64)).bfloat16()
    objects = torch.ones(1, 64, 64, dtype=torch.long)
    value = object_consistency(logits, objects)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(logits.double().var(correction=0).item(), rel=1e-3)


def test_renumbering_keeps_objects_apart() -> None:
    right = torch.tensor([[0, 0, 5], [9, 9, 5], [9, 40, 40]])
    assert renumber_objects(right).tolist() == [[0, 0, 1], [2, 2, 1], [2, 3, 3]]
    wrong = torch.tensor([[2, 2, 5], [9, 9, 5], [9, 40, 40]])  # the authors merge 2 and 9 here
    assert renumber_objects(wrong).tolist() == [[1, 1, 2], [3, 3, 2], [3, 4, 4]]


@given(st.lists(st.integers(0, 9), min_size=9, max_size=9))
def test_renumbering_is_one_to_one(ids: list[int]) -> None:
    old = torch.tensor(ids).reshape(3, 3)
    new = renumber_objects(old)
    assert torch.equal(old[..., None, None] == old, new[..., None, None] == new)
    assert torch.equal(old == 0, new == 0)
    present = new[new > 0].unique()
    assert present.tolist() == list(range(1, len(present) + 1))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"expected objects of shape \(1, 4, 4\)"):
        object_consistency(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 5, dtype=torch.long))
    with pytest.raises(ValueError, match=r"integers from 0, got torch\.int64 from -1"):
        object_consistency(torch.zeros(1, 2, 4, 4), torch.full((1, 4, 4), -1))
    with pytest.raises(ValueError, match=r"integers from 0, got torch\.float32"):
        object_consistency(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4))
