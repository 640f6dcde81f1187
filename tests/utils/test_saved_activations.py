"""What autograd keeps, counted by hand on small networks."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.utils.saved_activations import saved_activations


def test_a_frozen_layer_keeps_nothing():
    first, second = nn.Linear(4, 8), nn.Linear(8, 2).requires_grad_(False)
    net = nn.Sequential(first, second)
    assert saved_activations(net, lambda: net(torch.zeros(3, 4))) == 3 * 4 * 4
    second.requires_grad_(True)
    assert saved_activations(net, lambda: net(torch.zeros(3, 4))) == (3 * 4 + 3 * 8) * 4


def test_what_is_used_twice_counts_once():
    net = nn.Linear(4, 4)

    def forward() -> torch.Tensor:
        y = net(torch.zeros(3, 4))
        return y * y.exp()  # y, its exponential, and the input

    assert saved_activations(net, forward) == 3 * 3 * 4 * 4


def test_without_a_gradient_nothing_is_kept():
    net = nn.Linear(4, 4).requires_grad_(False)
    assert saved_activations(net, lambda: net(torch.zeros(3, 4))) == 0
