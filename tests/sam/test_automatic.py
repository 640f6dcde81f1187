from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything.utils.amg import calculate_stability_score

from mfnet_lite.sam import TINY, automatic, build_sam, generate_masks, load_sam, official_generator
from mfnet_lite.sam.automatic import stability
from mfnet_lite.sam.official_decoder import is_official
from mfnet_lite.tuning import LoRALayer, attach_lora

CONFIG = replace(TINY, image_size=64, depth=2, global_blocks=(1,))


@pytest.fixture(scope="module")
def sam():
    """A random SAM whose masks and scores vary from point to point."""
    sam = build_sam(CONFIG, seed=0).requires_grad_(False)
    sam.image_encoder.pos_embed.normal_(0, 1, generator=torch.Generator().manual_seed(0))
    sam.mask_decoder.iou_prediction_head.layers[-1].weight.mul_(40)
    sam.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(1.5)
    for net in sam.mask_decoder.output_hypernetworks_mlps:
        net.layers[-1].weight.mul_(60)
    for embedding in sam.prompt_encoder.point_embeddings:
        embedding.weight.mul_(0.2)
    return sam


def random_image(height, width):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 4, 3))
    image = np.kron(coarse, np.ones((height // 4 + 1, width // 4 + 1, 1)))
    return image[:height, :width].astype(np.uint8)


def compare(ours, official):
    assert len(ours) == len(official)
    for a, b in zip(ours, official, strict=True):
        assert a.keys() == b.keys()
        assert a["predicted_iou"] == pytest.approx(b["predicted_iou"], abs=1e-5)
        union = (a["segmentation"] | b["segmentation"]).sum()
        both = (a["segmentation"] & b["segmentation"]).sum()
        assert union == 0 or both / union >= 0.99
        assert a["segmentation"].dtype == bool
        assert a["area"] == a["segmentation"].sum()
        np.testing.assert_allclose(a["bbox"], b["bbox"], atol=1)
        assert a["stability_score"] == pytest.approx(b["stability_score"], abs=0.01, nan_ok=True)
        assert a["point_coords"] == b["point_coords"]
        assert a["crop_box"] == b["crop_box"]


@pytest.mark.parametrize("size", [(64, 64), (50, 97)])
@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"pred_iou_thresh": -1.0, "stability_score_thresh": 0.0}, 243, 243),
        ({"pred_iou_thresh": 0.4, "stability_score_thresh": 0.0}, 40, 200),
        ({"pred_iou_thresh": 0.4, "stability_score_thresh": 0.6}, 20, 180),
    ],
)
def test_same_masks_as_the_official_generator(sam, size, options, least, most):
    image = random_image(*size)
    # Random masks fill the image: with boxes compared as usual only one of them would be left.
    options = {"box_nms_thresh": 1.0, **options}
    options = {"points_per_side": 9, "points_per_batch": 16, **options}
    ours = generate_masks(sam, image, **options)
    assert least <= len(ours) <= most
    compare(ours, official_generator(sam, **options).generate(image))


def test_same_masks_from_the_trained_model():
    tiny = load_sam("tiny")
    image = np.full((90, 120, 3), (60, 90, 60), dtype=np.uint8)
    image[10:40, 15:50] = (200, 60, 50)
    image[50:80, 70:110] = (230, 230, 220)
    image[55:75, 20:45] = (30, 40, 150)
    options = {"points_per_side": 6, "stability_score_thresh": 0.0}
    every = generate_masks(tiny, image, pred_iou_thresh=-1.0, box_nms_thresh=1.0, **options)
    assert len(every) == 3 * 36
    # Half of the masks pass, whatever this model's scores are; then boxes compete as usual.
    options["pred_iou_thresh"] = float(np.median([r["predicted_iou"] for r in every]))
    ours = generate_masks(tiny, image, **options)
    assert 1 <= len(ours) < 54
    compare(ours, official_generator(tiny, **options).generate(image))


