"""Text queries: equality with a library's, classes in any number and order, masks by hand, numbers of parameters."""

from __future__ import annotations

import pytest
import torch
from einops import repeat
from torch import Tensor, nn

from mfnet_lite.losses import QueryWeights, class_query_loss
from mfnet_lite.nets.decoders.feature_pyramid import FeaturePyramid
from mfnet_lite.nets.decoders.pixel_decoder import PixelDecoder
from mfnet_lite.nets.decoders.query_scores import scores_of_queries
from mfnet_lite.nets.decoders.text_query import QueryLayer, TextQueryDecoder, outside_masks
from tests.mask2former import copy, count, library, randomise

SMALL = {"channels": 32, "layers": 4, "heads": 4, "ffn": 48}


def given(dtype: torch.dtype = torch.float32) -> tuple[Tensor, list[Tensor]]:
    """Mask features and levels of odd sizes."""
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(2, 32, *size, generator=generator, dtype=torch.float64).to(dtype)

    return draw(12, 20), [draw(2, 3), draw(3, 5), draw(6, 10)]


def words(classes: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, classes, 12, generator=generator, dtype=torch.float64).to(dtype)


@torch.no_grad()
def copy_layer(ours: QueryLayer, theirs: nn.Module) -> None:
    copy(ours.cross_attention, theirs.cross_attn)
    copy(ours.norm1, theirs.cross_attn_layer_norm)
    parts = [getattr(theirs.self_attn, f"{name}_proj") for name in "qkv"]
    ours.self_attention.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
    ours.self_attention.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
    copy(ours.self_attention.out_proj, theirs.self_attn.out_proj)
    copy(ours.norm2, theirs.self_attn_layer_norm)
    copy(ours.ffn[0], theirs.fc1)
    copy(ours.ffn[2], theirs.fc2)
    copy(ours.norm3, theirs.final_layer_norm)


def test_masks_of_the_closed_form_equal_those_of_transformers():
    """The whole decoder of Mask2Former with the same weights; its queries are what our words become."""
    modeling = library()
    config = modeling.Mask2FormerConfig(
        hidden_dim=32,
        mask_feature_size=32,
        dim_feedforward=48,
        num_attention_heads=4,
        decoder_layers=5,  # of the library: layers + 1
        num_queries=5,
        dropout=0.0,
    )
    theirs = randomise(modeling.Mask2FormerTransformerModule(32, config)).double().eval()
    ours = randomise(TextQueryDecoder(12, classes=5, **SMALL)).double().eval()
    for own, other in zip(ours.layers, theirs.decoder.layers, strict=True):
        copy_layer(own, other)
    copy(ours.norm, theirs.decoder.layernorm)
    heads = dict(theirs.decoder.mask_predictor.mask_embedder.named_modules())
    for own, other in enumerate(("0.0", "1.0", "2.0")):
        copy(ours.mask_head[2 * own], heads[other])
    features, levels = given(torch.float64)
    text = words(dtype=torch.float64)
    text[1] = text[0]  # the library's queries are the same for all images
    with torch.no_grad():
        ours.level.copy_(theirs.level_embed.weight)
        ours.positions.copy_(theirs.queries_embedder.weight)
        theirs.queries_features.weight.copy_(ours.text(text)[0])
        found = ours(features, levels, text)
        expected = theirs(levels, features).masks_queries_logits
    assert len(found) == len(expected) == 5
    for own, other in zip(found, expected, strict=True):
        assert torch.allclose(own.mask_logits, other, atol=1e-9)


def test_no_order_of_classes_is_special():
    decoder = randomise(TextQueryDecoder(12, **SMALL)).double().eval()
    features, levels = given(torch.float64)
    order = [3, 1, 4, 0, 2]
    text = words(dtype=torch.float64)
    one, other = (decoder(features, levels, x) for x in (text, text[:, order]))
    assert len(one) == 5
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a.class_logits[:, order], b.class_logits, atol=1e-10)
        assert torch.allclose(a.mask_logits[:, order], b.mask_logits, atol=1e-10)


