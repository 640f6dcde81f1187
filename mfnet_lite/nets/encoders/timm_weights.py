"""Weights of timm's networks from a file or a package, without a network connection and without pickled code.

A backbone is written ``timm:NAME`` or ``timm:NAME@FILE``. Where its weights are is decided here and nowhere else:
in the file that is given; else in the package that carries them (:mod:`~mfnet_lite.nets.encoders.packaged_weights`);
else timm fetches them. What is read here must fill the network to the last tensor.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.encoders.packaged_weights import PACKAGED, packaged_state, refuse_lookalike
from mfnet_lite.sam.checkpoints import read_state

PREFIX = "timm:"
FIRST_OF_EFFICIENTNET_PYTORCH = "_conv_stem.weight"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""How most networks want their images, if timm says nothing."""


class Weights(NamedTuple):
    """Tensors for a network, and what to call their origin in messages.

    Args:
        state: Tensors by name.
        origin: The file or the package.
    """

    state: Mapping[str, Tensor]
    origin: str


def timm_name(backbone: str) -> str:
    """Return what stands behind ``timm:``.

    Args:
        backbone: Such as ``"timm:tf_efficientnet_lite0"``.

    Raises:
        ValueError: If it begins otherwise.
    """
    if not backbone.startswith(PREFIX) or backbone == PREFIX:
        raise ValueError(
            f"expected a backbone timm:NAME or timm:NAME@FILE, such as timm:tf_efficientnet_lite0, got {backbone!r}"
        )
    return backbone.removeprefix(PREFIX)


def split_name(name: str) -> tuple[str, Path | None]:
    """Separate a network's name from the file of its weights.

    Args:
        name: ``NAME`` or ``NAME@FILE``.

    Raises:
        ValueError: If one of the two is empty.

    Example:
        >>> split_name("resnet18"), split_name("resnet18@mine.pth")[1].name
        (('resnet18', None), 'mine.pth')
    """
    network, at, file = name.partition("@")
    if not network or (at and not file):
        raise ValueError(
            f"expected timm:NAME or timm:NAME@FILE with a name and a file, got timm:{name}"
        )
    # Path.expanduser would raise where the user does not exist
    return network, Path(os.path.expanduser(file)) if file else None  # noqa: PTH111


def weights_at_hand(network: str, file: Path | None) -> Weights | None:
    """Read a network's weights where they are on this machine.

    Args:
        network: Its name in timm.
        file: The file given for it, ``.safetensors`` or what ``torch.save`` wrote.

    Returns:
        The weights; None where timm has to fetch them.

    Raises:
        FileNotFoundError: If there is no such file, or the package that carries the weights is not installed.
        ValueError: If the file holds no state dict or is another one, or the network only looks like one whose
            weights come as a package.
    """
    if file is not None:
        state = file_state(file)
        if network in PACKAGED and FIRST_OF_EFFICIENTNET_PYTORCH in state:
            state = PACKAGED[network].renamed(state)
        return Weights(state, str(file))
    refuse_lookalike(network)
    if network in PACKAGED:
        return Weights(packaged_state(network), PACKAGED[network].file.distribution)
    return None


def fill(whole: nn.Module, weights: Weights, network: str, library: str = "timm") -> nn.Module:
    """Load weights into a whole network, to the last tensor; the classifier alone may be another or be absent.

    Args:
        whole: As timm builds it with three bands and its own classifier; or a network of another library.
        weights: What to load.
        network: Its name, for messages.
        library: Whose network it is, for messages.

    Returns:
        The network.

    Raises:
        ValueError: If tensors are missing, are too many or have other shapes.
    """
    own = whole.state_dict()
    config: Any = getattr(whole, "pretrained_cfg", None) or {}
    named = config.get("classifier") or ()
    classifiers = (named,) if isinstance(named, str) else tuple(named)
    state = {
        name: value
        for name, value in weights.state.items()
        if not (_within(name, classifiers) and (name not in own or own[name].shape != value.shape))
    }
    # counters of batches, which nothing reads; files of before 2018 have none
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    missing = [
        n for n in own if n not in state and n not in optional and not _within(n, classifiers)
    ]
    unknown = [name for name in state if name not in own]
    shapes = [n for n in state if n in own and own[n].shape != state[n].shape]
    found = [
        f"{words} {_few(names)}"
        for words, names in (("lacks", missing), ("has also", unknown), ("has another shape of", shapes))
        if names
    ]  # fmt: skip
    if found:
        raise ValueError(
            f"{weights.origin} does not fit {library}'s {network}: expected its {len(own)} tensors, but it "
            f"{', '.join(found)}; give the state dict of that network"
        )
    whole.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return whole


def fill_features(features: nn.Module, whole: nn.Module, bands: int, network: str) -> None:
    """Give a network that returns maps the weights of the same network with a classifier.

    Args:
        features: As timm builds it with ``features_only``; its first convolution takes ``bands``.
        whole: The filled network, of three bands.
        bands: How many bands ``features`` takes.
        network: Its name, for messages.

    Raises:
        ValueError: If a tensor has no counterpart.
    """
    # timm flattens some networks: "stages.0.blocks" is then called "stages_0.blocks"
    there = {_flat(name): value for name, value in whole.state_dict().items()}
    state, lost = {}, []
    for name, own in features.state_dict().items():
        value = there.get(_flat(name), there.get(_flat(name.removeprefix("model."))))
        if value is not None and value.shape != own.shape and value.ndim == 4:
            value = adapt_bands(value, bands)
        if value is None or value.shape != own.shape:
            lost.append(name)
        else:
            state[name] = value
    if lost:
        raise ValueError(
            f"the maps of timm's {network} cannot be given weights: expected a counterpart in the whole network "
            f"for each tensor, found none for {_few(lost)}; choose another network such as resnet18"
        )
    features.load_state_dict(state, strict=True)


def adapt_bands(
    weight: Float[Tensor, "out bands height width"], bands: int
) -> Float[Tensor, "out bands2 height width"]:
    """Make the first convolution of a colour network take another number of bands, as timm does.

    Band i starts with the weights of colour i modulo 3, all scaled by 3 / bands, so that the sum stays about as
    large; one band gets the sum of the three colours.

    Args:
        weight: Of three bands.
        bands: How many are wanted.

    Example:
        >>> adapt_bands(torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1), 4).flatten().tolist()
        [0.75, 1.5, 3.0, 0.75]
    """
    if bands == 1:
        return weight.sum(dim=1, keepdim=True)
    colours = weight.shape[1]
    return weight[:, [band % colours for band in range(bands)]] * (colours / bands)


def input_statistics(network: nn.Module, bands: int = 3) -> tuple[Tensor, Tensor]:
    """Return what a network of timm wants subtracted from images in [0, 1], and what they are divided by then.

    Band i is treated as colour i modulo 3, as in :func:`adapt_bands`.

    Args:
        network: As timm built it.
        bands: How many bands it takes.

    Returns:
        Mean and standard deviation, (bands, 1, 1) each.
    """
    config: Any = getattr(network, "pretrained_cfg", None) or {}
    mean, std = (
        torch.tensor([float(config.get(key, IMAGENET[key])[band % 3]) for band in range(bands)])
        for key in ("mean", "std")
    )
    return mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)


def file_state(path: Path, behind: str = "timm:NAME@") -> dict[str, Tensor]:
    """Read a state dict, or say in a sentence why the file holds none.

    Args:
        path: Of a ``.safetensors`` file, or of what ``torch.save`` wrote.
        behind: What stands before the file in the name that the user gave, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no state dict, or more than tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: expected a file of weights behind {behind}; check the path"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise ValueError(
                    f"{path} is a TorchScript program, expected plain tensors; run torch.save(torch.jit.load(FILE)"
                    ".state_dict(), NEW) once, if you trust it, and give the new file"
                )
    return read_state(path)[0]


def _within(name: str, modules: Iterable[str]) -> bool:
    """Whether a tensor belongs to one of some modules."""
    return any(name.startswith(f"{module}.") for module in modules)


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _few(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
