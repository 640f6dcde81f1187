"""Parity with the authors' MFNet: their checkout where there is one, and the translation of names without it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from mfnet_lite.nets import DeepFusionModule, UNetFormerDecoder
from mfnet_lite.nets.encoders.multimodal_sam import BlockAdditions
from mfnet_lite.sam import SamConfig, build_image_encoder


@pytest.fixture(scope="module")
def parity():
    return importlib.import_module("scripts.parity.mfnet")


@pytest.fixture(scope="module")
def authors(parity):
    return importlib.import_module("scripts.parity.authors_mfnet")


@pytest.fixture(scope="module")
def checkout() -> Path:
    folder = os.environ.get("MFNET_LITE_AUTHORS")
    if not folder:
        pytest.skip("set MFNET_LITE_AUTHORS to a checkout of sstary/SSRS to run this test")
    for name in ("timm", "cv2", "matplotlib"):
        pytest.importorskip(name, reason=f"the authors' code needs {name}")
    return Path(folder)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
def test_forward_and_training_step_are_the_authors(parity, checkout, tuning):
    rows = parity.compare(checkout, tuning, "small", "float64")
    assert {row.quantity for row in rows} >= {"logits, training", "gradients"}
    assert [row for row in rows if not row.passed] == []


def test_says_so_without_a_checkout(parity, capsys):
    assert parity.main([]) == 0
    assert "skipped" in capsys.readouterr().out


def test_a_folder_without_their_network_is_one_sentence(parity, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        parity.main(["--authors", str(tmp_path)])
    assert f"{tmp_path}: expected a checkout of sstary/SSRS" in capsys.readouterr().err


def test_worst_error(parity):
    theirs = {"a": torch.tensor([1.0, -4.0]), "b": torch.tensor([2.0])}
    ours = {"a": torch.tensor([1.0, -4.2]), "b": torch.tensor([2.2])}
    error, name = parity.worst_error(ours, theirs)
    assert (name, error) == ("b", pytest.approx(0.1))
    error, name = parity.worst_error({**ours, "b": torch.tensor([torch.nan])}, theirs)
    assert name == "b"
    assert not parity.Row("", "", "", error, 1.0, name).passed
    with pytest.raises(ValueError, match="only one side has c"):
        parity.worst_error(ours, {**theirs, "c": theirs["a"]})


def test_rounding_around_zero_is_measured_by_the_largest_tensor(parity):
    theirs = {"zero": torch.tensor([1e-12]), "large": torch.tensor([1.0])}
    ours = {"zero": torch.tensor([-1e-12]), "large": torch.tensor([1.0])}
    assert parity.worst_error(ours, theirs)[0] == pytest.approx(2e-12 / parity.FLOOR)


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def conv_norm(name: str, *shape: int) -> dict[str, torch.Tensor]:
    """State of a convolution and a batch norm under the authors' names."""
    norm = nn.BatchNorm2d(shape[0]).state_dict()
    return {f"{name}.0.weight": random(*shape), **{f"{name}.1.{k}": v for k, v in norm.items()}}