def test_in_the_closed_form_the_order_is():
    decoder = randomise(TextQueryDecoder(12, classes=5, **SMALL)).eval()
    features, levels = given()
    order = [3, 1, 4, 0, 2]
    one, other = (decoder(features, levels, x)[-1] for x in (words(), words()[:, order]))
    assert one.class_logits.shape == (2, 5, 6)
    assert not torch.allclose(one.mask_logits[:, order], other.mask_logits, atol=1e-2)
    with pytest.raises(ValueError, match=r"shape \(2, 5, 12\), got \(2, 6, 12\)"):
        decoder(features, levels, words(6))


def test_further_classes_after_training():
    """They change the others only where queries read each other."""
    features, levels = given(torch.float64)
    text = words(dtype=torch.float64)
    for between in (False, True):
        decoder = randomise(TextQueryDecoder(12, between_queries=between, **SMALL)).double().eval()
        more = decoder(features, levels, text)[-1]
        assert more.class_logits.shape == (2, 5)
        fewer = decoder(features, levels, text[:, :2])[-1]
        same = torch.allclose(more.mask_logits[:, :2], fewer.mask_logits, atol=1e-10)
        assert same is not between
        assert decoder(features, levels, text[:, :1])[-1].mask_logits.shape == (2, 1, 12, 20)
        # the first answer comes before any reading
        first = [decoder(features, levels, x)[0].class_logits for x in (text[:, :2], text)]
        assert torch.allclose(first[0], first[1][:, :2], atol=1e-10)


def test_a_query_reads_only_its_mask():
    torch.manual_seed(0)
    layer = QueryLayer(8, 2, 16, between=False).double().eval()
    queries, pixels = torch.randn(1, 2, 8).double(), torch.randn(1, 6, 8).double()
    masks = torch.tensor([[1.0, 1, -1, -1, -1, -1], [-1.0, -1, -1, -1, -1, -1]])
    outside = outside_masks(masks.reshape(1, 2, 2, 3).double(), (2, 3))
    hidden = repeat(outside, "b k p -> (b n) k p", n=2)
    before = layer(queries, pixels, pixels, hidden)
    other = pixels.clone()
    other[:, 4] += 1
    after = layer(queries, other, other, hidden)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])  # its mask is empty: it reads everywhere
    assert outside.sum() == 4


def test_masks_are_read_at_the_size_of_the_level():
    masks = torch.full((1, 1, 4, 4), -2.0)
    masks[..., :2, :2] = 1.0
    assert outside_masks(masks, (2, 2)).tolist() == [[[False, True, True, True]]]
    masks[..., :1, :2] = -2.0  # a mean of -0.5
    assert outside_masks(masks, (2, 2)).tolist() == [[[False] * 4]]


def released(text: int, c: int, layers: int, f: int, head: int) -> int:
    """Number of parameters, part by part, without positions of the queries."""
    layer = 2 * (4 * c * c + 4 * c) + 6 * c + (2 * c * f + f + c)
    heads = 2 * c + c * head + head + 3 * (c * c + c)
    return (text * c + c + c * c + c) + 3 * c + layers * layer + heads


def test_number_of_parameters():
    with torch.device("meta"):
        closed, open_form = TextQueryDecoder(768, classes=19), TextQueryDecoder(768)
        small = TextQueryDecoder(64, channels=64, layers=3)
        alone = TextQueryDecoder(768, between_queries=False)
    assert count(closed) == released(768, 256, 9, 2048, 20) + 19 * 256
    assert count(open_form) == released(768, 256, 9, 2048, 1)
    assert count(small) == released(64, 64, 3, 2048, 1)
    assert count(open_form) - count(alone) == 9 * (4 * 256 * 256 + 4 * 256 + 2 * 256)
    # nothing belongs to a class
    assert all(p.shape[0] != 19 and 20 not in p.shape for p in open_form.parameters())
    print(
        f"\nquery decoder: {count(open_form):,} open, {count(closed):,} closed, {count(small):,} small"
    )


