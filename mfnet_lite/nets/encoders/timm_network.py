"""Any convolutional network of timm that has maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

STRIDES = (4, 8, 16, 32)


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
        name: Such as ``"resnet18"``.
        pretrained: Fetch timm's weights.
        user: Who needs it, for the message where timm is not installed.
        **options: Further arguments of ``timm.create_model``.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If timm cannot build the network, or it has no maps at these strides.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"{user} needs timm; install it with `pip install timm`") from error
    try:
        net = timm.create_model(name, pretrained=pretrained, features_only=True, **options)
    except (RuntimeError, AttributeError) as error:  # unknown to timm, or not made for its maps
        raise ValueError(
            f"timm cannot build the encoder {name!r} ({error}); choose a convolutional network such "
            "as resnet18"
        ) from error
    info: Any = net.feature_info
    strides = list(info.reduction())
    missing = [stride for stride in STRIDES if stride not in strides]
    if missing:
        raise ValueError(
            f"the encoder {name} has maps at strides {strides}, but none at {missing}; choose "
            "another such as resnet18"
        )
    a, b, c, d = (strides.index(stride) for stride in STRIDES)
    counts = info.channels()
    return TimmNetwork(net, (a, b, c, d), (counts[a], counts[b], counts[c], counts[d]))
