"""Windows share the large model's parameters: nothing resized, gradients where they belong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from segment_anything.modeling.image_encoder import get_rel_pos

from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.prompts import embed_images, embed_points, predict_masks
from scripts.pretraining import windows

CONFIG = replace(TINY, image_size=128, depth=2, global_blocks=(1,))


@pytest.fixture
def sam():
    sam = build_sam(CONFIG, seed=0)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for name, table in sam.image_encoder.named_parameters():
            if "pos" in name:
                table.copy_(torch.randn(table.shape, generator=generator) * 0.1)
    return sam


def test_the_whole_picture_as_window_is_the_model(sam):
    image = torch.rand(1, 3, 128, 128) * 255
    boxes = torch.tensor([[[10.0, 20, 60, 70]]])
    face = windows.windowed(sam, CONFIG, 128)
    expected = predict_masks(sam, embed_images(sam, image), boxes=boxes)
    found = predict_masks(face, embed_images(face, image), boxes=boxes)
    torch.testing.assert_close(found.masks, expected.masks, atol=1e-5, rtol=1e-4)
    assert sam.state_dict().keys() == build_sam(CONFIG, seed=0).state_dict().keys()
    assert sam.image_encoder.img_size == 128  # the model itself stays as it was


def test_tables_of_a_window_are_pieces_of_the_large_ones(sam):
    face = windows.windowed(sam, CONFIG, 64)
    encoder = face.image_encoder
    encoder.position.top, encoder.position.left = 5, 3
    small = build_sam(replace(CONFIG, image_size=64), seed=0).image_encoder
    state = {key: value.clone() for key, value in sam.image_encoder.state_dict().items()}
    state["pos_embed"] = state["pos_embed"][:, 5:13, 3:11]
    for axis in "hw":
        key = f"blocks.1.attn.rel_pos_{axis}"
        # Row d of the pieces belongs to the same offset between two places as in the large table.
        large = get_rel_pos(16, 16, state[key])
        state[key] = state[key][8:23]
        assert torch.equal(get_rel_pos(8, 8, state[key]), large[:8, :8])
    small.load_state_dict(state)
    picture = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder(picture), small(picture), atol=1e-5, rtol=1e-4)


def test_a_point_has_the_code_of_its_place_in_the_large_picture(sam):
    face = windows.windowed(sam, CONFIG, 64)
    face.image_encoder.position.top, face.image_encoder.position.left = 2, 7
    points = torch.tensor([[4.0, 9.0], [40.0, 1.0]])
    labels = torch.tensor([1, 0])
    shifted = points + torch.tensor([7.0, 2.0]) * 8
    assert torch.allclose(
        embed_points(face, points, labels), embed_points(sam, shifted, labels), atol=1e-6
    )
    code = face.prompt_encoder.pe_layer((8, 8))
    assert torch.equal(code, sam.prompt_encoder.pe_layer((16, 16))[:, 2:10, 7:15])


def test_gradients_reach_the_large_models_parameters(sam):
    face = windows.windowed(sam, CONFIG, 64)
    face.image_encoder.position.top, face.image_encoder.position.left = 4, 4
    embed_images(face, torch.rand(1, 3, 64, 64) * 255).square().sum().backward()
    touched = sam.image_encoder.pos_embed.grad.abs().sum(dim=(0, 3)) > 0
    assert touched[4:12, 4:12].all()
    assert touched.sum() == 64
    assert sam.image_encoder.blocks[0].mlp.lin1.weight.grad.abs().sum() > 0


def test_windows_come_to_lie_everywhere(sam):
    encoder = windows.windowed(sam, CONFIG, 64).image_encoder
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(400):
        encoder.place(generator)
        seen.add((encoder.position.top, encoder.position.left))
    tops, lefts = zip(*seen, strict=True)
    assert set(tops) == set(lefts) == set(range(9))
