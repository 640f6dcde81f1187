"""Train a SAM of 256 pixels on windows of 128: every table is the large model's, only less of it is used.

A smaller input is the usual way to cheap pre-training, but a resized picture shows things half as large, and
the tables learnt on it must be stretched afterwards. A window keeps things at their size: the absolute table
and the positions of prompts are those of the place where the window lies, and of the relative tables of the
global blocks the middle is used. Gradients reach the large model's own parameters; nothing is converted.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from jaxtyping import Float
from segment_anything.modeling import Sam
from segment_anything.modeling.image_encoder import get_rel_pos
from torch import Tensor, nn

from mfnet_lite.sam.build import SamConfig
from mfnet_lite.sam.image_encoder import encode_images

M = TypeVar("M", bound=nn.Module)


class WindowPosition(nn.Module):
    """The positional code of a large picture, as seen from a window in it.

    Args:
        whole: The large model's code.
        config: The large model's sizes.
    """

    def __init__(self, whole: nn.Module, config: SamConfig) -> None:
        super().__init__()
        self.whole, self.config = whole, config
        self.top = self.left = 0
        """Where the window lies, in patches."""

    def forward(self, grid: tuple[int, int]) -> Float[Tensor, "channels h w"]:
        """Code of the window's own tokens."""
        code = self.whole((self.config.grid, self.config.grid))
        return code[:, self.top : self.top + grid[0], self.left : self.left + grid[1]]

    def forward_with_coords(
        self, points: Float[Tensor, "batch n 2"], _: tuple[int, int]
    ) -> Float[Tensor, "batch n channels"]:
        """Code of points (x, y) in pixels of the window."""
        corner = torch.tensor([self.left, self.top], device=points.device)
        side = self.config.image_size
        return self.whole.forward_with_coords(
            points + corner * self.config.patch_size, (side, side)
        )


class WindowedEncoder(nn.Module):
    """The image encoder of a large SAM, run on windows of its input.

    Args:
        large: The encoder whose parameters learn.
        config: The large model's sizes.
        window: Side of the windows in pixels.
        position: Knows where the window lies.
    """

    def __init__(
        self, large: nn.Module, config: SamConfig, window: int, position: WindowPosition
    ) -> None:
        super().__init__()
        self.large, self.position = large, position
        self.img_size = window
        self.grid, self.whole_grid = window // config.patch_size, config.grid

    def place(self, generator: torch.Generator) -> None:
        """Move the window to a random place of the large picture."""
        room = self.whole_grid - self.grid + 1
        place = torch.randint(room, (2,), generator=generator, device=generator.device)
        self.position.top, self.position.left = place.tolist()

    def forward(self, picture: Float[Tensor, "n 3 y x"]) -> Float[Tensor, "n channels h w"]:
        """Embed windows that are normalised already."""
        top, left, grid = self.position.top, self.position.left, self.grid
        table = self.large.pos_embed[:, top : top + grid, left : left + grid]
        tables = []
        for block in self.large.blocks:
            side = block.window_size or grid
            cut = 0 if block.window_size else self.whole_grid - grid
            rows = (block.attn.rel_pos_h, block.attn.rel_pos_w)
            # Distances inside a window are the middle of the table for all distances.
            tables.append(tuple(get_rel_pos(side, side, r[cut : len(r) - cut]) for r in rows))
        return encode_images(self.large, picture, table, tables)


def windowed(sam: Sam, config: SamConfig, window: int) -> Sam:
    """A second face of the same model: parameters shared, input side ``window``.

    Args:
        sam: The large model; it stays as it is.
        config: Its sizes.
        window: Side of the windows in pixels, a multiple of the patch size.

    Returns:
        A ``Sam`` whose ``image_encoder`` is a :class:`WindowedEncoder`; prompts are in pixels of the window.
    """
    position = WindowPosition(sam.prompt_encoder.pe_layer, config)
    prompts, face = _other_face(sam.prompt_encoder), _other_face(sam)
    prompts.pe_layer = position
    face.prompt_encoder = prompts
    face.image_encoder = WindowedEncoder(sam.image_encoder, config, window, position)
    return face


def _other_face(module: M) -> M:
    """A copy that shares parameters and sub-modules, of which single ones can be exchanged."""
    face = copy.copy(module)
    face._modules = dict(module._modules)
    return face
