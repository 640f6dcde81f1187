"""Two branches one after the other: what a straightforward MFNet computes, with the weights of ours.

A reference for scripts/benchmarks/mfnet.py. Each sensor passes the frozen layers for itself, windows are
padded and attention writes out its matrices as in the official encoder, positions are resized in every
forward pass, the pyramid stores its large maps. The numbers are those of our network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from segment_anything.modeling.image_encoder import (
    Block,
    add_decomposed_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets import DeepFusionModule, MFNet
from mfnet_lite.nets.encoders.multimodal_sam import BlockAdditions
from mfnet_lite.tuning.multimodal.adapter import SensorAdapter
from mfnet_lite.tuning.multimodal.lora import MMLoRA


class InTurn(nn.Module):
    """An MFNet of two sensors, all present, branch by branch.

    Args:
        net: Whose weights are used; its image sides must be multiples of the patch size.
    """

    def __init__(self, net: MFNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, sample: Mapping[str, Tensor]) -> Tensor:
        """Return logits as ``net`` does."""
        net = self.net
        official = net.encoder.image_encoder
        images, _ = net.stack(sample)
        size = (images.shape[-2], images.shape[-1])
        branches = []
        for image in images:
            x = official.patch_embed(image)
            table = rearrange(official.pos_embed, "1 h w c -> 1 c h w")
            table = F.interpolate(table, x.shape[1:3], mode="bicubic", align_corners=False)
            branches.append(x + rearrange(table, "1 c h w -> 1 h w c"))
        for block, added in zip(official.blocks, net.encoder.additions, strict=True):
            branches = [attend(block, added, m, x) for m, x in enumerate(branches)]
            branches = mlp(block, added, branches)
        features = [official.neck(rearrange(x, "b h w c -> b c h w")) for x in branches]
        return net.decoder(fuse(net.fusion, features), size)


def attend(block: Block, added: BlockAdditions, sensor: int, x: Tensor) -> Tensor:
    """First half of the official block, for one sensor."""
    attention, inner = block.attn, block.norm1(x)
    if block.window_size:
        inner, padded = window_partition(inner, block.window_size)
    batch, height, width, _ = inner.shape
    qkv = attention.qkv(inner)
    if added.qkv is not None:
        slices = list(qkv.chunk(3, dim=-1))
        for part, number in enumerate(added.qkv.slices):
            a, b = added.qkv.lora_a[sensor, part], added.qkv.lora_b[sensor, part]
            slices[number] = slices[number] + inner @ a.T @ b.T * added.qkv.scaling
        qkv = torch.cat(slices, dim=-1)
    q, k, v = rearrange(
        qkv, "b h w (three n d) -> three (b n) (h w) d", three=3, n=attention.num_heads
    )
    logits = (q * attention.scale) @ k.transpose(-2, -1)
    sides = (height, width)
    logits = add_decomposed_rel_pos(
        logits, q, attention.rel_pos_h, attention.rel_pos_w, sides, sides
    )
    out = rearrange(logits.softmax(dim=-1) @ v, "(b n) (h w) d -> b h w (n d)", b=batch, h=height)
    out = attention.proj(out)
    if added.after_attention is not None:
        out = adapt(added.after_attention, sensor, out)
    if block.window_size:
        out = window_unpartition(out, block.window_size, padded, (x.shape[1], x.shape[2]))
    return x + out


def mlp(block: Block, added: BlockAdditions, branches: Sequence[Tensor]) -> list[Tensor]:
    """Second half of the block; here the two branches exchange."""
    normed = [block.norm2(x) for x in branches]
    if added.lin1 is not None and added.lin2 is not None:
        hidden = [block.mlp.act(x) for x in linear(block.mlp.lin1, added.lin1, normed)]
        outs = linear(block.mlp.lin2, added.lin2, hidden)
    else:
        outs = [block.mlp(x) for x in normed]
    if added.beside_mlp is not None:
        beside = added.beside_mlp
        own = [adapt(beside.adapter, m, x) for m, x in enumerate(normed)]
        outs = [a + b for a, b in zip(outs, exchange(beside.mix, own), strict=True)]
    return [x + out for x, out in zip(branches, outs, strict=True)]


def linear(layer: nn.Linear, added: MMLoRA, xs: Sequence[Tensor]) -> list[Tensor]:
    """A frozen layer with MMLoRA, sensor by sensor."""
    updates = [
        x @ a.T @ b.T * added.scaling
        for x, a, b in zip(xs, added.lora_a, added.lora_b, strict=True)
    ]
    mixed = exchange(added.mix, updates)
    return [layer(x) + update for x, update in zip(xs, mixed, strict=True)]


def exchange(weights: Tensor, own: Sequence[Tensor]) -> list[Tensor]:
    """Mix two branches: each keeps its share and takes the rest from the other."""
    first, second = own
    w, u = weights
    return [w * first + (1 - w) * second, u * second + (1 - u) * first]


def adapt(adapter: SensorAdapter, sensor: int, x: Tensor) -> Tensor:
    """The adapter of one sensor."""
    hidden = F.linear(x, adapter.down_weight[sensor], adapter.down_bias[sensor])
    out = F.linear(F.gelu(hidden), adapter.up_weight[sensor], adapter.up_bias[sensor])
    return x + out if adapter.skip else out


def fuse(fusion: DeepFusionModule, features: Sequence[Tensor]) -> list[Tensor]:
    """Pyramid, gates and sum, with ordinary transposed convolutions."""
    pyramids = [pyramid(fusion, m, x) for m, x in enumerate(features)]
    fused = []
    for level, gates in enumerate(fusion.fuse):
        total = torch.zeros(())
        for m, maps in enumerate(pyramids):
            mean = maps[level].mean(dim=(2, 3))
            hidden = F.linear(mean, gates.squeeze[m], gates.squeeze_bias[m]).relu()
            gate = F.linear(hidden, gates.excite[m], gates.excite_bias[m]).sigmoid()
            total = total.to(gate) + maps[level] * gate[..., None, None]
        fused.append(total)
    return fused


def pyramid(fusion: DeepFusionModule, sensor: int, x: Tensor) -> list[Tensor]:
    """Four levels of one sensor."""

    def up(layer: nn.Module, x: Tensor) -> Tensor:
        weight = rearrange(layer.weight[sensor], "i a b o -> i o a b")
        return F.conv_transpose2d(x, weight, layer.bias[sensor], stride=2)

    norm, fine = fusion.norm, up(fusion.up1a, x)
    weight, bias = norm.weight[sensor], norm.bias[sensor]
    if norm.batch_norm and sensor > 0:
        mean, var = norm.running_mean[sensor - 1], norm.running_var[sensor - 1]
        fine = F.batch_norm(fine, mean, var, weight, bias, norm.training)
    else:
        last = rearrange(fine, "b c h w -> b h w c")
        last = F.layer_norm(last, weight.shape, weight, bias, eps=1e-6)
        fine = rearrange(last, "b h w c -> b c h w")
    return [up(fusion.up1b, F.gelu(fine)), up(fusion.up2, x), x, F.max_pool2d(x, 2)]
