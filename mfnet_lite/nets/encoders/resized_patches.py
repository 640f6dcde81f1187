"""A vision transformer with patches of another size, so that its grid equals that of the network beside it.

DINOv2 has patches of 14 pixels, CLIP and SigLIP at 512 pixels have 16. MFuser (Zhang and Tan, CVPR 2025, arXiv
2504.03193) lets both run on one grid by resizing DINOv2's patch kernel. Here the kernel is resized so that an image
enlarged with its patches gives the same tokens as near as possible (FlexiViT: Beyer et al., CVPR 2023, arXiv
2212.08013); a bicubic picture of the kernel alone would also change how large the tokens are.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from mfnet_lite.nets.encoders.plain_vit import TimmViT


def resize_patches(vit: TimmViT, patch: int) -> TimmViT:
    """Change the patch size of a network.

    Args:
        vit: A vision transformer of timm; its patch embedding is replaced in place.
        patch: Side of the new patches, pixels.

    Returns:
        The same network. Positions need no change: they are resized to every grid anyhow.

    Raises:
        ValueError: If the network is another or the side is not positive.
    """
    # timm is there: the network is made of it
    from timm.layers.patch_embed import resample_patch_embed

    if not isinstance(vit, TimmViT):
        raise ValueError(
            f"expected a vision transformer of timm, got a {type(vit).__name__}, whose patches cannot be resized"
        )
    if patch < 1:
        raise ValueError(f"expected a patch of at least 1 pixel, got {patch}")
    inner: Any = vit.vit
    old = inner.patch_embed.proj
    kernel = resample_patch_embed(old.weight.detach(), [patch, patch], "bicubic")
    old.weight = nn.Parameter(kernel, requires_grad=False)
    old.kernel_size = old.stride = (patch, patch)
    vit.patch = patch
    return vit
