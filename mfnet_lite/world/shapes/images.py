"""Class-free procedural images: what a small promptable model is pre-trained on.

An image is a stack of shapes without names. Every pixel belongs to a *part*, every part to an *object*,
every object to a *group* (things lying on a larger thing), so one click has up to three right answers,
as in the data of Segment Anything (Kirillov et al. 2023, section 2: whole, part, subpart).
There are no roofs, trees, streets or height maps in here: what the model learns from these images
is grouping, and whatever it later does on a remote-sensing scene it does without having seen one.

All images of a batch are made by tensor operations; the only loop runs over the layers of the stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.world.shapes.outlines import SHAPES, inside_shape

__all__ = ["LEVELS", "ImageConfig", "Images", "make_images"]

LEVELS = ("part", "object", "group")
"""Names of the three id maps of an image, finest first."""

REACH = 2.0
"""No shape reaches farther from its centre, in half extents; the farthest are the corners of a bent band (1.93)."""


@dataclass(frozen=True)
class ImageConfig:
    """Parameters of the image generator.

    Attributes:
        areas: Large background shapes per image.
        objects: Shapes lying on the background.
        smallest: Half extent of the smallest shape, as a fraction of the image's side.
        largest: Half extent of the largest shape.
        child: Probability that a shape lies on an earlier shape (and joins its group).
        twin: Probability that a shape takes the colours of an earlier shape.
        split: Probability that a shape consists of two parts.
        shadow: Probability that an image has drop shadows.
    """

    areas: int = 3
    objects: int = 14
    smallest: float = 0.03
    largest: float = 0.36
    child: float = 0.35
    twin: float = 0.3
    split: float = 0.5
    shadow: float = 0.6


@dataclass(frozen=True)
class Images:
    """A batch of images.

    Attributes:
        image: RGB, 0–255.
        levels: Id of the part, object and group under each pixel; 0 is the bare canvas.
            Ids are unique within one image and one level.
    """

    image: UInt8[Tensor, "n 3 height width"]
    levels: Int[Tensor, "n 3 height width"]


def make_images(
    seed: int,
    count: int,
    size: int = 128,
    config: ImageConfig | None = None,
    device: torch.device | str = "cpu",
) -> Images:
    """Draw ``count`` images of ``size`` × ``size`` pixels.

    Args:
        seed: Same seed, count, size, configuration and device give the same images.
        count: Number of images.
        size: Side in pixels, at least 16.
        config: Parameters; the defaults are what the shipped model was trained on.
        device: Where to compute.

    Returns:
        Images on ``device``.

    Raises:
        ValueError: If ``size`` is below 16 or ``count`` below 1.

    Example:
        >>> images = make_images(seed=0, count=2, size=32)
        >>> tuple(images.image.shape), tuple(images.levels.shape)
        ((2, 3, 32, 32), (2, 3, 32, 32))
    """
    if size < 16 or count < 1:
        raise ValueError(
            f"make_images needs count >= 1 and size >= 16, got count={count} and size={size}: "
            "ask for at least one image of 16 pixels"
        )
    config = config or ImageConfig()
    generator = torch.Generator(device=device).manual_seed(seed)
    draw = _Draw(generator, torch.device(device))

    axis = (torch.arange(size, device=device) + 0.5) / size
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    levels, layer, split = _stack(draw, config, count, xs, ys)
    image = _paint(draw, config, count, xs, ys, layer, split)
    return Images(image=image, levels=levels)


class _Draw:
    """Random numbers from one generator, shortest possible to write."""

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.generator, self.device = generator, device

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=self.generator, device=self.device)

    def happens(self, probability: float, *shape: int) -> Tensor:
        return self.uniform(*shape) < probability


def _stack(
    draw: _Draw, config: ImageConfig, count: int, xs: Tensor, ys: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay the shapes over each other; returns the level maps, the top layer and which half of it."""
    layers = config.areas + config.objects
    small, large = math.log(config.smallest), math.log(config.largest)
    extent = torch.exp(draw.uniform(count, layers, low=small, high=large))
    # Large shapes first, so that small ones are seldom buried; areas are larger than the image's half.
    extent = extent.sort(dim=1, descending=True).values
    extent[:, : config.areas] = draw.uniform(count, config.areas, low=0.4, high=0.9)
    centre = draw.uniform(count, layers, 2, low=-0.02, high=1.02)
    angle = draw.uniform(count, layers, high=2 * math.pi)
    aspect = torch.exp(draw.uniform(count, layers, low=-0.9, high=0.0))
    kind = draw.integers(len(SHAPES), count, layers)

    is_child = draw.happens(config.child, count, layers)
    is_child[:, : config.areas + 1] = False
    first = config.areas
    index = torch.arange(layers, device=draw.device)
    # A child sits on a shape drawn before it, which is larger: the part of a group. Everything random is drawn for all
    # layers at once, whether used or not, so that the stream does not depend on what was drawn.
    parent = first + (draw.uniform(count, layers) * (index - first).clamp(min=1)).long()
    parent = torch.where(is_child, parent, index)
    offset = draw.uniform(count, layers, 2, low=-0.5, high=0.5)

    group = index.repeat(count, 1)
    top = torch.full((count, *xs.shape), -1, device=draw.device)
    half = torch.zeros_like(top, dtype=torch.bool)
    rows = torch.arange(count, device=draw.device)
    splits = draw.happens(config.split, count, layers)
    split_angle = draw.uniform(count, layers, high=2 * math.pi)
    split_shift = draw.uniform(count, layers, low=-0.35, high=0.35)
    inner = draw.happens(0.4, count, layers)
    shape_numbers = draw.uniform(count, layers, 16)

    for k in range(layers):
        # In order: a parent has its final place, size and group before its children ask for them.
        p = parent[:, k]
        child = (p != k)[:, None]
        own = extent[:, k]
        reach = extent[rows, p][:, None]
        centre[:, k] = torch.where(child, centre[rows, p] + offset[:, k] * reach, centre[:, k])
        extent[:, k] = torch.where(child[:, 0], torch.minimum(own, 0.45 * reach[:, 0]), own)
        group[:, k] = group[rows, p]
        for i in range(count):
            # Beyond its reach a shape is empty, so only the pixels around its centre are looked at.
            window = _around(centre[i, k], REACH * extent[i, k], xs.shape[0])
            one = (slice(i, i + 1), k)
            dx = xs[window] - centre[i, k, 0]
            dy = ys[window] - centre[i, k, 1]
            cos, sin, scale = torch.cos(angle[i, k]), torch.sin(angle[i, k]), extent[i, k]
            # the shape's own frame: turned by its angle, of half extent one along its long axis
            u = ((cos * dx + sin * dy) / scale)[None]
            v = ((cos * dy - sin * dx) / (scale * aspect[i, k]))[None]
            inside = inside_shape(kind[one], u, v, shape_numbers[one])
            if splits[i, k]:
                if inner[i, k]:  # a core inside a rim
                    second = inside_shape(kind[one], u / 0.6, v / 0.6, shape_numbers[one])
                else:  # two halves along a line
                    c, s = torch.cos(split_angle[i, k]), torch.sin(split_angle[i, k])
                    second = c * u + s * v > split_shift[i, k]
                half[i][window] = torch.where(inside, second, half[i][window])[0]
            else:  # a whole shape covers the halves of those below
                half[i][window] &= ~inside[0]
            top[i][window] = torch.where(inside[0], k, top[i][window])

    canvas = top < 0
    safe = top.clamp(min=0)
    groups = torch.gather(
        rearrange(group, "n k -> n k 1"), 1, rearrange(safe, "n h w -> n (h w) 1")
    )
    groups = rearrange(groups, "n (h w) 1 -> n h w", h=xs.shape[0])
    # Two ids per layer for the part, so that halves differ; 1 is added since 0 is the canvas.
    levels = torch.stack([2 * safe + half + 1, safe + 1, groups + 1], dim=1)
    levels = torch.where(canvas[:, None], 0, levels)
    return levels, safe, half


