"""A scene in memory as the sample that networks train on, scaled as a tile read from files would be."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mfnet_lite.rasters.scaling import fit_scaling

__all__ = ["SceneLike", "scene_sample"]


class SceneLike(Protocol):
    """What is asked of a scene; :class:`mfnet_lite.world.Scene` has it."""

    optical: np.ndarray
    dsm: np.ndarray
    dsm_valid: np.ndarray
    label: np.ndarray
    gsd: float


def scene_sample(scene: SceneLike, scaling: str = "ground") -> dict[str, Tensor]:
    """Turn a scene into ``{"optical", "dsm", "label"}``.

    Args:
        scene: With ``optical`` (bands, height, width) uint8, ``dsm``, ``dsm_valid`` and ``label`` (height, width), and
            ``gsd`` in metres.
        scaling: How heights become numbers from 0 to 1 (:func:`~mfnet_lite.rasters.scaling.fit_scaling`); holes are 0.

    Returns:
        ``optical`` (3, height, width) in [0, 1], ``dsm`` (1, height, width) in [0, 1], ``label`` (height, width) int64.

    Example:
        >>> from types import SimpleNamespace
        >>> flat = np.zeros((8, 8), np.float32)
        >>> scene = SimpleNamespace(
        ...     optical=np.full((4, 8, 8), 255, np.uint8), dsm=flat, dsm_valid=flat == 0, label=flat, gsd=0.5
        ... )
        >>> {name: tuple(x.shape) for name, x in scene_sample(scene).items()}
        {'optical': (3, 8, 8), 'dsm': (1, 8, 8), 'label': (8, 8)}
    """
    scaled = fit_scaling(scene.dsm, scene.dsm_valid, scaling, scene.gsd)
    heights = scaled(scene.dsm, scene.dsm_valid)
    return {
        "optical": torch.from_numpy(scene.optical[:3] / np.float32(255)),
        "dsm": torch.from_numpy(np.asarray(heights, dtype=np.float32)[None]),
        "label": torch.from_numpy(scene.label.astype(np.int64)),
    }
