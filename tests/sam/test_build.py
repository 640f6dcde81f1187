from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything.modeling.image_encoder import get_rel_pos, window_partition
from segment_anything.utils.amg import (
    build_all_layer_point_grids,
    build_point_grid,
    calculate_stability_score,
    generate_crop_boxes,
)
from segment_anything.utils.transforms import ResizeLongestSide
from torch.nn import functional as F

from mfnet_lite.sam import (
    TINY,
    VIT_B,
    VIT_H,
    VIT_L,
    SamConfig,
    build_image_encoder,
    build_sam,
    fuse_attention,
    infer_config,
    resize_state_dict,
)
from mfnet_lite.sam.build import METADATA_KEY
from tests.golden.sam import fill, ramp

ITEM_1 = SamConfig(
    image_size=64, width=32, depth=2, heads=4, window=3, global_blocks=(1,), prompt_dim=16
)
ITEM_4 = replace(TINY, image_size=64, patch_size=16, prompt_dim=256)
ITEM_5 = replace(VIT_B, image_size=64, width=32, depth=1, heads=2, global_blocks=())
TOL = 2e-5


def near(value, expected, tol=TOL):
    assert float(value) == pytest.approx(expected, abs=tol)


@pytest.mark.parametrize("fused", [False, True])
def test_golden_encoder(fused):
    encoder = fill(build_image_encoder(ITEM_1))
    assert sum(p.numel() for p in encoder.parameters()) == 53_600
    if fused:
        fuse_attention(encoder)
    with torch.no_grad():
        out = encoder(ramp(1, 3, 64, 64, f=0.01))
    assert out.shape == (1, 16, 4, 4)
    near(out.mean(), 0.011177)
    near(out.abs().mean(), 0.866963)
    flat = out.flatten()
    near(flat[0], -1.365951)
    near(flat[flat.numel() // 2], 0.126445)
    near(flat[-1], -1.386198)
    row = torch.tensor([-1.365951, -0.313147, 0.142431, 0.455618])
    torch.testing.assert_close(out[0, 0, 0], row, atol=TOL, rtol=0)


def test_golden_relative_table():
    table = torch.stack([torch.arange(27.0), 10 * torch.arange(27.0)], dim=1)
    small = get_rel_pos(4, 4, table)[..., 0]
    first = torch.tensor([13, 9.142858, 5.285714, 1.428571])
    torch.testing.assert_close(small[0], first, atol=TOL, rtol=0)
    torch.testing.assert_close(small[:, 0], 26 - first, atol=TOL, rtol=0)
    full = get_rel_pos(14, 14, table)
    assert full[0, 0].tolist() == [13, 130]
    assert full[0, 13].tolist() == [0, 0]
    assert full[13, 0].tolist() == [26, 260]


def test_golden_windows():
    windows, padded = window_partition(torch.arange(64 * 64.0).reshape(1, 64, 64, 1), 14)
    assert windows.shape == (25, 14, 14, 1)
    assert padded == (70, 70)
    assert windows[6].sum() == 261_170
    assert windows[24].sum() == 247_520


@pytest.fixture(scope="module")
def prompt_encoder():
    return fill(build_sam(ITEM_4).prompt_encoder).requires_grad_(False)


@pytest.fixture(scope="module")
def prompts(prompt_encoder):
    points = (torch.tensor([[[10.0, 20.0], [40.0, 50.0]]]), torch.tensor([[1, 0]]))
    box = torch.tensor([[4.0, 8.0, 32.0, 60.0]])
    mask = ramp(1, 1, 16, 16, f=0.05)
    with torch.no_grad():
        return {
            "points": prompt_encoder(points, None, None),
            "box": prompt_encoder(None, box, mask),
            "both": prompt_encoder(points, box, None),
            "none": prompt_encoder(None, None, None),
            "pe": prompt_encoder.get_dense_pe(),
        }


def test_golden_prompt_encoder(prompts):
    sparse, _ = prompts["points"]
    assert sparse.shape == (1, 3, 256)
    near(sparse.mean(), 0.316742)
    near(sparse.abs().mean(), 0.425995)
    near(sparse.flatten()[0], 0.031861)
    near(sparse.flatten()[384], 0.856783)
    near(sparse.flatten()[-1], 0.003496)
    for token, mean in enumerate([0.474505, 0.476801, -0.001079]):
        near(sparse[0, token].mean(), mean)
    sparse, dense = prompts["box"]
    assert sparse.shape == (1, 2, 256)
    near(sparse.mean(), 0.451099)
    near(sparse.flatten()[0], 0.171563)
    near(sparse.flatten()[-1], 0.812289)
    near(dense.mean(), -0.000690)
    near(dense.abs().mean(), 0.082747)
    near(dense.flatten()[0], -0.117256)
    near(dense.flatten()[-1], -0.048917)
    assert prompts["both"][0].shape == (1, 4, 256)
    near(prompts["both"][0].mean(), 0.463376)
    sparse, dense = prompts["none"]
    assert sparse.shape == (1, 0, 256)
    near(dense.mean(), 0.000491)
    near(dense.flatten()[0], 0.098710)
    near(dense.flatten()[-1], -0.074412)
    near(prompts["pe"].mean(), 0.469789)
    near(prompts["pe"].flatten()[0], 0.297227)
    near(prompts["pe"].flatten()[-1], 0.803586)


GOLDEN_MASKS = [
    (
        "points",
        True,
        [-0.035866, 0.064523, -0.101044, -0.073062, 0.037891],
        [-0.287408, 0.258297, -0.023376],
    ),
    ("points", False, [-0.019909, 0.020581, -0.026930, -0.030439, -0.007476], [0.280462]),
    (
        "box",
        True,
        [-0.035691, 0.064281, -0.099856, -0.068258, 0.038240],
        [-0.288286, 0.259011, -0.023913],
    ),
    (
        "none",
        True,
        [-0.035866, 0.064523, -0.101042, -0.073070, 0.037892],
        [-0.287380, 0.258274, -0.023357],
    ),
]


@pytest.fixture(scope="module")
def decoder():
    return fill(build_sam(ITEM_5).mask_decoder)


@pytest.mark.parametrize(("which", "multimask", "stats", "iou"), GOLDEN_MASKS)
def test_golden_decoder(decoder, prompts, which, multimask, stats, iou):
    with torch.no_grad():
        masks, predicted = decoder(
            ramp(1, 256, 4, 4, f=0.013), prompts["pe"], *prompts[which], multimask
        )
    flat = masks.flatten()
    found = [masks.mean(), masks.abs().mean(), flat[0], flat[flat.numel() // 2], flat[-1]]
    # The two sensitive rows differ from each other by 1e-5 to 3e-5 only.
    for value, expected in zip(found, stats, strict=True):
        near(value, expected)
    torch.testing.assert_close(predicted[0], torch.tensor(iou), atol=TOL, rtol=0)


def test_golden_utilities():
    shape = ResizeLongestSide.get_preprocess_shape
    for size, expected in {
        (1080, 1920): (576, 1024),
        (480, 640): (768, 1024),
        (333, 500): (682, 1024),
        (1500, 2250): (683, 1024),
        (256, 256): (1024, 1024),
    }.items():
        assert shape(*size, 1024) == expected
    resize = ResizeLongestSide(1024)
    point = resize.apply_coords(np.array([[100, 200]]), (1080, 1920))
    np.testing.assert_allclose(point, [[53.333333, 106.666667]], atol=1e-6)
    box = resize.apply_boxes(np.array([[10, 20, 110, 220]]), (333, 500))
    np.testing.assert_allclose(box, [[20.48, 40.960961, 225.28, 450.570571]], atol=1e-6)
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert build_point_grid(2).tolist() == expected
    assert [len(g) for g in build_all_layer_point_grids(32, 2, 2)] == [1024, 256, 64]
    crops, _ = generate_crop_boxes((1000, 1500), 1, 512 / 1500)
    assert crops == [
        [0, 0, 1500, 1000],
        [0, 0, 921, 671],
        [0, 330, 921, 1000],
        [580, 0, 1500, 671],
        [580, 330, 1500, 1000],
    ]
    assert len(generate_crop_boxes((1000, 1500), 2, 512 / 1500)[0]) == 21
    line = torch.linspace(-3, 3, 64).reshape(1, 8, 8)
    near(calculate_stability_score(line, 0.0, 1.0), 0.488372, 1e-6)
    near(calculate_stability_score(line, 0.0, 0.5), 0.729730, 1e-6)


def test_golden_pre_and_postprocessing():
    sam = build_sam(ITEM_4)
    pixels = sam.preprocess(torch.full((3, 50, 64), 128.0))
    assert pixels.shape == (3, 64, 64)
    for value, expected in zip(pixels[:, 0, 0], [0.074065, 0.205182, 0.426492], strict=True):
        near(value, expected)
    assert not pixels[:, -1].any()
    large = sam.postprocess_masks(ramp(1, 1, 16, 16, f=0.05), (48, 64), (75, 100))
    assert large.shape == (1, 1, 75, 100)
    near(large.mean(), 0.199388)
    near(large.flatten()[0], 0)
    near(large.flatten()[75 * 50], -0.918739)
    near(large.flatten()[-1], -0.377592)


@pytest.mark.parametrize(
    ("config", "total", "encoder", "tensors", "encoder_tensors"),
    [
        (VIT_B, 93_735_472, 89_670_912, 314, 177),
        (VIT_L, 312_342_832, 308_278_272, 482, 345),
        (VIT_H, 641_090_608, 637_026_048, 594, 457),
    ],
)
def test_sizes_of_the_official_models(config, total, encoder, tensors, encoder_tensors):
    with torch.device("meta"):
        sam = build_sam(config)
    count = {n: sum(p.numel() for p in m.parameters()) for n, m in sam.named_children()}
    assert sum(count.values()) == total
    assert count == {
        "image_encoder": encoder,
        "prompt_encoder": 6_220,
        "mask_decoder": 4_058_340,
    }
    state = sam.state_dict()
    assert len(state) == tensors
    assert sum(k.startswith("image_encoder") for k in state) == encoder_tensors
    assert sum(t.numel() for t in state.values()) == total + 256
    assert infer_config(state) == config


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_resized_vit_b_has_the_shapes_of_its_new_grid(size):
    state = build_state(replace(VIT_B, width=24, heads=2))
    config = infer_config(state)
    grid = size // 16
    resized = resize_state_dict(state, config, size)
    with torch.device("meta"):
        wanted = build_sam(replace(config, image_size=size)).state_dict()
    assert {k: t.shape for k, t in resized.items()} == {k: t.shape for k, t in wanted.items()}
    assert resized["image_encoder.pos_embed"].shape == (1, grid, grid, 24)
    assert resized["image_encoder.blocks.2.attn.rel_pos_h"].shape == (2 * grid - 1, 12)
    # Window tables and all else are the very same tensors.
    changed = {k for k in state if resized[k] is not state[k]}
    tables = {f"image_encoder.blocks.{i}.attn.rel_pos_{a}" for i in (2, 5, 8, 11) for a in "hw"}
    assert changed == (set() if size == 1024 else tables | {"image_encoder.pos_embed"})


def build_state(config):
    torch.manual_seed(0)
    return {k: torch.randn_like(t) for k, t in build_sam(config).state_dict().items()}


def test_resized_tables_hold_the_interpolated_values():
    state = build_state(TINY)
    resized = resize_state_dict(state, TINY, 512)
    key = "image_encoder.blocks.2.attn.rel_pos_w"
    # The official helper interpolates at run time: resizing first must not change its answer.
    torch.testing.assert_close(
        get_rel_pos(64, 64, resized[key]), get_rel_pos(64, 64, state[key]), atol=1e-6, rtol=0
    )
    table = state["image_encoder.pos_embed"].permute(0, 3, 1, 2)
    bicubic = F.interpolate(table, (64, 64), mode="bicubic").permute(0, 2, 3, 1)
    torch.testing.assert_close(resized["image_encoder.pos_embed"], bicubic)
    # Keys' cubic kernel (a = -0.75) at distances 1.75, 0.75, 0.25, 1.25 from an impulse in row 10.
    impulse = torch.zeros(1, 32, 32, 192)
    impulse[:, 10] = 1
    out = resize_state_dict({**state, "image_encoder.pos_embed": impulse}, TINY, 512)
    column = out["image_encoder.pos_embed"][0, [17, 19, 21, 23], 5, 0]
    kernel = torch.tensor([-0.03515625, 0.26171875, 0.87890625, -0.10546875])
    torch.testing.assert_close(column, kernel)


def test_config_is_read_from_shapes():
    odd = SamConfig(
        image_size=96,
        patch_size=8,
        width=48,
        depth=3,
        heads=4,
        mlp_ratio=2.0,
        window=5,
        global_blocks=(0, 2),
        prompt_dim=64,
        mask_in_chans=8,
        decoder_depth=1,
        decoder_mlp_dim=80,
        multimask_outputs=2,
        iou_head_depth=2,
        iou_head_hidden=40,
    )
    assert infer_config(build_sam(odd).state_dict()) == odd
    assert infer_config(build_sam(TINY).state_dict()) == TINY


def test_ambiguous_tables_need_metadata_or_a_known_model():
    at_64 = replace(TINY, image_size=64)  # grid 8 equals the window: all tables have 15 rows
    assert infer_config(build_sam(at_64).state_dict()) == at_64
    unknown = replace(at_64, width=96)
    state = build_sam(unknown).state_dict()
    with pytest.raises(ValueError, match="do not tell window from global"):
        infer_config(state)
    assert infer_config(state, {METADATA_KEY: unknown.to_json()}) == unknown


def test_sizes_that_cannot_be_built_are_refused():
    with pytest.raises(ValueError, match=r"multiple of the patch size 16, got 500; use 496"):
        replace(VIT_B, image_size=500)
    with pytest.raises(ValueError, match="multiple of heads"):
        SamConfig(width=100, heads=12)


def test_seed_leaves_the_global_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = build_sam(ITEM_5, seed=1).state_dict()
    assert torch.equal(torch.rand(4), expected)
    second = build_sam(ITEM_5, seed=1).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    other = build_sam(ITEM_5, seed=2).state_dict()
    assert any(not torch.equal(first[k], other[k]) for k in first)
