r"""Boundary loss: edges of the prediction should lie where SAM sees edges.

Ma et al. 2024 (arXiv 2312.02464) after Bokhovkin and Burnaev 2019 (arXiv 1905.07852): one minus the F1
score of boundary precision and recall, with a tolerance of a few pixels,

.. math:: P = \frac{\sum e\,\tilde g}{\sum e},\quad R = \frac{\sum \tilde e\,g}{\sum g},\quad
          L = 1 - \frac{2PR}{P + R},

where e and g are the edge maps of prediction and SAM, and a tilde widens a map by max-pooling.

The text can be read only if e is differentiable. Three versions of the authors' code exist, and the two
younger ones take an ``argmax``, which has no gradient: there this loss changes what is printed and never
what is learnt. The default here is what the text means; the three are kept under their own names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses.precision import at_least_single

__all__ = ["boundary", "soft_edges"]

Variant = Literal["soft", "official", "official_2024", "official_original"]
TINY = 1e-7


def boundary(
    logits: Float[Tensor, "batch classes height width"],
    boundaries: Int[Tensor, "batch height width"] | Bool[Tensor, "batch height width"],
    variant: Variant = "soft",
    ignore: Bool[Tensor, "batch height width"] | None = None,
    edge: int = 3,
    tolerance: int = 5,
) -> Float[Tensor, ""]:
    """One minus the F1 score of boundaries.

    Args:
        logits: Class logits.
        boundaries: SAM's boundary map (SGB), 1 on edges and 0 elsewhere.
        variant: ``"soft"``: edges of the class probabilities, with a gradient; images without any
            boundary pixel are left out, since no prediction could be right there.
            ``"official"``: the authors' current code (no gradient; edges are differences of class
            *numbers*; the upper and lower halves of an image are scored apart, a leftover of a two-class
            version; the result may be negative). ``"official_2024"``: their version of November 2024 (no
            gradient). ``"official_original"``: that of the publication (per class, with a gradient, but
            compares the probability of class 1 with SAM's edges and that of class 0 with the rest).
        ignore: Pixels to leave out, with their neighbours; ``"soft"`` only.
        edge: Size of the pooling that finds edges, θ₀.
        tolerance: Size of the pooling that widens them, θ.

    Returns:
        The mean over the batch, from 0 (perfect) to 1 but for ``"official"``.

    Raises:
        ValueError: If shapes do not fit or the variant is unknown.
    """
    if logits.ndim != 4 or boundaries.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"expected boundaries of shape {(logits.shape[0], *logits.shape[2:])} for logits "
            f"{tuple(logits.shape)}, got {tuple(boundaries.shape)}"
        )
    if variant not in get_args(Variant):
        raise ValueError(f"unknown variant {variant!r}; available: {', '.join(get_args(Variant))}")
    if ignore is not None and variant != "soft":
        raise ValueError(f"the variant {variant!r} of the authors cannot ignore pixels; use 'soft'")
    wide = at_least_single(logits)
    target = boundaries.to(wide.dtype)
    if variant == "soft":
        return _soft(wide, target, ignore, edge, tolerance)
    predicted, true, groups = _OFFICIAL[variant](wide, target, edge)
    return (1 - _f1(predicted, true, tolerance, groups)).mean()


def soft_edges(
    logits: Float[Tensor, "batch classes height width"], edge: int = 3
) -> Float[Tensor, "batch height width"]:
    """Edge strength of a soft prediction: how much of a class lies beside a pixel but not on it.

    Args:
        logits: Class logits.
        edge: Size of the neighbourhood, odd.

    Returns:
        Values in [0, 1], at least in float32; where two certain classes meet, 1 on both sides.

    Example:
        >>> logits = 100.0 * torch.tensor([[[[1, 1, 0, 0]], [[0, 0, 1, 1]]]])
        >>> soft_edges(logits)
        tensor([[[0., 1., 1., 0.]]])
    """
    probability = at_least_single(logits).softmax(dim=1)
    return (_widen(probability, edge) - probability).amax(dim=1)


def _soft(
    logits: Tensor, target: Tensor, ignore: Tensor | None, edge: int, tolerance: int
) -> Tensor:
    edges = soft_edges(logits, edge)
    if ignore is not None:
        # Edges beside an ignored pixel depend on what was predicted there: leave them out as well.
        out = _widen(ignore[:, None].to(edges.dtype), edge)[:, 0] > 0
        edges, target = edges.masked_fill(out, 0), target.masked_fill(out, 0)
    some = target.flatten(1).any(dim=1)
    if not some.any():
        return logits.sum() * 0
    return (1 - _f1(edges[some][:, None], target[some][:, None], tolerance, 1)).mean()


def _f1(
    predicted: Float[Tensor, "batch map height width"],
    true: Float[Tensor, "batch map height width"],
    tolerance: int,
    groups: int,
) -> Float[Tensor, "batch groups"]:
    """Compute the F1 score of each of ``groups`` equal stretches of an image's values."""

    def total(x: Tensor) -> Tensor:
        return rearrange(x.flatten(1), "b (group value) -> b group value", group=groups).sum(-1)

    precision = total(predicted * _widen(true, tolerance)) / (total(predicted) + TINY)
    recall = total(_widen(predicted, tolerance) * true) / (total(true) + TINY)
    return 2 * precision * recall / (precision + recall + TINY)


def _widen(x: Float[Tensor, "batch map height width"], size: int) -> Tensor:
    """Take the largest value in a neighbourhood; nothing lies beyond the border."""
    return F.max_pool2d(x, size, stride=1, padding=(size - 1) // 2)


def _inner_edges(x: Tensor, edge: int) -> Tensor:
    """The authors' edge map: what a map falls short of its largest neighbour of 1 − map."""
    return _widen(1 - x, edge) - (1 - x)


Edges = tuple[Tensor, Tensor, int]
"""Predicted and true edge maps, and in how many stretches the authors score them."""


def _current(logits: Tensor, target: Tensor, edge: int) -> Edges:
    classes = logits.argmax(dim=1, keepdim=True).to(target.dtype)
    return _inner_edges(classes, edge), _inner_edges(target[:, None], edge), 2


def _of_2024(logits: Tensor, target: Tensor, edge: int) -> Edges:
    classes = logits.argmax(dim=1, keepdim=True)
    changes = [
        classes != classes.roll(step, dims=axis)  # around the image's border, as theirs
        for axis in (2, 3)
        for step in (1, -1)
    ]
    found = torch.stack(changes).any(dim=0).to(target.dtype)
    return _inner_edges(found, edge), _inner_edges(target[:, None], edge), 2


def _original(logits: Tensor, target: Tensor, edge: int) -> Edges:
    one_hot = F.one_hot(target.long(), logits.shape[1])
    one_hot = rearrange(one_hot, "b h w c -> b c h w").to(logits.dtype)
    return _inner_edges(logits.softmax(dim=1), edge), _inner_edges(one_hot, edge), logits.shape[1]


_OFFICIAL: dict[str, Callable[[Tensor, Tensor, int], Edges]] = {
    "official": _current,
    "official_2024": _of_2024,
    "official_original": _original,
}
