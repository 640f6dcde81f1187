"""Instances of a scene, drawn at random, as the true masks a promptable model should find."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from mfnet_lite.world.scene import make_scene

__all__ = ["scene_objects"]


def scene_objects(
    seed: int, prompts: int, size: int = 256, smallest: int = 64
) -> tuple[UInt8[Tensor, "1 3 size size"], Bool[Tensor, "1 prompts size size"]]:
    """A scene's image with some of its instances, drawn at random.

    Args:
        seed: Of the scene and of the draw.
        prompts: Instances to draw; drawn with repetition if the scene has fewer.
        size: Side of the scene in pixels.
        smallest: Least area of an instance in pixels.

    Returns:
        Red, green, blue on the 0–255 scale, and the true masks.

    Raises:
        ValueError: If no instance is large enough.
    """
    scene = make_scene(seed, size=size)
    numbers, areas = np.unique(scene.instances, return_counts=True)
    fit = numbers[(numbers > 0) & (areas >= smallest)]
    if len(fit) == 0:
        raise ValueError(
            f"scene {seed} has no instance of {smallest} pixels or more at size {size}: "
            "take a larger size or another seed"
        )
    drawn = np.random.default_rng(seed).choice(fit, prompts, replace=len(fit) < prompts)
    image = torch.from_numpy(scene.optical[:3].copy())
    masks = torch.from_numpy(scene.instances[None] == drawn[:, None, None])
    return image[None], masks[None]
