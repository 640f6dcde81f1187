"""Pairs of open_clip run block by block equal the models they are made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite.nets.encoders.open_clip_pair import OpenClipPair, open_clip_tokenizer
from tests.small_open_clip import make_known, small_model, small_tokenizer

open_clip = pytest.importorskip("open_clip")
pytest.importorskip("transformers")

KINDS = ("tiny-clip", "tiny-eva", "tiny-siglip")
HALF = (0.5, 0.5, 0.5)
PHRASES = ["a road", "a photo of a red roof", "Water!"]


@pytest.fixture(autouse=True)
def _known(monkeypatch) -> None:
    make_known(monkeypatch)


@pytest.fixture(params=KINDS)
def pair(request, tmp_path):
    model, tokenizer = small_model(request.param), small_tokenizer(request.param, tmp_path)
    return OpenClipPair(model, tokenizer, HALF, HALF), model, tokenizer


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def last_tokens(pair: OpenClipPair, x: torch.Tensor) -> torch.Tensor:
    grid, tokens = pair.image.grid(x), pair.image.embed(x)
    for number in range(pair.image.depth):
        tokens = pair.image.block(number, tokens, grid)
    return tokens


def test_the_whole_image_as_the_model_embeds_it(pair) -> None:
    pair, model, _ = pair
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        found = pair.visual(last_tokens(pair, x), (4, 4))
        expected = model.encode_image(x)
    assert found.shape == (2, 17, pair.joint)
    torch.testing.assert_close(found[:, 0], expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found[:, 1], found[:, 2], atol=1e-3)


def test_phrases_as_the_model_embeds_them(pair) -> None:
    pair, model, tokenizer = pair
    with torch.no_grad():
        found, expected = pair.text(PHRASES), model.encode_text(tokenizer(PHRASES))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert found.shape == (3, pair.joint) == (3, pair.text.joint)


def test_logits_as_the_model_gives_them(pair) -> None:
    pair, model, tokenizer = pair
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        whole = nn.functional.normalize(pair.visual(last_tokens(pair, x), (4, 4))[:, 0], dim=-1)
        found = pair.scale * whole @ pair.classes([[p] for p in PHRASES]).T + pair.shift
        expected = model.get_logits(x, tokenizer(PHRASES))[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert pair.form == ("softmax" if model.logit_bias is None else "sigmoid")


def test_any_grid(pair) -> None:
    pair = pair[0]
    with torch.no_grad():
        wide = pair(images(1, 3, 32, 128), [["a road"], ["a tree", "trees"]])
        tall = pair(images(1, 3, 128, 32), [["a road"], ["a tree", "trees"]])
        assert pair.image(images(1, 3, 48, 80)).shape == (1, pair.image.channels, 3, 5)
    assert wide.shape == (1, 2, 2, 8)
    assert tall.shape == (1, 2, 8, 2)


def test_the_size_it_was_built_for_after_another(pair) -> None:
    pair, model, _ = pair
    x = images(1, 3, 64, 64)
    with torch.no_grad():
        pair.image(images(1, 3, 32, 128))
        found = pair.visual(last_tokens(pair, x), (4, 4))[:, 0]
        torch.testing.assert_close(found, model.encode_image(x), atol=1e-5, rtol=1e-5)


def test_prompts_take_gradients_and_nothing_else_does(pair) -> None:
    pair = pair[0].train()
    assert not any(module.training for module in pair.modules())
    assert not any(parameter.requires_grad for parameter in pair.parameters())
    prompts = torch.randn(3, pair.text.width, requires_grad=True)
    out = pair.text(PHRASES, prompts)
    out.sum().backward()
    assert out.shape == (3, pair.joint)
    assert (prompts.grad.abs().sum(dim=1) > 0).all()
    assert not torch.allclose(out, pair.text(PHRASES), atol=1e-3)


def test_prompts_that_spell_words_are_those_words(pair) -> None:
    """What is inserted stands where words of a phrase would stand, at whatever length of the others."""
    pair = pair[0]
    text, start = pair.text, int(pair.text.tokenizer.start)
    with torch.no_grad():
        spelled = text.tokens(["a photo of"]).vectors[0, start : start + 3]
        found = text(["a road", "house", "a red roof"], spelled)
        expected = text(["a photo of a road", "a photo of house", "a photo of a red roof"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_phrase_does_not_depend_on_its_company(pair) -> None:
    text = pair[0].text
    with torch.no_grad():
        together, alone = text(PHRASES), torch.cat([text([phrase]) for phrase in PHRASES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_words_are_never_cut(pair) -> None:
    text = pair[0].text
    start = int(text.tokenizer.start)
    fits = " ".join(["road"] * (11 - start))
    assert text.tokens([fits]).vectors.shape == (1, 12, text.width)
    with pytest.raises(ValueError, match=r"has 13 tokens, start and end included, .* at most 12"):
        text.tokens([f"{fits} road"])
    with pytest.raises(ValueError, match="has 13 tokens with 1 prompts"):
        text([fits], torch.zeros(1, text.width))


def test_what_says_nothing_is_refused(pair) -> None:
    text = pair[0].text
    for wrong in ([""], ["  "]):
        with pytest.raises(ValueError, match="has no word"):
            text.tokens(wrong)
    for wrong in ([], "road"):
        with pytest.raises(ValueError, match="expected a list of phrases"):
            text.tokens(wrong)
    with pytest.raises(ValueError, match=r"expected prompts \(prompts, "):
        text(["road"], torch.zeros(2, text.width + 1))


def test_a_patch_of_siglip_is_what_the_pool_makes_of_it_alone(tmp_path) -> None:
    model = small_model("tiny-siglip")
    pair = OpenClipPair(model, small_tokenizer("tiny-siglip", tmp_path), HALF, HALF)
    tokens, trunk = last_tokens(pair, images(2, 3, 64, 64)), model.visual.trunk
    with torch.no_grad():
        patch = trunk.norm(tokens)[:, 5]
        value = trunk.attn_pool.kv(patch)[:, 32:]  # attention to one place is 1
        projected = trunk.attn_pool.proj(value)
        expected = projected + trunk.attn_pool.mlp(trunk.attn_pool.norm(projected))
        found = pair.visual(tokens, (4, 4))[:, 1 + 5]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "grid", "joint"),
    [
        ("ViT-L-14", (36, 36), 768),
        ("EVA02-L-14", (36, 36), 768),
        ("ViT-L-16-SigLIP-256", (32, 32), 1024),
    ],
)
def test_full_size(name, grid, joint) -> None:
    """One forward on the meta device: shapes without weights."""
    config = open_clip.get_model_config(name)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    with torch.device("meta"):
        model = kind(**config)
    model.logit_scale = nn.Parameter(torch.tensor(2.0))  # numbers of the pair, which meta has not
    if model.logit_bias is not None:
        model.logit_bias = nn.Parameter(torch.tensor(-10.0))
    # the words of CLIP do for SigLIP here: its own tokenizer would be fetched
    pair = OpenClipPair(model, open_clip.get_tokenizer("ViT-L-14"), HALF, HALF)
    patch = pair.image.patch
    x = torch.empty(1, 3, grid[0] * patch, grid[1] * patch, device="meta")
    out = pair.visual(last_tokens(pair, x), grid)
    assert out.shape == (1, 1 + grid[0] * grid[1], joint)
    prompts = torch.empty(8, pair.text.width, device="meta")
    assert pair.text(["a road", "a house"], prompts).shape == (2, joint)
    assert (pair.image.width, pair.image.depth) == (1024, 24)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tiny-clip", {"vision_cfg": {"pool_type": "avg"}}, "read at its class token, got one pooled by 'avg'"),
        ("tiny-clip", {"vision_cfg": {"attentional_pool": True, "attn_pooler_heads": 2}}, "pooled by 'attention'"),
        ("tiny-clip", {"text_cfg": {"pool_type": "first"}}, "read by 'first'"),
        ("tiny-eva", {"text_cfg": {"embed_cls": True}}, "expected a text side"),
        ("tiny-eva", {"vision_cfg": {"timm_pool": "avg"}}, "got Eva pooled by 'avg'"),
        ("tiny-eva", {"vision_cfg": {"timm_model_name": "test_resnet", "timm_pool": "avg"}}, "got ResNet"),
    ],
)  # fmt: skip
def test_models_built_otherwise_are_refused(name, change, message) -> None:
    config = open_clip.get_model_config(name)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    for part, options in change.items():
        config[part].update(options)
    with pytest.raises(ValueError, match=message):
        OpenClipPair(kind(**config), open_clip.get_tokenizer(name), HALF, HALF)


def test_other_tokenizers_and_objects_are_refused() -> None:
    with pytest.raises(
        ValueError, match="expected a tokenizer of CLIP or one of transformers, got str"
    ):
        open_clip_tokenizer("words")
    with pytest.raises(ValueError, match="expected a model of open_clip, got a Linear"):
        OpenClipPair(nn.Linear(1, 1), None, HALF, HALF)
