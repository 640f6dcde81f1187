"""Show a language model only a part of an image: the places that a question is about, and few others.

A box is written digit by digit, from attention to the right place and from reading where that place lies. Neither is
learned without the other: attention that looks everywhere has no position to read, and to a reader that knows no
positions it does not matter where attention looks. Asked about whole images, the small model did not begin to learn
boxes within 5,000 steps of 16 dialogues. Where all other places are missing attention cannot go astray, so reading
comes first; then ever more places are shown.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mfnet_lite.language.boxes import Numbers, read_box
from mfnet_lite.language.instructions import Exchange
from mfnet_lite.nets.earthgpt import Example

BRACKETS = re.compile(r"\[([0-9.,;]+)\]")
MARGIN = 0.5
"""How far around a box places are shown, as a share of a place's side."""


def boxes_named(exchange: Exchange) -> list[Numbers]:
    """Find the horizontal boxes that a question or its answer names.

    Args:
        exchange: Question and answer.
    """
    said = exchange.question + " " + exchange.answer
    texts = [text for found in BRACKETS.findall(said) for text in found.split(";")]
    boxes = [tuple(read_box(f"[{text}]")) for text in texts]
    return [box for box in boxes if len(box) == 4]


def shown_places(
    boxes: list[Numbers], grid: int, keep: float, rng: np.random.Generator
) -> Bool[np.ndarray, " token"]:
    """Choose the places of a grid that are shown.

    Args:
        boxes: Left, upper, right and lower edge as shares of the side.
        grid: Rows and columns.
        keep: Share of the other places that is shown, drawn.
        rng: Draws them.

    Returns:
        Which places, row by row: all whose middle lies in a box or within :data:`MARGIN` of it, and the drawn ones.
    """
    middle = (np.arange(grid) + 0.5) / grid
    y, x = np.meshgrid(middle, middle, indexing="ij")
    shown = rng.random((grid, grid)) < keep
    around = MARGIN / grid
    for x0, y0, x1, y1 in boxes:
        shown |= (x0 - around < x) & (x < x1 + around) & (y0 - around < y) & (y < y1 + around)
    return shown.ravel()


def focused(
    exchange: Exchange,
    features: Float[Tensor, "token channels"],
    grid: int,
    keep: float,
    rng: np.random.Generator,
) -> Example:
    """Make an example of one question and of the places it is about.

    Args:
        exchange: Question and answer.
        features: Of the whole image.
        grid: Rows and columns of it.
        keep: As in :func:`shown_places`; where no box is named all places are shown.
        rng: Draws.
    """
    boxes = boxes_named(exchange)
    if boxes and keep < 1:
        features = features[torch.from_numpy(shown_places(boxes, grid, keep, rng))]
    return Example([(exchange.question, exchange.answer)], [features])