@pytest.mark.parametrize("classes", [None, 5])
def test_gradients_reach_everything(classes):
    torch.manual_seed(0)
    decoder = randomise(TextQueryDecoder(12, classes=classes, **SMALL))
    features, levels = given()
    inputs = [features, *levels, words()]
    for x in inputs:
        x.requires_grad_()
    outputs = decoder(features, levels, inputs[-1])
    label = torch.randint(5, (2, 24, 40))
    sum(class_query_loss(*out, label)["total"] for out in outputs).backward()
    assert all(x.grad.any() for x in inputs)
    assert [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_half_precision():
    decoder = TextQueryDecoder(12, **SMALL).eval()
    features, levels = given()
    with torch.no_grad():
        single = decoder(features, levels, words())[0].mask_logits
        with torch.autocast("cpu", torch.bfloat16):
            automatic = decoder(features, levels, words())
        half = decoder.bfloat16()(
            features.bfloat16(), [x.bfloat16() for x in levels], words().bfloat16()
        )
    assert half[-1].mask_logits.dtype == torch.bfloat16
    for outputs in (automatic, half):
        assert (outputs[0].mask_logits.float() - single).abs().max() < 0.05 * single.abs().max()
        assert all(out.mask_logits.isfinite().all() for out in outputs)


def test_evaluation_is_the_same_every_time_with_and_without_gradients():
    decoder = randomise(TextQueryDecoder(12, **SMALL)).eval()
    features, levels = given()
    with torch.no_grad():
        one, other = (decoder(features, levels, words())[-1] for _ in range(2))
    assert torch.equal(one.mask_logits, other.mask_logits)
    learning = decoder(features, levels, words())[-1]
    assert torch.allclose(one.mask_logits, learning.mask_logits, rtol=1e-3, atol=1e-3)


class Chain(nn.Module):
    """From tokens to answers: pyramid, pixel decoder, queries."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(16)
        self.pixels = PixelDecoder(16, 16, channels=32, layers=1, heads=4, points=2, ffn=64)
        self.queries = TextQueryDecoder(16, channels=32, layers=2, heads=4, ffn=64)

    def forward(self, tokens: Tensor, text: Tensor):
        return self.queries(*self.pixels(self.pyramid([tokens] * 4), text), text)


def named_places(generator: torch.Generator, batch: int, classes: int, shown: int):
    """Words without meaning; maps of 4 × 4 tokens whose quarters are noisy words; which word stands where."""
    text = torch.randn(batch, classes, 16, generator=generator)
    quarters = torch.randint(shown, (batch, 2, 2), generator=generator)
    label = repeat(quarters, "b h w -> b (h two) (w deux)", two=2, deux=2)
    maps = torch.stack([w[where] for w, where in zip(text, label, strict=True)]).movedim(-1, 1)
    return text, label, maps + 0.2 * torch.randn(maps.shape, generator=generator)


@pytest.mark.slow
def test_draws_the_masks_of_words_it_never_saw():
    """Trained with four words at a time, new ones in every step; asked for five others."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = Chain()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(120):
        text, label, maps = named_places(generator, 8, 4, 3)
        outputs = net(maps, text)
        weights = QueryWeights(absent=1.0)
        loss = sum(class_query_loss(*out, label, weights)["total"] for out in outputs)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    text, label, maps = named_places(generator, 64, 5, 4)
    with torch.no_grad():
        out = net.eval()(maps, text)[-1]
    masks = nn.functional.interpolate(out.mask_logits, (4, 4), mode="bilinear")
    right = scores_of_queries(out.class_logits, masks).argmax(dim=1) == label
    assert right.float().mean() > 0.6  # a guess among those shown is right in a quarter


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_agrees_with_the_cpu():
    torch.manual_seed(0)
    net = randomise(Chain()).eval()
    text, _, maps = named_places(torch.Generator().manual_seed(0), 2, 5, 4)
    with torch.no_grad():
        expected = net(maps, text)[0]
        found = net.cuda()(maps.cuda(), text.cuda())[0]  # later ones hang on signs of masks
    for own, right in zip(found, expected, strict=True):
        assert (own.cpu() - right).abs().max() < 1e-2 * right.abs().max()


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="got channels=32, heads=5, layers=9"):
        TextQueryDecoder(12, 32, heads=5)
    with pytest.raises(ValueError, match="positive number of classes, or None, got 0"):
        TextQueryDecoder(12, classes=0)
    decoder, (features, levels) = TextQueryDecoder(12, **SMALL), given()
    with pytest.raises(ValueError, match="expected three levels, from coarse to fine, got 2"):
        decoder(features, levels[:2], words())
    with pytest.raises(ValueError, match=r"shape \(2, classes, 12\), got \(1, 5, 12\)"):
        decoder(features, levels, words()[:1])
