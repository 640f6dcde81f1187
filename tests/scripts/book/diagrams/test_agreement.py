"""What the diagrams call frozen or trained, and the numbers in them, are those of the library's networks."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import nn

from mfnet_lite.nets import GoPT, MFNet, MFuser, SamLP
from mfnet_lite.nets.decoders.dfm import DeepFusionModule
from mfnet_lite.nets.encoders.pyramids import SamPyramid
from mfnet_lite.nets.sam_cd import SAMCD
from mfnet_lite.nets.samlp_prompts import PromptTuning
from mfnet_lite.sam import build_sam
from mfnet_lite.tuning import freeze
from mfnet_lite.tuning.multimodal.adapter import MMAdapter
from mfnet_lite.tuning.multimodal.lora import MMLoRALinear
from scripts.book.diagrams import dfm, earthgpt, gopt, mfnet, mfuser, sam, sam_cd, samlp
from scripts.book.diagrams.lettering import plain
from scripts.book.diagrams.picture import Picture
from tests.nets.small_pair import SmallPair, small_sam
from tests.small_sam import FOUR_LEVELS, ONE_BLOCK, SMALL


def kinds(picture: Picture) -> dict[str, list[str]]:
    """Kinds of the boxes that begin with each text, from top to bottom."""
    found: dict[str, list[str]] = {}
    for box in sorted(picture.boxes, key=lambda box: (box.y, box.x)):
        found.setdefault(plain(" ".join(box.lines)), []).append(box.kind)
    return found


def kind(picture: Picture, beginning: str) -> str:
    (all_kinds,) = {
        tuple(set(k)) for text, k in kinds(picture).items() if text.startswith(beginning)
    }
    (one,) = all_kinds
    return one


def parts(network: nn.Module, trained: bool) -> set[str]:
    """First names of the parameters that are trained, or frozen."""
    return {n.split(".")[0] for n, p in network.named_parameters() if p.requires_grad is trained}


def under(names: Iterable[str], depth: int) -> set[str]:
    return {".".join(name.split(".")[:depth]) for name in names}


def test_sam():
    model = build_sam(SMALL)
    decoder = model.mask_decoder
    text = " ".join(kinds(sam.draw()))
    tokens = decoder.iou_token.num_embeddings, decoder.mask_tokens.num_embeddings
    assert tokens == (1, 4)
    assert "tokens: 1 IoU, 4 masks" in text
    assert len(decoder.transformer.layers) == 2
    assert "two-way transformer, 2 layers" in text
    convolutions = [m for m in model.prompt_encoder.mask_downscaling if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 3
    assert "convolve 3 times" in text
    real = build_sam(ONE_BLOCK)  # whose decoder is as wide as the official one
    grown = real.mask_decoder.output_upscaling(torch.zeros(1, 256, 4, 4))
    assert grown.shape == (1, 32, 16, 16)
    assert "enlarge × 4 (32, 4h, 4w)" in text


def test_sensors_mix_with_one_half_at_the_start():
    layer = MMLoRALinear(nn.Linear(6, 8), sensors=2, rank=3)
    assert layer.lora_a.shape == (2, 3, 6)
    assert layer.lora_b.shape == (2, 8, 3)
    assert layer.mix.tolist() == [0.5, 0.5]
    assert MMAdapter(8, sensors=2).adapter.down_weight.shape == (2, 2, 8)  # D → D/4 → D


def test_deep_fusion_module():
    module = DeepFusionModule(32, sensors=2)
    levels = [tuple(m.shape[1:]) for m in module(torch.zeros(2, 1, 32, 4, 6))]
    assert levels == [(32, 16, 24), (32, 8, 12), (32, 4, 6), (32, 2, 3)]
    weights = under(dict(module.named_parameters()), 1)
    assert weights == {"up1a", "norm", "up1b", "up2", "fuse"}  # none of levels 3 and 4
    assert [level[1] for level in dfm.LEVELS] == ["trained", "trained", "step", "step"]
    assert module.fuse[0].squeeze.shape == (2, 2, 32)  # C → C/16


def test_mfnet():
    network = freeze(MFNet(build_sam(SMALL), 6))
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    assert under(names, 2) >= {"encoder.additions"}
    assert parts(network, True) == {"encoder", "fusion", "decoder"}
    frozen = under((n for n, p in network.named_parameters() if not p.requires_grad), 2)
    assert frozen == {"encoder.image_encoder"}
    picture = mfnet.draw()
    for text in ("Deep Fusion", "UNetFormer", "LoRA or", "MMLoRA or"):
        assert kind(picture, text) == "trained"
    for text in ("patches", "norm, attention", "norm, MLP", "neck"):
        assert kind(picture, text) == "frozen"


def test_both_steps_of_samlp():
    model = SamLP(build_sam(SMALL), rank=2)
    places = {"image_encoder", "prompt_encoder", "mask_decoder"}

    def trained() -> tuple[set[str], bool]:
        names = [n for n, p in model.sam.named_parameters() if p.requires_grad]
        lora = all("lora_" in n for n in names if not n.startswith("prompt_encoder"))
        return under(names, 1) & places, lora

    assert trained() == ({"image_encoder", "mask_decoder"}, True)
    PromptTuning(model)
    assert trained() == ({"prompt_encoder", "mask_decoder"}, True)
    drawn = kinds(samlp.draw())
    assert drawn["LoRA q, v"] == ["trained", "frozen", "trained", "trained"]
    assert drawn["prompt encoder"] == ["frozen", "trained"]
    assert drawn["image encoder"] == drawn["mask decoder"] == ["frozen", "frozen"]


def test_sam_cd():
    network = SAMCD(SamPyramid(build_sam(FOUR_LEVELS)))
    assert parts(network, False) == {"encoder"}
    assert (len(network.stack), network.stack[0].conv1.in_channels) == (6, 128)
    assert network.semantic.out_channels == 8
    assert network.change.in_channels == network.gate[3].out_channels == 16
    maps = network.encoder(torch.zeros(1, 3, 64, 64))
    decoded = network.decoded([adapt(m) for adapt, m in zip(network.adapt, maps, strict=True)])
    assert decoded.shape == (1, 64, 16, 16)
    picture = sam_cd.draw()
    assert kind(picture, "encoder") == "frozen"
    for text in ("adaptors", "decoder", "semantic", "gate", "6 residual", "1 × 1"):
        assert kind(picture, text) == "trained"


def test_gopt():
    network = freeze(GoPT(build_sam(SMALL), 6))
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    assert under(names, 2) - {n for n in under(names, 2) if n.startswith("head")} == {
        "encoder.prompts"
    }
    assert len(network.encoder.blocks) == network.encoder.vit.depth  # one before every block
    picture = gopt.draw()
    assert {kind(picture, text) for text in ("ACP", "CUP", "C (K", "head")} == {"trained"}
    assert {kind(picture, text) for text in ("embed", "block")} == {"frozen"}


def test_mfuser():
    words = (("road",), ("roof",))
    network = MFuser(small_sam(), SmallPair(), words, width=16, decoder_layers=1, heads=2, states=4)
    freeze(network)
    frozen = under((n for n, p in network.named_parameters() if not p.requires_grad), 2)
    assert frozen == {"encoder.vision", "encoder.pair"}
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    assert under(names, 1) == {"encoder", "prompts", "refine", "pyramid", "pixels", "queries"}
    assert {n for n in under(names, 2) if n.startswith("encoder")} == {
        "encoder.fusers",
        "encoder.to_language",
    }
    picture = mfuser.draw()
    trained = "MVFuser", "prompts", "MTEnhancer", "pyramid", "pixel", "mask decoder", "linear"
    assert {kind(picture, text) for text in trained} == {"trained"}
    frozen_boxes = "vision,", "language,", "text", "joint space"
    assert {kind(picture, text) for text in frozen_boxes} == {"frozen"}


def test_stages_of_earthgpt():
    pytest.importorskip("transformers")
    from tests.nets.small_earthgpt import small_earthgpt

    model = small_earthgpt()
    rows = {name: (one, two) for name, one, two in earthgpt.ROWS}

    def trained(stage: int) -> set[str]:
        names = model.start_stage(stage)
        known = {
            "projection": ("perception.projection",),
            "queries, keys, values": ("q_proj", "k_proj", "v_proj"),
            "norms": ("norm",),
            "all other layers": ("o_proj", "mlp", "embed_tokens"),
        }
        if stage == 2:
            assert all(name.endswith(("scale", "shift")) for name in names)
            return {"scale and shift of layers"}
        return {row for row, words in known.items() if any(w in n for w in words for n in names)}

    for stage in (1, 2):
        drawn = {name for name, marks in rows.items() if marks[stage - 1] == "trained"}
        assert trained(stage) == drawn
