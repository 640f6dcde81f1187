"""Convolutions with their norms, as decoders use them."""

from __future__ import annotations

from torch import nn


def conv_norm(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution that keeps the size, without bias (the norm's shift is one), and batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def separable(channels: int, kernel: int, padding: int) -> nn.Sequential:
    """Depthwise convolution, batch norm, 1×1 convolution."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


def conv_norm_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution that keeps the size, without bias, batch norm, ReLU."""
    return nn.Sequential(*conv_norm(inputs, outputs, kernel), nn.ReLU(inplace=True))