def their_decoder(c: int, w: int, classes: int) -> dict[str, torch.Tensor]:
    state = conv_norm("pre_conv", w, c, 1, 1)
    for block in ("b4", "b3", "b2"):
        for norm in ("norm1", "norm2"):
            state |= {f"{block}.{norm}.{k}": v for k, v in nn.BatchNorm2d(w).state_dict().items()}
        attn = f"{block}.attn"
        state |= {f"{attn}.relative_position_bias_table": random(225, 8)}
        state |= {f"{attn}.relative_position_index": random(64, 64)}
        state |= {f"{attn}.qkv.0.weight": random(3 * w, w, 1, 1)}
        state |= conv_norm(f"{attn}.local1", w, w, 3, 3)
        state |= conv_norm(f"{attn}.local2", w, w, 1, 1)
        state |= conv_norm(f"{attn}.proj", w, 1, 8, 8)
        state |= {f"{attn}.proj.2.weight": random(w, w, 1, 1)}
        for layer, shape in (("fc1", (4 * w, w, 1, 1)), ("fc2", (w, 4 * w, 1, 1))):
            state |= {f"{block}.mlp.{layer}.weight": random(*shape)}
            state |= {f"{block}.mlp.{layer}.bias": random(shape[0])}
    for fusion in ("p3", "p2", "p1"):
        state |= {f"{fusion}.weights": random(2)}
        state |= {f"{fusion}.pre_conv.0.weight": random(w, c, 1, 1)}
        state |= conv_norm(f"{fusion}.post_conv", w, w, 3, 3)
    state |= {"p1.pa.0.weight": random(w, 1, 3, 3), "p1.pa.0.bias": random(w)}
    state |= {"p1.ca.1.0.weight": random(w // 16, w, 1, 1)}
    state |= {"p1.ca.3.0.weight": random(w, w // 16, 1, 1)}
    state |= conv_norm("p1.shortcut", w, w, 1, 1)
    state |= conv_norm("p1.proj", w, 1, 3, 3)
    state |= {"p1.proj.2.weight": random(w, w, 1, 1)}
    state |= conv_norm("segmentation_head.0", w, w, 3, 3)
    state |= {"segmentation_head.2.0.weight": random(classes, w, 1, 1)}
    return {f"decoder.{name}": tensor for name, tensor in state.items()}


def loads(module: nn.Module, prefix: str, translated: dict[str, torch.Tensor]) -> None:
    """Load strictly: every name must be there, and no other, in the right shape."""
    module.load_state_dict({n.removeprefix(prefix): t for n, t in translated.items()})


def test_the_whole_decoder_is_translated(authors):
    translated = authors.translate(their_decoder(24, 32, 5))
    assert all(name.startswith("decoder.") for name in translated)
    loads(UNetFormerDecoder(24, 5, width=32), "decoder.", translated)


def test_the_whole_fusion_is_translated_and_upsamples_as_theirs(authors):
    c = 32
    first, second = nn.ConvTranspose2d(c, c, 2, stride=2), nn.ConvTranspose2d(c, c, 2, stride=2)
    state = {}
    for sensor, conv in (("x", first), ("y", second)):
        for place in (f"fpn1{sensor}.0", f"fpn1{sensor}.3", f"fpn2{sensor}.0"):
            state |= {f"{place}.{k}": v for k, v in conv.state_dict().items()}
    state |= {f"fpn1x.1.ln.{k}": v for k, v in nn.LayerNorm(c).state_dict().items()}
    state |= {f"fpn1y.1.{k}": v for k, v in nn.BatchNorm2d(c).state_dict().items()}
    for level in range(1, 5):
        for se in ("se_rgb", "se_depth"):
            for layer, (out, inside) in ((0, (2, c)), (2, (c, 2))):
                state |= {f"fusion{level}.{se}.fc.{layer}.weight": random(out, inside, 1, 1)}
                state |= {f"fusion{level}.{se}.fc.{layer}.bias": random(out)}
    fusion = DeepFusionModule(c, 2, batch_norm=True)
    loads(fusion, "fusion.", authors.translate(state))
    maps = random(2, 1, c, 3, 4)
    tokens = maps.flatten(3).mT  # sensor, batch, pixel, channel
    found = fusion.up2(tokens).unflatten(2, (3, 4, 2, 2))
    found = found.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)
    for sensor, conv in enumerate((first, second)):
        torch.testing.assert_close(found[sensor], conv(maps[sensor]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
def test_additions_of_every_block_are_translated(authors, tuning):
    d, r = 16, 4
    config = SamConfig(image_size=32, width=d, depth=2, heads=2, global_blocks=(1,))
    state = {}
    for block in range(config.depth):
        inside = {"norm1.weight": random(d)}  # frozen: passed over
        if tuning == "mmlora":
            for s in "xy":
                inside |= {f"attn.qkv.lora_A{s}": random(2 * r, d)}
                inside |= {f"attn.qkv.lora_B{s}": random(2 * d, r)}
                for layer, i, o in (("lin1", d, 4 * d), ("lin2", 4 * d, d)):
                    inside |= {f"mlp.{layer}.lora_A{s}": random(r, i)}
                    inside |= {f"mlp.{layer}.lora_B{s}": random(o, r)}
                    inside |= {f"mlp.{layer}.lora_w{s}": random(1)}
        else:
            inside |= {"wx_Adapter": random(1), "wy_Adapter": random(1)}
            for name in ("Img", "DSM", "MLPx", "MLPy"):
                for layer, i, o in (("D_fc1", d, d // 4), ("D_fc2", d // 4, d)):
                    inside |= {f"{name}_Adapter.{layer}.weight": random(o, i)}
                    inside |= {f"{name}_Adapter.{layer}.bias": random(o)}
        state |= {f"image_encoder.blocks.{block}.{k}": v for k, v in inside.items()}
    translated = authors.translate(state)
    additions = nn.ModuleList(
        BlockAdditions(block, 2, tuning, rank=r, alpha=1.0, zero_init=False)
        for block in build_image_encoder(config).blocks
    )
    loads(additions, "encoder.additions.", translated)
    if tuning == "mmlora":  # value rows of the second sensor are the lower half of its B
        theirs = state["image_encoder.blocks.1.attn.qkv.lora_By"]
        assert torch.equal(translated["encoder.additions.1.qkv.lora_b"][1, 1], theirs[d:])


def test_the_frozen_encoder_is_taken_under_official_names(authors):
    config = SamConfig(image_size=32, width=16, depth=1, heads=2, global_blocks=(0,))
    encoder = build_image_encoder(config)
    state = {
        f"image_encoder.{name.replace('.rel_pos_', '.rel_')}": tensor
        for name, tensor in encoder.state_dict().items()
    }
    extra = {"image_encoder.blocks.0.mlp.lin1.lora_Ax": random(2), "sam.mask_decoder.x": random(2)}
    encoder.load_state_dict(authors.encoder_state({**state, **extra}))
