"""Class-free procedural images for pre-training: no remote-sensing scene, no height."""

from __future__ import annotations

from mfnet_lite.world.shapes.images import LEVELS, ImageConfig, Images, make_images

__all__ = ["LEVELS", "ImageConfig", "Images", "make_images"]
