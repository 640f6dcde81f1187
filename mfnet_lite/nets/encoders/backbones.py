"""Frozen image encoders by name, run block by block: SAM's, timm's transformers, timm's convolutional networks."""

from __future__ import annotations

from mfnet_lite.nets.encoders.plain_vit import PlainViT, SamViT, TimmViT
from mfnet_lite.nets.encoders.staged_cnn import StagedCNN
from mfnet_lite.nets.encoders.timm_network import is_timm_vit, open_timm, open_timm_vit
from mfnet_lite.nets.encoders.timm_weights import PREFIX, timm_name
from mfnet_lite.sam import load_sam


def open_plain_vit(backbone: str, user: str) -> PlainViT:
    """Open a frozen network by name or file.

    Args:
        backbone: What :func:`mfnet_lite.load_sam` takes; or ``timm:NAME@FILE`` with a plain vision transformer of
            timm and a file of its weights, such as the official ones of DINOv2 and CLIP; or ``timm:NAME``, whose
            weights come as a package or are fetched. A convolutional network of timm, such as
            ``timm:tf_efficientnet_lite0``, is run stage by stage
            (:class:`~mfnet_lite.nets.encoders.staged_cnn.StagedCNN`).
        user: Who needs it, for the message where timm is not installed.

    Raises:
        ImportError: If timm is needed and not installed.
        FileNotFoundError: If nothing of that name exists.
        ConnectionError: If a download is needed and fails.
        ValueError: If the weights are those of another network, or it is neither a plain vision transformer nor a
            chain of stages.
    """
    if not backbone.startswith(PREFIX):
        return SamViT(load_sam(backbone))
    name = timm_name(backbone)
    if is_timm_vit(name, user):
        return TimmViT(open_timm_vit(name, user))

    return StagedCNN(open_timm(name, True, user))
