"""The pixel decoder: equality with a library's, words by hand, numbers of parameters, any grid, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.nets.decoders.pixel_decoder import PixelDecoder, PixelLayer
from tests.mask2former import copy, count, library, randomise

SIZES = ((12, 20), (6, 10), (3, 5), (2, 3))
SMALL = {"channels": 32, "layers": 2, "heads": 4, "points": 4, "ffn": 48}


def maps(channels: tuple[int, ...] = (8, 9, 10, 11), dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, c, *size, generator=generator, dtype=torch.float64).to(dtype)
        for c, size in zip(channels, SIZES, strict=True)
    ]


def words(classes: int = 5, width: int = 12) -> Tensor:
    return torch.randn(2, classes, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def copy_layer(ours: PixelLayer, theirs: nn.Module) -> None:
    names = {"value": "value_proj", "offsets": "sampling_offsets", "weights": "attention_weights"}
    for own, other in (names | {"out": "output_proj"}).items():
        copy(getattr(ours.attention, own), getattr(theirs.self_attn, other))
    copy(ours.norm1, theirs.self_attn_layer_norm)
    copy(ours.ffn[0], theirs.fc1)
    copy(ours.ffn[2], theirs.fc2)
    copy(ours.norm3, theirs.final_layer_norm)


def test_without_words_equals_that_of_transformers():
    """The whole decoder of Mask2Former with the same weights."""
    modeling = library()
    config = modeling.Mask2FormerConfig(
        feature_size=32,
        mask_feature_size=32,
        encoder_feedforward_dim=48,
        encoder_layers=2,
        num_attention_heads=4,
        dropout=0.0,
        common_stride=4,
        feature_strides=[4, 8, 16, 32],
    )
    channels = [8, 9, 10, 11]
    theirs = randomise(modeling.Mask2FormerPixelDecoder(config, channels)).double().eval()
    with torch.no_grad():
        theirs.level_embed.copy_(torch.randn(3, 32))
    ours = PixelDecoder(channels, None, **SMALL).double().eval()
    for part in theirs.modules():
        if isinstance(part, nn.GroupNorm):
            part.num_groups = ours.lateral[1].num_groups  # theirs are always 32
    for own, other in zip(ours.project, theirs.input_projections, strict=True):
        copy(own, other)
    for own, other in zip(ours.layers, theirs.encoder.layers, strict=True):
        copy_layer(own, other)
    copy(ours.lateral, theirs.adapter_1)
    copy(ours.merge, theirs.layer_1)
    copy(ours.mask_features, theirs.mask_projection)
    with torch.no_grad():
        ours.level.copy_(theirs.level_embed)
        x = maps(dtype=torch.float64)
        expected, found = theirs(x), ours(x)
    assert torch.allclose(found.mask_features, expected.mask_features, atol=1e-10)
    for own, other in zip(found.levels, expected.multi_scale_features, strict=True):
        assert torch.allclose(own, other, atol=1e-10)


def test_words_by_hand():
    """One head: softmax of products with words and their positions, over words without them."""
    layer = randomise(PixelLayer(8, 1, 2, 16, words=True)).double().eval()
    torch.manual_seed(0)
    sizes = [(1, 2), (2, 2), (2, 3)]
    pixels, positions = torch.randn(1, 12, 8).double(), torch.randn(12, 8).double()
    reference = torch.rand(12, 2).double()
    text, places = torch.randn(1, 3, 8).double(), torch.randn(3, 8).double()
    found = layer(pixels, positions, reference, sizes, text, places)
    attention = layer.text_attention
    wq, wk, wv = attention.in_proj_weight.chunk(3)
    bq, bk, bv = attention.in_proj_bias.chunk(3)
    parts = pixels.split([2, 4, 6], dim=1)
    as_maps = [p.mT.unflatten(2, size) for p, size in zip(parts, sizes, strict=True)]
    x = layer.norm1(pixels + layer.attention(pixels + positions, reference[None], as_maps))
    share = ((x + positions) @ wq.T + bq) @ ((text + places) @ wk.T + bk).mT / 8**0.5
    said = attention.out_proj(share.softmax(dim=-1) @ (text @ wv.T + bv))
    x = layer.norm2(x + said)
    assert torch.allclose(found, layer.norm3(x + layer.ffn(x)), atol=1e-12)


def test_the_decoder_gives_words_to_every_layer_and_positions_if_closed():
    torch.manual_seed(0)
    closed = randomise(PixelDecoder((8, 9, 10, 11), 12, classes=5, **SMALL)).eval()
    x, text = maps(), words()
    before = closed(x, text)
    text[:, 2] += 1
    after = closed(x, text)
    assert not torch.allclose(before.levels[0], after.levels[0], atol=1e-4)
    assert not torch.allclose(before.mask_features, after.mask_features, atol=1e-4)
    order = torch.tensor([1, 0, 2, 4, 3])
    assert not torch.allclose(closed(x, text[:, order]).levels[0], after.levels[0], atol=1e-4)
    with pytest.raises(ValueError, match=r"shape \(2, 5, 12\), got \(2, 6, 12\)"):
        closed(x, words(6))


def test_open_takes_any_number_of_classes_in_any_order():
    decoder = randomise(PixelDecoder((8, 9, 10, 11), 12, **SMALL)).double().eval()
    x, text = maps(dtype=torch.float64), words().double()
    one, other = decoder(x, text), decoder(x, text[:, [3, 1, 4, 0, 2]])
    assert torch.allclose(one.mask_features, other.mask_features, atol=1e-10)
    assert decoder(x, words(1).double()).mask_features.shape == one.mask_features.shape


def released(width: list[int], text: int, c: int, layers: int, n: int, m: int, f: int) -> int:
    """Number of parameters, part by part, of the open form."""
    look = 2 * (c * c + c) + (c + 1) * n * 3 * m * 3  # values, output; two offsets and a weight
    layer = look + 4 * (c * c + c) + 6 * c + (2 * c * f + f + c)
    project = sum(w * c + c + 2 * c for w in width[1:])
    fine = width[0] * c + 2 * c + 9 * c * c + 2 * c + c * c + c
    return project + 3 * c + text * c + c + layers * layer + fine


def test_number_of_parameters():
    with torch.device("meta"):
        open_form = PixelDecoder(2048, 768)
        closed = PixelDecoder(2048, 768, classes=19)
        small = PixelDecoder(64, 64, channels=64, layers=1)
    assert count(open_form) == released([2048] * 4, 768, 256, 6, 8, 4, 1024) == 8_928_960
    assert count(closed) == count(open_form) + 19 * 256
    assert count(small) == released([64] * 4, 64, 64, 1, 8, 4, 1024)
    print(
        f"\npixel decoder: {count(open_form):,} open, {count(closed):,} closed, {count(small):,} small"
    )


@pytest.mark.parametrize(
    "sizes", [[(4, 4), (2, 2), (1, 1), (1, 1)], [(20, 12), (10, 6), (5, 3), (3, 2)]]
)
def test_any_grid_and_a_batch_of_one(sizes):
    decoder = PixelDecoder(8, 12, **SMALL)
    out = decoder([torch.randn(1, 8, *size) for size in sizes], torch.randn(1, 2, 12))
    assert [tuple(x.shape[-2:]) for x in out.levels] == sizes[:0:-1]
    assert out.mask_features.shape == (1, 32, *sizes[0])


def test_gradients_reach_everything():
    decoder = randomise(PixelDecoder((8, 9, 10, 11), 12, classes=5, **SMALL))
    x, text = [m.requires_grad_() for m in maps()], words().requires_grad_()
    out = decoder(x, text)
    target = torch.randn(out.mask_features.shape)
    loss = (out.mask_features * target).sum() + sum(m.pow(3).sum() for m in out.levels)
    loss.backward()
    assert text.grad.any()
    assert all(m.grad.any() for m in x)
    dead = [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_half_precision():
    decoder = PixelDecoder((8, 9, 10, 11), 12, **SMALL).eval()
    x, text = maps(), words()
    with torch.no_grad():
        single = decoder(x, text).mask_features
        with torch.autocast("cpu", torch.bfloat16):
            automatic = decoder(x, text).mask_features
        half = decoder.bfloat16()([m.bfloat16() for m in x], text.bfloat16()).mask_features
    assert half.dtype == torch.bfloat16
    for other in (automatic, half):
        assert (other.float() - single).abs().max() < 0.05 * single.abs().max()


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="multiple of four and at least one layer, got"):
        PixelDecoder(8, 12, channels=30)
    with pytest.raises(ValueError, match="words to which their positions belong, got classes=5"):
        PixelDecoder(8, None, classes=5)
    decoder = PixelDecoder((8, 9, 10, 11), 12, **SMALL)
    with pytest.raises(ValueError, match="expected four maps, from fine to coarse, got 3"):
        decoder(maps()[:3], words())
    with pytest.raises(ValueError, match="expected the classes' embeddings, got none"):
        decoder(maps())
    with pytest.raises(ValueError, match=r"shape \(2, classes, 12\), got \(2, 5, 13\)"):
        decoder(maps(), words(width=13))
    with pytest.raises(ValueError, match="built without text_channels"):
        PixelDecoder((8, 9, 10, 11), None, **SMALL)(maps(), words())
