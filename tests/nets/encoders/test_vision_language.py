"""What every vision-language pair does the same way."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.losses import pixel_text_cosine
from tests.nets.small_pair import SmallPair


def pair() -> SmallPair:
    torch.manual_seed(0)
    return SmallPair()


def test_class_is_the_mean_direction_of_its_phrases():
    net = pair()
    one = torch.nn.functional.normalize(net.text(["roof", "house"]), dim=-1)
    assert torch.allclose(net.classes([["roof", "house"], ["car"]])[0], one.mean(0), atol=1e-6)
    assert torch.allclose(net.classes([["car"]])[0].norm(), torch.tensor(1.0))


def test_logits_are_scaled_cosines():
    net = pair()
    image = torch.rand(2, 3, 64, 80)
    logits = net(image, [["roof"], ["car"], ["tree"]])
    tokens = net.image.embed(image)
    for number in range(net.image.depth):
        tokens = net.image.block(number, tokens, (8, 10))
    dense = net.visual(tokens, (8, 10))[:, 1:].unflatten(1, (8, 10)).permute(0, 3, 1, 2)
    text = net.classes([["roof"], ["car"], ["tree"]]).expand(2, -1, -1)
    assert logits.shape == (2, 3, 8, 10)
    assert torch.allclose(logits, 10 * pixel_text_cosine(dense, text), atol=1e-5)


def test_prompts_get_gradients_and_nothing_else():
    net = pair().train()
    prompts = torch.randn(3, 12, requires_grad=True)
    net.classes([["roof"], ["car"]], prompts).sum().backward()
    assert prompts.grad is not None
    assert prompts.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())
    assert not net.text.training


@pytest.mark.parametrize("classes", [[], ["roof"], [[]]])
def test_refuses_classes_without_phrases(classes):
    with pytest.raises(ValueError, match="list of phrases for each class"):
        pair().classes(classes)
