"""EfficientNet-Lite0 as published for EfficientNet-PyTorch, under the names of timm.

EfficientNet-PyTorch numbers all blocks in one row and names layers after what they do; timm counts blocks within
stages and calls pointwise convolutions by their place. The first block expands nothing: its one pointwise
convolution is called ``conv_pw`` and its norms count from 1::

    EfficientNet-PyTorch              timm, first stage        timm, other stages
    _blocks.N._expand_conv            –                        blocks.S.B.conv_pw
    _blocks.N._bn0                    –                        blocks.S.B.bn1
    _blocks.N._depthwise_conv         blocks.0.0.conv_dw       blocks.S.B.conv_dw
    _blocks.N._bn1                    blocks.0.0.bn1           blocks.S.B.bn2
    _blocks.N._project_conv           blocks.0.0.conv_pw       blocks.S.B.conv_pwl
    _blocks.N._bn2                    blocks.0.0.bn2           blocks.S.B.bn3

Lite networks have no squeeze-and-excitation; a name for which there is no rule is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage of EfficientNet-Lite0."""

_AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST_STAGE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_OTHER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def lite0_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of EfficientNet-Lite0 the names of timm's ``tf_efficientnet_lite0``.

    Args:
        state: Tensors by the names of EfficientNet-PyTorch.

    Returns:
        The same tensors by those of timm.

    Raises:
        ValueError: If a name is not one of EfficientNet-Lite0.
    """
    return {lite0_name(name): value for name, value in state.items()}


def lite0_name(name: str) -> str:
    """Translate one name.

    Args:
        name: Of a tensor, in EfficientNet-PyTorch.

    Raises:
        ValueError: If EfficientNet-Lite0 has no such tensor.

    Example:
        >>> lite0_name("_blocks.4._bn0.weight"), lite0_name("_fc.bias")
        ('blocks.2.1.bn1.weight', 'classifier.bias')
    """
    layer, _, rest = name.partition(".")
    try:
        if layer != "_blocks":
            return f"{_AROUND[layer]}.{rest}"
        number, layer, tensor = rest.split(".", 2)
        stage, block = _place(int(number))
        rule = _OTHER_STAGES if stage else _FIRST_STAGE
        return f"blocks.{stage}.{block}.{rule[layer]}.{tensor}"
    except (KeyError, ValueError, IndexError):
        raise ValueError(
            f"{name} is no tensor of EfficientNet-Lite0 as EfficientNet-PyTorch names them, such as "
            "_blocks.0._depthwise_conv.weight; give the weights of that network"
        ) from None


def _place(number: int) -> tuple[int, int]:
    """Return stage and place within it of a block that is counted through.

    Raises:
        IndexError: If there are fewer blocks.
    """
    if number < 0:
        raise IndexError(number)
    for stage, blocks in enumerate(STAGES):
        if number < blocks:
            return stage, number
        number -= blocks
    raise IndexError(number)
