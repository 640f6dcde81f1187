"""Positional codes in the number format of the model.

The official ``PositionEmbeddingRandom`` computes in float32 and so fails in a model of any other format. Here a model
in half precision is coded in float32 and rounded once, one in float64 in float64; in float32 the module itself is
called, and so is whatever stands in its place.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom
from torch import Tensor, nn

__all__: list[str] = []


def code_of_places(
    layer: PositionEmbeddingRandom, places: Float[Tensor, "*n 2"], size: tuple[int, int]
) -> Float[Tensor, "*n channels"]:
    """Code places, as ``forward_with_coords``.

    Args:
        layer: The official module, whose matrix decides the format.
        places: (x, y) in pixels.
        size: Height and width of the image that they are in.
    """
    if _answers(layer):
        official: Tensor = layer.forward_with_coords(places, size)
        return official
    wide = _wide(layer)
    scaled = places.to(torch.promote_types(places.dtype, wide), copy=True)
    scaled[..., 0] = scaled[..., 0] / size[1]
    scaled[..., 1] = scaled[..., 1] / size[0]
    return _code(layer, scaled.to(wide))


def code_of_grid(
    layer: PositionEmbeddingRandom, size: tuple[int, int]
) -> Float[Tensor, "channels height width"]:
    """Code the cells of a grid, as ``forward``.

    Args:
        layer: The official module.
        size: Height and width of the grid.
    """
    if _answers(layer):
        official: Tensor = layer(size)
        return official
    device = layer.positional_encoding_gaussian_matrix.device
    cells = torch.ones(size, device=device, dtype=_wide(layer))
    y = (cells.cumsum(dim=0) - 0.5) / size[0]
    x = (cells.cumsum(dim=1) - 0.5) / size[1]
    return _code(layer, torch.stack([x, y], dim=-1)).permute(2, 0, 1)


def _answers(layer: nn.Module) -> bool:
    """Whether the module can be called itself."""
    if not isinstance(layer, PositionEmbeddingRandom):
        return True
    return layer.positional_encoding_gaussian_matrix.dtype == torch.float32


def _wide(layer: PositionEmbeddingRandom) -> torch.dtype:
    return torch.promote_types(layer.positional_encoding_gaussian_matrix.dtype, torch.float32)


def _code(layer: PositionEmbeddingRandom, places: Float[Tensor, "*n 2"]) -> Tensor:
    """Code places from 0 to 1."""
    matrix = layer.positional_encoding_gaussian_matrix
    turns = 2 * math.pi * ((2 * places - 1) @ matrix.to(places.dtype))
    return torch.cat([turns.sin(), turns.cos()], dim=-1).to(matrix.dtype)
