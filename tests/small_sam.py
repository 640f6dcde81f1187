"""Sizes of small models of the SAM family, for tests in which the sizes do not matter.

Tests whose golden numbers belong to sizes of their own write those down themselves.
"""

from __future__ import annotations

from mfnet_lite.sam import SamConfig

SMALL = SamConfig(
    image_size=64, patch_size=8, width=24, depth=2, heads=3, window=4, global_blocks=(1,), prompt_dim=32
)  # fmt: skip
"""8 × 8 tokens, one block with windows and one without."""

FOUR_LEVELS = SamConfig(
    image_size=64, patch_size=8, width=16, depth=4, heads=2, window=4, prompt_dim=32
)
"""Four blocks, as a pyramid of four levels needs them."""

SMALLEST = SamConfig(
    image_size=32, patch_size=8, width=16, depth=2, heads=2, window=2, global_blocks=(1,), prompt_dim=16
)  # fmt: skip
"""4 × 4 tokens, for what is computed many times."""

ONE_BLOCK = SamConfig(image_size=32, width=16, depth=1, heads=2, global_blocks=(0,))
"""2 × 2 tokens and SAM's own prompt encoder and decoder, for automatic masks of random weights."""
