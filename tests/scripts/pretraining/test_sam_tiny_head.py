"""Teaching the IoU head alone: what it sees, what it learns, and that nothing else moves."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mfnet_lite import load_sam
from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.interactive import mask_boxes
from mfnet_lite.sam.prompts import embed_images, embed_points, predict_masks
from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining import sam_tiny_head as script


@pytest.fixture(scope="module")
def sam():
    config = replace(TINY, image_size=64, width=24, depth=2, heads=2, window=2, global_blocks=(1,))
    return build_sam(config, seed=1).eval()


def test_half_of_the_clicks_are_moved_to_the_middle():
    masks = torch.zeros(1, 2000, 33, 33, dtype=torch.bool)
    masks[:, :, 10:21, 5:16] = True  # its middle is (10, 15), its box (5, 10, 15, 20)
    clicks = script.first_clicks(masks, torch.Generator().manual_seed(0))
    click = clicks.labels[0, :, 0] == 1
    assert click.float().mean() == pytest.approx(1 - script.BOXES, abs=0.03)
    first = clicks.points[0, click, 0]
    middle = (first == torch.tensor([10.0, 15.0])).all(dim=1)
    assert middle.float().mean() == pytest.approx(script.CENTRAL, abs=0.04)
    x, y = first.long().unbind(dim=1)
    assert masks[0, 0, y, x].all()
    assert (clicks.labels[0, ~click] == torch.tensor([2, 3])).all()
    corners = clicks.points[0, ~click].flatten(1)
    assert (corners - mask_boxes(masks)[0, 0]).abs().mean() < 2


@pytest.mark.parametrize("picture", [0, 1])  # drawn shapes, a collage
def test_examples_are_what_the_head_saw_and_the_true_iou(sam, picture):
    found = script.examples(sam, picture)
    n = script.PROMPTS * script.ROUNDS
    assert found.states.shape == (n, TINY.prompt_dim)
    assert found.iou.shape == (n, 4)
    assert found.iou.min() >= 0
    assert found.iou.max() <= 1
    assert found.first.tolist() == [True] * script.PROMPTS + [False] * (n - script.PROMPTS)
    again = script.examples(sam, picture)
    assert torch.equal(found.states, again.states)
    assert torch.equal(found.iou, again.iou)
    assert not sam.mask_decoder.iou_prediction_head._forward_hooks


def test_the_head_says_of_its_examples_what_it_says_when_asked(sam, monkeypatch):
    """The first round of picture 0, asked again through the public function."""
    asked = []
    monkeypatch.setattr(script, "first_clicks", lambda m, g: asked.append(_first(m, g)) or asked[0])
    found = script.examples(sam, 0)
    image = make_images(script.FIRST_PICTURE, 1, 64).image.float()
    with torch.no_grad():
        tokens = embed_points(sam, asked[0].points, asked[0].labels)
        told = predict_masks(sam, embed_images(sam, image), tokens=tokens, multimask=None)
        said = sam.mask_decoder.iou_prediction_head(found.states[found.first])
    torch.testing.assert_close(said, told.iou[0])


_first = script.first_clicks


def test_the_fit_keeps_the_best_epoch_and_leaves_the_first_head_alone():
    torch.manual_seed(0)
    states, truth = torch.randn(500, 16), nn.Linear(16, 4).requires_grad_(False)
    first = torch.arange(500) % 3 == 0
    found = script.Examples(states, truth(states), first)
    head = nn.Linear(16, 4)
    before = head.weight.clone()
    fitted, log = script.fit(head, found, epochs=60, rate=3e-2)
    assert torch.equal(head.weight, before)
    held = script.Examples(*(part[400:] for part in found))
    error = nn.functional.mse_loss(fitted(held.states), held.iou).item()
    assert error == pytest.approx(min(line["squared_error"] for line in log))
    assert error < 0.2 * log[0]["squared_error"]
    assert script.chosen_iou(fitted(held.states), held) > log[0]["chosen_iou"]


def test_the_choice_is_scored_on_first_prompts_and_candidates_alone():
    iou = torch.tensor([[0.9, 0.1, 0.5, 0.3], [0.9, 0.8, 0.2, 0.4], [0.0, 1.0, 0.0, 0.0]])
    found = script.Examples(torch.zeros(3, 2), iou, torch.tensor([True, True, False]))
    said = torch.tensor([[9.0, 0.0, 1.0, 0.0], [9.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    assert script.chosen_iou(said, found) == pytest.approx((0.5 + 0.4) / 2)


@pytest.mark.slow
def test_only_the_head_changes_and_a_second_call_collects_nothing(tmp_path):
    path = script.train(tmp_path, "tiny", pictures=3, workers=1, chunk=2)
    old, new = load_sam("tiny", image_size=256).state_dict(), load_file(path)
    changed = {name for name in new if not torch.equal(new[name], old[name])}
    assert changed
    assert all(name.startswith("mask_decoder.iou_prediction_head.") for name in changed)
    facts = json.loads((tmp_path / "training.json").read_text())
    assert facts["head"]["pictures"] == 4
    assert facts["head"]["examples"] == 4 * script.PROMPTS * script.ROUNDS
    assert len(facts["equal_masks_sha256"][0]) == 64
    (folder,) = tmp_path.glob("examples_*")
    files = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = load_file(script.train(tmp_path, "tiny", pictures=3, workers=1, chunk=2))
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == files
    assert all(torch.equal(new[name], again[name]) for name in new)

    save_file(new, tmp_path / "own.safetensors")
    with pytest.raises(FileNotFoundError, match="own_training"):
        script.before(str(tmp_path / "own_training" / "sam_tiny.safetensors"))


def test_weights_without_their_facts_are_refused_before_any_work(tmp_path):
    init = tmp_path / "alone.safetensors"
    init.write_bytes(b"weights")
    with pytest.raises(FileNotFoundError, match=r"expected training\.json beside the weights"):
        script.train(tmp_path / "out", str(init), pictures=1, workers=1)
    assert not (tmp_path / "out").exists()
