"""SamLP: the authors' counts and numbers, SAM untouched at the start, both losses, any size."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from mfnet_lite.losses import dice_loss, two_class_dice
from mfnet_lite.nets import build_model
from mfnet_lite.nets.samlp import PlateOutput, SamLP, fitted, iou_error
from mfnet_lite.sam import (
    VIT_B,
    VIT_H,
    VIT_L,
    SamConfig,
    build_sam,
    embed_images,
    load_sam,
    predict_masks,
)
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.state import load_model, save_model
from mfnet_lite.tuning import LoRAQKV, count, detach, merge, trained_state, unmerge

SMALL = SamConfig(
    image_size=64,
    width=16,
    depth=2,
    heads=2,
    window=3,
    global_blocks=(1,),
    prompt_dim=32,
    decoder_heads=2,
    decoder_mlp_dim=32,
    iou_head_hidden=16,
)


def small(**options) -> SamLP:
    return SamLP(build_sam(SMALL, seed=0), **({"rank": 2, "seed": 1} | options))


def batch(number: int = 2, height: int = 64, width: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    label = torch.zeros(number, height, width, dtype=torch.long)
    label[:, 10:20, 8:30] = 1
    return {"optical": torch.rand(number, 3, height, width, generator=generator), "label": label}


def learnt(net: SamLP) -> SamLP:
    """Give the updates values, as training would."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(0, 0.1, generator=generator)
    return net


# --- numbers of the authors' code (Dinghaoxuan/SamLP, commit 6a6e7c9)


@pytest.mark.parametrize(
    ("config", "per_rank", "tensors"),
    [(VIT_B, 36_864, 76), (VIT_L, 98_304, 124), (VIT_H, 163_840, 156)],
    ids=["B", "L", "H"],
)
@pytest.mark.parametrize("rank", [2, 4, 8])
def test_trainable_parameters(config, per_rank, tensors, rank):
    with torch.device("meta"):
        net = SamLP(build_sam(config), rank=rank)
    encoder = sum(
        p.numel() for n, p in net.named_parameters() if p.requires_grad and "image_enc" in n
    )
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert encoder == rank * per_rank
    assert trained == rank * (per_rank + 5_888)
    # q and v of a block share a stacked tensor here; the authors keep them apart
    shapes = [p.ndim for p in net.parameters() if p.requires_grad]
    assert sum(2 if ndim == 3 else 1 for ndim in shapes) == tensors


def test_golden_totals():
    expected = {
        (VIT_B, 2): (85_504, 93_820_976),
        (VIT_B, 4): (171_008, 93_906_480),
        (VIT_B, 8): (342_016, 94_077_488),
        (VIT_L, 4): (416_768, None),
        (VIT_H, 4): (678_912, None),
    }
    for (config, rank), (trained, total) in expected.items():
        with torch.device("meta"):
            net = SamLP(build_sam(config), rank=rank)
        counted = count(net)
        assert counted.trained == trained
        assert total in (None, counted.base + counted.added)


def test_encoder_only_variant():
    with torch.device("meta"):
        net = SamLP(build_sam(VIT_B), rank=4, tuning="encoder")
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 147_456


def test_golden_lora_on_fused_qkv():
    """Their layer has parts qkv, linear_a_q, linear_b_q, linear_a_v, linear_b_v; dim 8, rank 2."""

    def given(name: str, *shape: int) -> torch.Tensor:
        phase = 2 * math.pi * (zlib.crc32(name.encode("ascii")) % 1000) / 1000
        j = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
        return (0.1 * torch.sin(0.7 * j + phase)).float().reshape(shape)

    layer = LoRAQKV(nn.Linear(8, 24), "qv", rank=2)
    with torch.no_grad():
        layer.base.weight.copy_(given("qkv.weight", 24, 8))
        layer.base.bias.copy_(given("qkv.bias", 24))
        for part, letter in enumerate("qv"):
            layer.lora_a[part] = given(f"linear_a_{letter}.weight", 2, 8)
            layer.lora_b[part] = given(f"linear_b_{letter}.weight", 8, 2)
    x = torch.sin(0.3 * torch.arange(32, dtype=torch.float64)).float().reshape(1, 2, 2, 8)
    y = layer(x)
    assert y.mean().item() == pytest.approx(-0.003283, abs=2e-6)
    assert y.abs().mean().item() == pytest.approx(0.166527, abs=2e-6)
    assert y.flatten()[-1].item() == pytest.approx(0.203031, abs=2e-6)
    first = y[0, 0, 0]
    assert first[0:3].tolist() == pytest.approx([0.073899, 0.014189, -0.051753], abs=2e-6)
    assert first[8:11].tolist() == pytest.approx([0.131982, 0.109828, 0.040520], abs=2e-6)
    assert first[16:19].tolist() == pytest.approx([0.057337, 0.109814, 0.125742], abs=2e-6)
    layer.merge()
    torch.testing.assert_close(layer(x), y, atol=1e-7, rtol=0)


