"""Batched prompts equal the official encoder, decoder and predictor on the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.prompts import embed_images, embed_points, predict_masks, prompt_tokens

SIZE = 64


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    model = build_sam(replace(TINY, image_size=SIZE, depth=2, global_blocks=(1,))).eval()
    for parameter in model.parameters():  # official zero-initialised tables would hide mistakes
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def official(sam, embedding, points=None, labels=None, boxes=None, mask=None, multimask=True):
    sparse, dense = sam.prompt_encoder(
        points=None if points is None else (points, labels), boxes=boxes, masks=mask
    )
    return sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
    )


@pytest.fixture
def prompts():
    generator = torch.Generator().manual_seed(1)
    points = SIZE * torch.rand(3, 4, 2, 2, generator=generator)
    labels = torch.randint(0, 2, (3, 4, 2), generator=generator)
    boxes = torch.tensor([4.0, 8.0, 32.0, 60.0]).expand(3, 4, 4) + torch.arange(4.0)[:, None]
    return points, labels, boxes


@pytest.mark.parametrize("kind", ["points", "boxes", "both"])
def test_tokens_equal_the_official_prompt_encoder(sam, prompts, kind):
    points, labels, boxes = prompts
    use = {
        "points": {"points": points, "labels": labels},
        "boxes": {"boxes": boxes},
        "both": {"points": points, "labels": labels, "boxes": boxes},
    }[kind]
    ours = prompt_tokens(sam, **use)
    sparse, _ = sam.prompt_encoder(
        points=(points[1], labels[1]) if "points" in use else None,
        boxes=boxes[1] if "boxes" in use else None,
        masks=None,
    )
    torch.testing.assert_close(ours[1], sparse, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("multimask", [True, False])
def test_many_images_and_prompts_equal_one_by_one(sam, prompts, multimask):
    points, labels, boxes = prompts
    images = 255 * torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    fed_back = torch.randn(3, 4, SIZE // 2, SIZE // 2, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        embeddings = embed_images(sam, images)
        ours = predict_masks(
            sam,
            embeddings,
            points=points,
            labels=labels,
            boxes=boxes,
            mask_inputs=fed_back,
            multimask=multimask,
        )
        for i in range(3):
            masks, iou = official(
                sam,
                embeddings[i : i + 1],
                points[i],
                labels[i],
                boxes[i],
                fed_back[i][:, None],
                multimask,
            )
            torch.testing.assert_close(ours.masks[i], masks, atol=2e-5, rtol=1e-5)
            torch.testing.assert_close(ours.iou[i], iou, atol=2e-5, rtol=1e-5)


def test_all_four_masks_are_single_then_three(sam, prompts):
    points, labels, _ = prompts
    embeddings = torch.randn(3, 128, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        four, three, one = (
            predict_masks(sam, embeddings, points=points, labels=labels, multimask=m).masks
            for m in (None, True, False)
        )
    assert torch.equal(four[:, :, :1], one)
    assert torch.equal(four[:, :, 1:], three)


def test_parity_with_sam_predictor(sam):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    click = np.array([[20.0, 30.0]])
    _, scores, logits = predictor.predict(click, np.array([1]), multimask_output=True)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        ours = predict_masks(
            sam,
            embed_images(sam, tensor),
            points=torch.from_numpy(click).float()[None, None],
            labels=torch.ones(1, 1, 1, dtype=torch.long),
        )
    np.testing.assert_allclose(ours.masks[0, 0].numpy(), logits, atol=2e-4)
    np.testing.assert_allclose(ours.iou[0, 0].numpy(), scores, atol=2e-5)


def test_gradients_reach_encoder_prompts_and_decoder(sam):
    images = 255 * torch.rand(2, 3, SIZE, SIZE)
    out = predict_masks(
        sam,
        embed_images(sam, images),
        points=torch.full((2, 3, 1, 2), 20.0),
        labels=torch.ones(2, 3, 1, dtype=torch.long),
        mask_inputs=torch.randn(2, 3, SIZE // 2, SIZE // 2),
        multimask=None,
    )
    sam.zero_grad()
    (out.masks.square().mean() + out.iou.square().mean()).backward()
    without = {n for n, p in sam.named_parameters() if p.grad is None or not p.grad.any()}
    assert without <= {
        f"prompt_encoder.{name}.weight"
        for name in ("no_mask_embed", *(f"point_embeddings.{i}" for i in (0, 2, 3)))
    } | {n for n in without if n.endswith("k_proj.bias")}  # softmax ignores a shift of all keys
    sam.zero_grad()


def test_padding_token_ignores_its_coordinates(sam):
    label = torch.full((1, 1, 1), -1)
    here = embed_points(sam, torch.zeros(1, 1, 1, 2), label)
    there = embed_points(sam, torch.full((1, 1, 1, 2), 50.0), label)
    assert torch.equal(here, there)


def test_faults_are_named(sam):
    embeddings = torch.zeros(2, 128, 8, 8)
    with pytest.raises(ValueError, match="points with labels"):
        predict_masks(sam, embeddings, points=torch.zeros(2, 1, 1, 2))
    with pytest.raises(ValueError, match="for 2 images, got them for 1"):
        predict_masks(sam, embeddings, boxes=torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match=r"mask_inputs of shape \(2, 1, 32, 32\)"):
        predict_masks(
            sam, embeddings, boxes=torch.zeros(2, 1, 4), mask_inputs=torch.zeros(2, 1, 8, 8)
        )
    with pytest.raises(ValueError, match="labels between -1 and 3, got 7 to 7"):
        embed_points(sam, torch.zeros(1, 2), torch.tensor([7]))
    with pytest.raises(ValueError, match="at most 64 x 64 pixels, got 65 x 10"):
        embed_images(sam, torch.zeros(1, 3, 65, 10))