def _around(centre: Tensor, reach: Tensor, size: int) -> tuple[slice, slice]:
    """Rows and columns of the pixels within ``reach`` of a centre (x, y), both in sides of the image."""
    low = ((centre - reach) * size).floor().int().clamp(0, size).tolist()
    high = ((centre + reach) * size).ceil().int().clamp(0, size).tolist()
    return slice(low[1], high[1]), slice(low[0], high[0])


def _paint(
    draw: _Draw,
    config: ImageConfig,
    count: int,
    xs: Tensor,
    ys: Tensor,
    layer: Tensor,
    half: Tensor,
) -> Tensor:
    """Colour and texture of every pixel from the parameters of its part, then light, blur, noise."""
    size = xs.shape[0]
    layers = config.areas + config.objects
    grey = draw.uniform(count, layers, 1, low=0.08, high=0.92)
    colour = grey + 0.14 * draw.normal(count, layers, 3) * draw.uniform(count, layers, 1)
    earlier = (draw.uniform(count, layers) * torch.arange(layers, device=draw.device)).long()
    twin = draw.happens(config.twin, count, layers, 1)
    borrowed = torch.gather(colour, 1, earlier[..., None].expand(-1, -1, 3))
    colour = torch.where(twin, borrowed + 0.02 * draw.normal(count, layers, 3), colour)
    # The second half of a split shape differs in light or in colour.
    light = draw.uniform(count, layers, 1, low=0.55, high=1.35)
    other = colour + 0.15 * draw.normal(count, layers, 3)
    second = torch.where(draw.happens(0.65, count, layers, 1), colour * light, other)

    amplitude = 0.16 * draw.uniform(count, layers, 4) ** 3  # three noise scales and one pattern
    pitch = torch.exp(draw.uniform(count, layers, 1, low=math.log(8), high=math.log(50)))
    direction = draw.uniform(count, layers, 1, high=2 * math.pi)
    slope = 0.25 * draw.normal(count, layers, 2) * draw.uniform(count, layers, 1) ** 2
    checker = draw.happens(0.3, count, layers, 1).float()
    table = torch.cat([colour, second, amplitude, pitch, direction, slope, checker], dim=-1)

    # All parameters of a layer stand in one row, and every pixel looks its row up: no loop over shapes.
    flat = rearrange(layer, "n h w -> n (h w) 1")
    own = torch.gather(table, 1, flat.expand(-1, -1, table.shape[-1]))
    own = rearrange(own, "n (h w) c -> c n h w", h=size)
    first, other_half, strength, pitch, direction, slope, checker = own.split([3, 3, 4, 1, 1, 2, 1])
    base = torch.where(half, other_half, first)
    noises = [_noise(draw, count, size, cells) for cells in (6, 20, size)]
    texture = strength[0] * noises[0] + strength[1] * noises[1] + 0.6 * strength[2] * noises[2]
    along = torch.cos(direction[0]) * xs + torch.sin(direction[0]) * ys
    across = torch.cos(direction[0]) * ys - torch.sin(direction[0]) * xs
    wave = torch.tanh(3 * torch.sin(pitch[0] * along))
    crossed = wave * torch.tanh(3 * torch.sin(pitch[0] * across))
    wave = torch.where(checker[0] > 0, crossed, wave)
    texture = texture + strength[3] * wave + slope[0] * (xs - 0.5) + slope[1] * (ys - 0.5)
    image = rearrange(base + texture, "c n h w -> n c h w")

    # Drop shadows: darken what a higher layer, moved along one direction, would cover.
    reach = max(1, round(0.03 * size))
    shift = draw.integers(2 * reach + 1, 2) - reach
    moved = torch.roll(layer, (int(shift[0]), int(shift[1])), dims=(1, 2))
    shadow = (moved > layer + 1) & (moved >= config.areas)
    has = draw.happens(config.shadow, count, 1, 1) & (shift.abs().sum() > 0)
    depth = draw.uniform(count, 1, 1, low=0.4, high=0.85)
    image = image * torch.where(shadow & has, depth, 1.0)[:, None]

    tilt = 0.3 * draw.uniform(count, 2, low=-1, high=1)
    gain = 1 + tilt[:, 0, None, None] * (xs - 0.5) + tilt[:, 1, None, None] * (ys - 0.5)
    image = image * gain[:, None]
    # Blur by a 3x3 kernel of random width stands for the lens, then sensor noise and exposure.
    width = draw.uniform(count, 1, 1, low=0.05, high=0.6)
    kernel = torch.cat([width, torch.ones_like(width), width], dim=-1)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    kernel2d = rearrange(kernel, "n 1 x -> n 1 1 x") * rearrange(kernel, "n 1 y -> n 1 y 1")
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    # One image at a time: with a group for each image the same convolution takes many times as long.
    image = torch.stack(
        [
            F.conv2d(rearrange(one, "c h w -> c 1 h w"), kernel2d[i : i + 1])[:, 0]
            for i, one in enumerate(padded)
        ]
    )
    sigma = 0.03 * draw.uniform(count, 1, 1, 1)
    image = image + sigma * draw.normal(*image.shape)
    contrast = draw.uniform(count, 1, 1, 1, low=0.7, high=1.2)
    image = (image - 0.5) * contrast + 0.5 + 0.1 * draw.uniform(count, 3, 1, 1, low=-1)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def _noise(draw: _Draw, count: int, size: int, cells: int) -> Float[Tensor, "n size size"]:
    """Smooth noise with about ``cells`` blobs a side, roughly unit variance."""
    coarse = draw.normal(count, 1, cells, cells)
    if cells == size:
        return coarse[:, 0]
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)[:, 0]
