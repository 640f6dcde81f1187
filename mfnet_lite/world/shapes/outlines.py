"""The outlines in the procedural images: which pixels lie inside a shape of half extent one.

Each shape takes its coordinates in half extents and some uniform random numbers, and is drawn for all images
that chose it at once.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def _superellipse(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    power = 1.0 + 8.0 * n[:, 0] ** 2
    return a.abs() ** power + b.abs() ** power < 1


def _blob(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    theta, radius = torch.atan2(b, a), torch.hypot(a, b)
    edge = 0.75 + sum(
        0.3 * n[:, m] / m * torch.cos(m * theta + 2 * math.pi * n[:, m + 7]) for m in range(2, 8)
    )
    return radius < edge


def _polygon(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    sides = (3 + (n[:, 0] * 4.99).floor()).clamp(max=7)
    inside = torch.hypot(a, b) < 1.3
    for j in range(7):
        theta = 2 * math.pi * (j + 0.7 * (n[:, 1 + j] - 0.5)) / sides
        inside &= (torch.cos(theta) * a + torch.sin(theta) * b < 0.75) | (j >= sides)
    return inside


def _bent_rectangle(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    """A rectangle, an L, a T or a U: the box minus one notch."""
    box = (a.abs() < 0.9) & (b.abs() < 0.9)
    notch = ((a - 1.6 * (n[:, 0] - 0.5)).abs() < 0.25 + 0.4 * n[:, 1]) & (b > 1.2 * n[:, 2] - 0.6)
    return box & ~(notch & (n[:, 3] < 0.7))


def _ring(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    radius = torch.hypot(a, b)
    open_part = (torch.atan2(b, a) > math.pi * (2 * n[:, 1] - 1)) & (n[:, 2] < 0.4)
    return (radius < 1) & (radius > 0.35 + 0.35 * n[:, 0]) & ~open_part


def _band(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    middle = 0.6 * (n[:, 0] - 0.5) * torch.sin((1 + 3 * n[:, 1]) * a + 6 * n[:, 2])
    return ((b - middle).abs() < 0.12 + 0.25 * n[:, 3]) & (a.abs() < 1.8)


def _wedge(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    angle = torch.atan2(b, a).abs()
    return (torch.hypot(a, b) < 1) & (angle < 0.5 + 2.4 * n[:, 0])


SHAPES = (_superellipse, _blob, _polygon, _bent_rectangle, _ring, _band, _wedge)
"""Superellipse, blob, polygon, bent rectangle, ring, band, wedge; a shape's number is its index."""


def inside_shape(
    kind: Int[Tensor, " n"],
    u: Float[Tensor, "n size size"],
    v: Float[Tensor, "n size size"],
    numbers: Float[Tensor, "n numbers"],
) -> Bool[Tensor, "n size size"]:
    """Which pixels lie inside a shape, one shape of each image at a time.

    Args:
        kind: Index of the shape in :data:`SHAPES`.
        u: Coordinate along the shape's first axis, in half extents.
        v: Coordinate along its second axis.
        numbers: Uniform in [0, 1]; each shape takes what it needs.
    """
    found = torch.zeros_like(u, dtype=torch.bool)
    for code in range(len(SHAPES)):
        rows = torch.nonzero(kind == code)[:, 0]
        if len(rows) == 0:
            continue
        a, b = u[rows], v[rows]
        n = numbers[rows][:, :, None, None]
        found[rows] = SHAPES[code](a, b, n)
    return found
