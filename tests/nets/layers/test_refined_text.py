"""Refined class embeddings: how they start, what is added, that every parameter learns."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.nets.layers.mt_enhancer import MTEnhancer
from mfnet_lite.nets.layers.refined_text import RefinedText


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 3, 12), torch.randn(2, 5, 10)


def test_adds_the_change_weighted_by_channel():
    text, image = tokens()
    module = RefinedText(12, 10, channels=8, heads=2).eval()
    nn.init.normal_(module.gamma)
    change = module.enhancer(text, image)
    assert torch.allclose(module(text, image), text + change * module.gamma, atol=1e-6)


def test_starts_near_the_words():
    text, image = tokens()
    module = RefinedText(12, 10, channels=8, heads=2).eval()
    change = (module(text, image) - text).abs().max().item()
    assert 0 < change < 1e-3
    assert torch.equal(module.gamma, torch.full((12,), 1e-4))


def test_starts_as_the_released_code_ends_up():
    torch.manual_seed(0)
    module = RefinedText(64, channels=32, official=True)
    assert 0.7 < module.gamma.std() < 1.3
    layers = [m for m in module.enhancer.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 13
    assert all(layer.bias is None or not layer.bias.any() for layer in layers)
    assert all(0.015 < layer.weight.std() < 0.025 for layer in layers)
    fuser = module.enhancer.blocks[0].fuser
    assert fuser.bias_twice
    assert nn.functional.softplus(fuser.w_dt.bias).allclose(torch.tensor(2.0).log())


def test_number_of_parameters():
    with torch.device("meta"):
        module, enhancer = RefinedText(768), MTEnhancer(768, 768)
    count = sum(p.numel() for p in module.parameters())
    assert count == sum(p.numel() for p in enhancer.parameters()) + 768 == 1_494_401 + 768


def test_gradients_reach_everything():
    text, image = (x.requires_grad_() for x in tokens())
    module = RefinedText(12, 10, channels=8, heads=2)
    module(text, image).square().sum().backward()
    assert text.grad.any()
    assert image.grad.any()
    assert [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []
