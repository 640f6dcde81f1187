"""Networks of timm by name: convolutional ones with maps at strides 4, 8, 16 and 32, and vision transformers."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import torch
from torch import nn

from mfnet_lite.nets.encoders.timm_weights import (
    Weights,
    fill,
    fill_features,
    split_name,
    weights_at_hand,
)

STRIDES = (4, 8, 16, 32)
CONVOLUTIONAL = "a convolutional network such as resnet18"
TRANSFORMER = "a plain vision transformer such as vit_small_patch16_224"


class TimmNetwork(NamedTuple):
    """A network of timm, and where its four maps are.

    Args:
        net: Images to a list of maps.
        levels: Which of them are those at the four strides, finest first.
        channels: Their channels.
    """

    net: nn.Module
    levels: tuple[int, int, int, int]
    channels: tuple[int, int, int, int]


def open_timm(name: str, pretrained: bool, user: str, **options: Any) -> TimmNetwork:
    """Build a network of timm and find its maps.

    Args:
        name: Such as ``"resnet18"``, or ``"resnet18@FILE"`` with a file of its weights.
        pretrained: Load weights: those of the file; else those of a package, see
            :mod:`~mfnet_lite.nets.encoders.packaged_weights`; else those that timm fetches.
        user: Who needs it, for the message where timm is not installed.
        **options: Further arguments of ``timm.create_model``.

    Raises:
        ImportError: If timm is not installed.
        FileNotFoundError: If the weights are not on this machine and are not timm's to fetch.
        ConnectionError: If timm cannot fetch them.
        ValueError: If timm cannot build the network, the weights are those of another, or it has no maps at these
            strides.
    """
    timm = _timm(user)
    network, file = split_name(name)
    weights = weights_at_hand(network, file) if pretrained else None
    fetched = pretrained and weights is None
    net = _create(timm, network, fetched, CONVOLUTIONAL, features_only=True, **options)
    info: Any = net.feature_info
    strides = list(info.reduction())
    missing = [stride for stride in STRIDES if stride not in strides]
    if missing:
        raise ValueError(
            f"the encoder {network} has maps at strides {strides}, but none at {missing}; choose "
            "another such as resnet18"
        )
    if weights is not None:
        whole = _filled(timm, network, weights)
        fill_features(net, whole, options.get("in_chans", 3), network)
    a, b, c, d = (strides.index(stride) for stride in STRIDES)
    counts = info.channels()
    return TimmNetwork(net, (a, b, c, d), (counts[a], counts[b], counts[c], counts[d]))


def open_timm_vit(name: str, user: str) -> nn.Module:
    """Build a plain vision transformer of timm with its weights, without a classifier.

    Official files of DINOv2 and CLIP load as well as timm's own: timm's translation of names is applied.

    Args:
        name: Such as ``"vit_small_patch14_dinov2@dinov2_vits14_pretrain.pth"``; without a file timm fetches the
            weights.
        user: Who needs it, for the message where timm is not installed.

    Raises:
        ImportError: If timm is not installed.
        FileNotFoundError: If there is no such file.
        ConnectionError: If timm cannot fetch the weights.
        ValueError: If the network is no plain vision transformer, or the weights are those of another.
    """
    timm = _timm(user)
    network, file = split_name(name)
    weights = weights_at_hand(network, file)
    net = _create(timm, network, weights is None, TRANSFORMER)
    if not isinstance(net, timm.models.vision_transformer.VisionTransformer):
        raise ValueError(
            f"timm's {network} is a {type(net).__name__}, expected {TRANSFORMER}; "
            "choose such a network"
        )
    if weights is not None:
        rename = timm.models.vision_transformer.checkpoint_filter_fn
        fill(net, Weights(rename(dict(weights.state), net), weights.origin), network)
    inner: Any = net
    inner.reset_classifier(0)
    return net


def is_timm_vit(name: str, user: str) -> bool:
    """Whether a name of timm belongs to a family of plain vision transformers; nothing is built.

    Args:
        name: Such as ``"vit_small_patch16_224"``, or with a file behind it. What timm does not list, such as
            ``"hf-hub:…"``, counts as one and is judged when it is built.
        user: Who needs it, for the message where timm is not installed.

    Raises:
        ImportError: If timm is not installed.
    """
    timm = _timm(user)
    network = split_name(name)[0]
    if not timm.is_model(network):
        return True
    builder = timm.model_entrypoint(network)
    # each module of timm is a family; those of plain transformers define or extend this class
    return hasattr(sys.modules[builder.__module__], "VisionTransformer")


def _timm(user: str) -> Any:
    """Import timm, which is an optional package."""
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"{user} needs timm; install it with `pip install timm`") from error
    return timm


def _create(timm: Any, network: str, fetched: bool, wanted: str, **options: Any) -> nn.Module:
    """Build a network, with timm's errors in one sentence."""
    try:
        net: nn.Module = timm.create_model(network, pretrained=fetched, **options)
    except (RuntimeError, AttributeError) as error:  # unknown to timm, or not made for its maps
        raise ValueError(
            f"timm cannot build the encoder {network!r} ({error}); choose {wanted}"
        ) from error
    except OSError as error:
        if not fetched:
            raise
        raise ConnectionError(
            f"timm could not fetch the weights of {network} ({type(error).__name__}); call again with network, give "
            f"a file of them as timm:{network}@FILE, or take an encoder that comes as a package, such as "
            "timm:tf_efficientnet_lite0"
        ) from error
    return net


def _filled(timm: Any, network: str, weights: Weights) -> nn.Module:
    """Build the whole network with its weights, which shows that none is missing."""
    # what is drawn after the encoder, such as a decoder, stays as it is beside random weights
    with torch.random.fork_rng(devices=[]):
        return fill(_create(timm, network, False, CONVOLUTIONAL), weights, network)