# --- the updates


def test_untrained_is_sam_bit_for_bit():
    sam = build_sam(SMALL, seed=0)
    image = batch()["optical"]
    none = torch.zeros(2, 1, 0, 32)
    with torch.no_grad():
        expected = predict_masks(sam, embed_images(sam, 255 * image), tokens=none)
        net = small().eval()
        found = net.unprompted(net.embed({"optical": image}))
    assert torch.equal(found.masks, expected.masks[:, 0])
    assert torch.equal(found.iou, expected.iou[:, 0])


def test_where_updates_are():
    net = small()
    names = {n.removeprefix("sam.") for n, m in net.named_modules() if hasattr(m, "lora_a")}
    attentions = [
        f"layers.{layer}.{kind}"
        for layer in (0, 1)
        for kind in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
    ] + ["final_attn_token_to_image"]
    assert names == {f"image_encoder.blocks.{i}.attn.qkv" for i in (0, 1)} | {
        f"mask_decoder.transformer.{a}.{p}_proj" for a in attentions for p in "qv"
    }
    assert all(m.scaling == 1 for m in net.modules() if hasattr(m, "lora_a"))


def test_only_updates_learn_and_detaching_gives_sam_back():
    sam = build_sam(SMALL, seed=0)
    before = {k: v.clone() for k, v in sam.state_dict().items()}
    net = SamLP(sam, rank=2, seed=1)
    data = batch()
    fit(net, [{k: v[0] for k, v in data.items()}], config=TrainConfig(
        steps=2, batch=2, warmup=0, device="cpu", progress=False))  # fmt: skip
    assert all(m.lora_b.abs().sum() > 0 for m in net.modules() if hasattr(m, "lora_b"))
    after = detach(sam).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_merged_equals_unmerged():
    net = learnt(small()).eval()
    data = batch()
    with torch.no_grad():
        expected = net(data)
        merged = merge(net)(data)
        torch.testing.assert_close(merged, expected, atol=1e-5, rtol=1e-4)
        assert torch.equal(unmerge(net)(data), expected)
    assert (expected[:, 1] - small().eval()(data)[:, 1]).abs().max() > 1e-3


def test_saving_keeps_the_updates_only(tmp_path):
    net = learnt(small()).eval()
    assert {name.rpartition(".")[2] for name in trained_state(net)} == {"lora_a", "lora_b"}
    save_model(net, tmp_path / "model.safetensors")
    other = small(seed=9).eval()
    load_model(other, tmp_path / "model.safetensors")
    with torch.no_grad():
        assert torch.equal(other(batch()), net(batch()))


def test_decoder_tuning_trains_the_decoder_alone():
    net = small(tuning="decoder")
    trained = {n.split(".")[1] for n, p in net.named_parameters() if p.requires_grad}
    assert trained == {"mask_decoder"}
    net.train().loss(net(batch()), batch()).backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)


# --- sizes


@pytest.mark.parametrize("size", [(64, 64), (40, 64), (33, 21), (90, 130)])
def test_logits_have_the_size_of_the_image(size):
    data = batch(1, *size)
    with torch.no_grad():
        assert small().eval()(data).shape == (1, 2, *size)


def test_sizes_round_as_sam_rounds():
    assert fitted((480, 640), 1024) == (768, 1024)
    assert fitted((1500, 2250), 1024) == (683, 1024)
    assert fitted((256, 256), 1024) == (1024, 1024)


def test_padding_has_no_part_in_the_loss():
    """A half-high image fills half of the square: masks may say anything in the rest."""
    net = small()
    data = batch(2, 32, 64)
    masks = torch.randn(2, 3, 16, 16)
    other = masks.clone()
    other[:, :, 10:] = 50.0
    loss = net.loss(PlateOutput(masks, torch.zeros(2, 3)), data)
    assert net.loss(PlateOutput(other, torch.zeros(2, 3)), data).item() == pytest.approx(
        loss.item()
    )
    official = small(official=True)
    a, b = (official.loss(PlateOutput(m, torch.zeros(2, 3)), data).item() for m in (masks, other))
    assert b > a + 0.1  # in the authors' code it is background