@pytest.mark.parametrize("activation", [torch.nn.ReLU(), torch.nn.GELU("tanh")], ids=str)
def test_same_masks_of_a_decoder_with_another_activation(activation):
    tiny = load_sam("tiny")
    upscaling = tiny.mask_decoder.output_upscaling
    upscaling[2] = upscaling[4] = activation
    image = random_image(90, 120)
    options = {"points_per_side": 6, "stability_score_thresh": 0.5, "pred_iou_thresh": 0.3}
    ours = generate_masks(tiny, image, **options)
    assert ours
    compare(ours, official_generator(tiny, **options).generate(image))


def test_filters_do_what_they_say(sam):
    image = random_image(64, 64)
    options = {"points_per_side": 6, "box_nms_thresh": 1.0}
    everything_ = generate_masks(
        sam, image, pred_iou_thresh=-1, stability_score_thresh=0, **options
    )
    assert len(everything_) == 3 * 36
    scores = [r["predicted_iou"] for r in everything_]
    assert scores == sorted(scores, reverse=True)
    middle = sorted(scores)[54]
    assert middle > 0
    better = generate_masks(sam, image, pred_iou_thresh=middle, stability_score_thresh=0, **options)
    assert len(better) == sum(s > middle for s in scores)
    stable = generate_masks(sam, image, pred_iou_thresh=-1, stability_score_thresh=0.8, **options)
    assert len(stable) == sum(r["stability_score"] >= 0.8 for r in everything_)
    assert generate_masks(sam, image, pred_iou_thresh=1e9, **options) == []


def test_small_pieces_give_the_same_masks(sam, monkeypatch):
    image = random_image(40, 64)
    options = {"points_per_side": 5, "pred_iou_thresh": -1.0, "stability_score_thresh": 0.0}
    whole = generate_masks(sam, image, **options)
    monkeypatch.setattr(automatic, "ENLARGED_BYTES", 1)
    compare(generate_masks(sam, image, points_per_batch=3, **options), whole)


def test_stability_equals_the_official_one_and_does_not_overflow():
    logits = torch.randn(5, 20, 30, generator=torch.Generator().manual_seed(0))
    expected = calculate_stability_score(logits, 0.1, 0.7)
    assert torch.equal(stability(logits, 0.1, 0.7), expected)
    # any number of axes before a mask's own two, none and an empty one included
    assert torch.equal(stability(logits[1:].view(2, 2, 20, 30), 0.1, 0.7).flatten(), expected[1:])
    assert torch.equal(stability(logits[2], 0.1, 0.7), expected[2])
    assert stability(logits[:0], 0.1, 0.7).shape == (0,)
    for empty in ((3, 4, 0), (2, 0, 4), (3, 0, 0)):
        found = stability(torch.zeros(empty), 0.1, 0.7)
        assert found.shape == empty[:1]
        assert found.isnan().all()
    wide = torch.full((1, 1, 40_000), 9.0)
    assert stability(wide, 0.0, 1.0) == 1
    assert stability(-wide, 0.0, 1.0).isnan()


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_wrong_images_are_refused(sam, image):
    with pytest.raises(ValueError, match=r"expected an RGB image of shape \(H, W, 3\)"):
        generate_masks(sam, image)


def test_what_is_injected_between_two_images_acts_on_the_second(sam, monkeypatch):
    """The form of the decoder is chosen once for all points of an image, and anew for the next image."""
    asked = []

    def ask(decoder):
        asked.append(is_official(decoder))
        return asked[-1]

    monkeypatch.setattr(automatic, "is_official", ask)
    image, sam = random_image(64, 64), copy.deepcopy(sam)
    options = {"points_per_side": 3, "points_per_batch": 2, "pred_iou_thresh": -1.0}
    options |= {"stability_score_thresh": 0.0, "box_nms_thresh": 1.1}
    before = generate_masks(sam, image, **options)
    attach_lora(sam, "mask_decoder.*.v_proj", rank=2, seed=0)
    for module in sam.modules():
        if isinstance(module, LoRALayer):
            torch.nn.init.normal_(module.lora_b, generator=torch.Generator().manual_seed(0))
    after = generate_masks(sam, image, **options)
    assert asked == [True, False]
    compare(after, official_generator(sam, **options).generate(image))
    told = [sorted(record["predicted_iou"] for record in records) for records in (before, after)]
    assert not np.allclose(*told, atol=1e-3)
