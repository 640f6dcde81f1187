"""A grouping prompter written out group by group: what ours is measured against, with the weights of ours.

A reference for scripts/benchmarks/gopt.py. Tokens are normalised before they are projected, joint attention
is that of ours. What concerns the groups is done one group after the other (``loop``), or for all of them at
once with every weighted token in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.tuning.grouping import (
    CrossModalPrompter,
    GroupAssignment,
    GroupingPrompter,
    NormalisedLinear,
)


def prompter(
    net: GroupingPrompter, rgb: Tensor, patches: Tensor, classes: Tensor, loop: bool
) -> Tensor:
    """Return the prompt of one prompter with one auxiliary sensor.

    Args:
        net: Whose weights are used; hard assignment, RGB tokens ask.
        rgb: Tokens of the RGB stream.
        patches: Tokens of the auxiliary sensor.
        classes: Its class tokens.
        loop: One group after the other, or all at once.
    """
    uni = net.uni[0]
    tokens = linear(uni.down, patches)
    joint = torch.cat([classes, tokens], dim=1)
    query, key, value = uni.qkv(F.layer_norm(joint, joint.shape[-1:])).chunk(3, dim=-1)
    attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
    joint = joint + uni.out(attended)
    groups, tokens = joint.split([classes.shape[1], patches.shape[1]], dim=1)
    groups = assignment(uni.assignment, groups, tokens, loop)
    return cross(net.cross, rgb, groups, loop)


def assignment(net: GroupAssignment, groups: Tensor, tokens: Tensor, loop: bool) -> Tensor:
    """Assign tokens to groups and add their means.

    Args:
        net: Whose weights are used.
        groups: Class tokens.
        tokens: Patch tokens.
        loop: One group after the other, or all at once.
    """
    normal = F.layer_norm(tokens, tokens.shape[-1:])
    query = net.query(F.layer_norm(groups, groups.shape[-1:]))
    key, value = net.key(normal), net.value(normal)
    scale = groups.shape[-1] ** -0.5
    if loop:
        each = [(query[:, k, None] * key).sum(dim=-1) * scale for k in range(groups.shape[1])]
        logits = torch.stack(each, dim=1)
    else:
        logits = query @ key.mT * scale
    if net.training:
        shares = F.gumbel_softmax(logits, net.tau, hard=net.hard, dim=1)
    else:
        index = logits.argmax(dim=1, keepdim=True)
        shares = torch.zeros_like(logits).scatter_(1, index, 1.0)
    if loop:
        means = []
        for k in range(groups.shape[1]):
            share = shares[:, k, :, None]
            means.append((share * value).sum(dim=1) / (share.sum(dim=1) + net.eps))
        mean = torch.stack(means, dim=1)
    else:
        weighted = shares[..., None] * value[:, None]
        mean = weighted.sum(dim=2) / (shares.sum(dim=2, keepdim=True) + net.eps)
    return groups + net.out(mean)


def cross(net: CrossModalPrompter, rgb: Tensor, groups: Tensor, loop: bool) -> Tensor:
    """Prompt the RGB tokens with the groups.

    Args:
        net: Whose weights are used.
        rgb: Tokens of the RGB stream.
        groups: Class prompts.
        loop: One group after the other, or all at once.
    """
    normal = F.layer_norm(groups, groups.shape[-1:])
    query = linear(net.query, rgb)
    key, value = net.key(normal), net.value(normal)
    if not loop:
        answer = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        return net.up(answer)
    scale = groups.shape[-1] ** -0.5
    each = [(query * key[:, k, None]).sum(dim=-1) * scale for k in range(groups.shape[1])]
    weights = torch.stack(each, dim=-1).softmax(dim=-1)
    answer = torch.zeros_like(query)
    for k in range(groups.shape[1]):
        answer = answer + weights[..., k, None] * value[:, k, None]
    return net.up(answer)


def linear(layer: NormalisedLinear, x: Tensor) -> Tensor:
    """Normalise, then project."""
    return F.linear(F.layer_norm(x, x.shape[-1:]), layer.weight, layer.bias)


WAYS: dict[str, Callable[..., Tensor]] = {
    "loop over groups": lambda *given: prompter(*given, loop=True),
    "weighted tokens materialised": lambda *given: prompter(*given, loop=False),
}
"""Ways to compute a prompter by name."""