def test_embedding_is_used_if_there_is_one():
    net = small().eval()
    data = batch()
    with torch.no_grad():
        ready = data | {"embedding": net.embed(data), "optical": torch.zeros_like(data["optical"])}
        assert torch.equal(net(ready), net(data))


# --- losses


def centre_of(mask: torch.Tensor) -> tuple[float, float]:
    """Row and column of a mask's centre, in its own pixels."""
    rows, columns = torch.where(mask > 0)
    return (rows.double() + 0.5).mean().item(), (columns.double() + 0.5).mean().item()


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (90, 150)])
def test_masks_are_enlarged_centre_on_centre(size):
    """A square in the middle of the low-resolution image is one in the middle of its label."""
    net = small()
    height, width = (round(length * 16 / max(size)) for length in size)
    low = torch.full((1, 3, 16, 16), -1.0)
    low[..., height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2] = 1.0
    masks = net.full_size(PlateOutput(low, torch.zeros(1, 3)), size).masks
    scale = max(size) / 16
    wanted = (height // 2 * scale, width // 2 * scale)
    assert centre_of(masks[0, 0]) == pytest.approx(wanted, abs=0.1 * scale)


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 128)])
def test_the_authors_loss_sees_labels_where_they_are(size):
    """A square of whole low-resolution pixels, moved to all places between them, keeps its centre in the mean."""
    net, moved, scale = small(official=True), [], max(size) // 16
    for row in range(scale):
        for column in range(scale):
            label = torch.zeros(1, 1, *size)
            y, x = 4 * scale + row, 6 * scale + column
            label[..., y : y + 3 * scale, x : x + 3 * scale] = 1.0
            found = centre_of(net._low(label, (16, 16))[0, 0])
            moved.append((found[0] - y / scale - 1.5, found[1] - x / scale - 1.5))
    assert torch.tensor(moved).abs().max() <= 0.5
    assert torch.tensor(moved).mean(dim=0).abs().max() < 0.13  # halves are rounded up


def test_loss_is_dice_of_three_masks():
    net = small()
    data = batch()
    masks = torch.randn(2, 3, 16, 16)
    full = F.interpolate(masks, (64, 64), mode="bilinear")
    target = (data["label"] == 1).float()[:, None].expand(2, 3, 64, 64)
    output = PlateOutput(masks, torch.zeros(2, 3))
    assert net.loss(output, data).item() == pytest.approx(dice_loss(full, target).mean().item())
    shrunk = [  # Pillow's bilinear means, too, are antialiased
        Image.fromarray(np.uint8(255 * plate)).resize((16, 16), Image.Resampling.BILINEAR)
        for plate in target[:, 0].numpy()
    ]
    low = torch.from_numpy(np.stack(shrunk) >= 128)[:, None].float()
    by_mask = [two_class_dice(masks[:, m : m + 1], low) for m in range(3)]
    found = small(official=True).loss(output, data)
    assert found.item() == pytest.approx(torch.stack(by_mask).mean().item())


@pytest.mark.parametrize("official", [False, True])
def test_ignored_pixels_have_no_part(official):
    net = small(official=official)
    data = batch()
    data["label"][:, :32] = 255
    masks = torch.randn(2, 3, 16, 16)
    other = masks.clone()
    other[:, :, :7] = 3.0
    a, b = (net.loss(PlateOutput(m, torch.zeros(2, 3)), data).item() for m in (masks, other))
    assert a == pytest.approx(b)


@pytest.mark.parametrize("official", [False, True])
def test_negative_labels_are_ignored_like_255_and_others_refused(official):
    net = small(official=official, iou_weight=0.5)
    data, output = batch(), PlateOutput(torch.randn(2, 3, 16, 16), torch.rand(2, 3))
    whole = net.loss(output, data).item()
    data["label"][:, :32] = 255
    ignored = net.loss(output, data).item()
    assert abs(ignored - whole) > 1e-3
    for value in (-1, -100):
        data["label"][:, :32] = value
        assert net.loss(output, data).item() == ignored
    data["label"][0, 0, 0] = 2
    with pytest.raises(
        ValueError, match=r"labels must lie in 0…1 or be 255 \(ignored\), but 2 occurs"
    ):
        net.loss(output, data)


