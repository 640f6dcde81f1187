"""All networks by name. A new one is one file, and one line in :data:`NETWORKS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.utils.typed_fields import check_fields

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, str | type[NetworkConfig]] = {
    "unet": "mfnet_lite.nets.unet:UNetConfig",
    "unetformer": "mfnet_lite.nets.unetformer:UNetFormerConfig",
    "mfnet": "mfnet_lite.nets.mfnet:MFNetConfig",
    "gopt": "mfnet_lite.nets.gopt:GoPTConfig",
    "mfuser": "mfnet_lite.nets.mfuser:MFuserConfig",
    "sam_cd": "mfnet_lite.nets.change_detector:ChangeDetectorConfig",
    "samlp": "mfnet_lite.nets.samlp:SamLPConfig",
}
"""Name → config, as ``module:class``, which is imported when it is asked for, or as the class itself."""
DIALOGUE_NETWORKS: dict[str, str | type[NetworkConfig]] = {
    "earthgpt": "mfnet_lite.nets.earthgpt:EarthGPTConfig",
}
"""Networks that answer questions about images: their data are dialogues, and they have no classes of pixels."""


def list_models() -> tuple[str, ...]:
    """Name all networks that map images to classes of pixels, in the order of the alphabet.

    Example:
        >>> list_models()
        ('gopt', 'mfnet', 'mfuser', 'sam_cd', 'samlp', 'unet', 'unetformer')
    """
    return tuple(sorted(NETWORKS))


def all_models() -> tuple[str, ...]:
    """Name all networks, those that answer questions included, in the order of the alphabet.

    Example:
        >>> sorted(set(all_models()) - set(list_models()))
        ['earthgpt']
    """
    return tuple(sorted(NETWORKS | DIALOGUE_NETWORKS))


def config_class(name: str) -> type[NetworkConfig]:
    """Return the class of a network's config.

    Args:
        name: A key of :data:`NETWORKS` or :data:`DIALOGUE_NETWORKS`.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> config_class("unet")(width=8).options()
        {'width': 8, 'depth': 4}
    """
    known = NETWORKS | DIALOGUE_NETWORKS
    if name not in known:
        raise ValueError(f"unknown model {name!r}; available: {', '.join(all_models())}")
    found = known[name]
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(import_module(module), attribute)
    return found


def make_config(name: str, options: Mapping[str, Any]) -> NetworkConfig:
    """Make a network's config from options by name, such as those in a run's ``config.json``.

    Args:
        name: A key of :data:`NETWORKS` or :data:`DIALOGUE_NETWORKS`.
        options: Some of its options; the others stay at their defaults.

    Raises:
        ValueError: If the name is unknown, or the network has no such option, or none of such a type.
    """
    kind = config_class(name)
    known = tuple(f.name for f in fields(kind))
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} is no option of {name}; available: {', '.join(known) or 'none'}"
        )
    check_fields(kind, options)
    return kind(**options)


def build_model(
    name: str,
    sensors: Mapping[str, int],
    num_classes: int,
    classes: Sequence[str] | None = None,
    **options: Any,
) -> nn.Module:
    """Build a network by name, the way the command line does.

    Args:
        name: A key of :data:`NETWORKS`; :func:`list_models` lists them.
        sensors: Bands of each sensor, by name.
        num_classes: Number of classes.
        classes: Their names, for a network that reads them (``mfuser``).
        **options: Fields of the network's config, e.g. ``width`` and ``depth`` of the U-Net.

    Returns:
        A module which maps ``{sensor: (batch, bands, height, width)}`` to logits
        ``(batch, num_classes, height, width)``.

    Raises:
        ValueError: If the name is unknown, or an option is.

    Example:
        >>> net = build_model("unet", {"optical": 3}, 2, width=4, depth=1)
        >>> sum(p.numel() for p in net.parameters())
        1754
    """
    config = make_config(name, options)
    if classes is not None:
        config = config.with_classes(classes)
    return config.build(sensors, num_classes)