def test_iou_error_by_hand():
    masks = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]]])
    target = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert iou_error(masks, torch.tensor([[0.9]]), target).item() == pytest.approx(0.16)
    net = small(iou_weight=1.0)
    output = PlateOutput(torch.full((1, 3, 16, 16), -9.0), torch.full((1, 3), 0.5))
    # nothing is found, so the true IoU is 0 and the estimate of a half costs a quarter
    plain = small().loss(output, batch(1))
    assert (net.loss(output, batch(1)) - plain).item() == pytest.approx(0.25, abs=1e-5)


def test_an_image_without_a_known_pixel_has_no_part():
    net, data = small(iou_weight=1.0), batch(3)
    data["label"][1] = 255
    masks, iou = torch.zeros(3, 3, 16, 16), torch.full((3, 3), 0.3)
    masks[2], iou[2] = 0.5, 0.6
    output = PlateOutput(masks.requires_grad_(), iou.requires_grad_())
    # of 4096 pixels 220 are plate: half of each counts in the first image; all masks are the image, and at
    # a logit of 0 nothing is found
    dice = [1 - (440 * p + 1) / (4096 * p + 221) for p in (0.5, 1 / (1 + math.exp(-0.5)))]
    expected = sum(dice) / 2 + ((0.3 - 0) ** 2 + (0.6 - 220 / 4096) ** 2) / 2
    loss = net.loss(output, data)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert output.masks.grad is not None
    assert output.iou.grad is not None
    for grad in (output.masks.grad, output.iou.grad):
        assert not grad[1].any()
        assert grad[0].any()
        assert grad[2].any()


def test_a_batch_without_a_known_pixel_costs_nothing():
    net, data = small(iou_weight=1.0), batch()
    data["label"][:] = -1
    output = PlateOutput(torch.randn(2, 3, 16, 16).requires_grad_(), torch.rand(2, 3))
    loss = net.loss(output, data)
    loss.backward()
    assert loss.item() == 0
    assert output.masks.grad is not None
    assert not output.masks.grad.any()


def test_the_authors_code_counts_images_without_a_known_pixel():
    data = batch()
    data["label"][1] = 255
    output = PlateOutput(torch.full((2, 3, 16, 16), -9.0), torch.full((2, 3), 0.3))
    plain, weighted = (
        small(official=True, iou_weight=weight).loss(output, data).item() for weight in (0.0, 1.0)
    )
    # true IoU of the first image 0, of the second, where nothing is known, 1
    assert weighted - plain == pytest.approx((0.3**2 + 0.7**2) / 2, abs=1e-6)


@pytest.mark.parametrize("official", [False, True])
def test_learns_one_image(official):
    """On pre-trained weights: updates of a random network have nothing to work with."""
    net = SamLP(load_sam("tiny", image_size=64), rank=4, official=official, seed=0)
    data = batch(1)
    data["optical"] = 0.5 * data["optical"]
    data["optical"][:, :, 10:20, 8:30] = 0.9
    sample = [{k: v[0] for k, v in data.items()}]
    config = TrainConfig(
        steps=12, batch=1, lr=1e-2, warmup=2, weight_decay=0, device="cpu", progress=False
    )
    with torch.no_grad():
        before = net.train().loss(net(data), data).item()
    fit(net, sample, config=config)
    with torch.no_grad():
        assert net.train().loss(net(data), data).item() < 0.5 * before


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_every_documented_precision(precision):
    data = batch(1, 48, 40)  # enlarged for the encoder
    sample = [{k: v[0] for k, v in data.items()}]
    losses = []
    for kind in ("32-true", precision):
        config = TrainConfig(
            steps=1, batch=1, warmup=0, device="cpu", progress=False, precision=kind
        )
        losses.append(fit(small(iou_weight=1.0), sample, config=config)["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02 if precision == "bf16-true" else 1e-5)


# --- faults


def test_faults_say_what_to_do():
    with pytest.raises(ValueError, match="unknown tuning 'full' of SamLP; available"):
        small(tuning="full")
    with pytest.raises(ValueError, match="iou_weight must not be negative"):
        small(iou_weight=-1.0)
    with pytest.raises(ValueError, match=r"optical of shape .* found \(1, 4, 8, 8\)"):
        small()({"optical": torch.zeros(1, 4, 8, 8)})
    with pytest.raises(ValueError, match="found nothing"):
        small()({"dsm": torch.zeros(1, 1, 8, 8)})
    with pytest.raises(ValueError, match="samlp finds one thing"):
        build_model("samlp", {"optical": 3}, 6)
