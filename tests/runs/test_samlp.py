"""Both steps on images of the world, scores of plates and of prompts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.metrics.detection import BoxSettings
from mfnet_lite.nets import PromptTuning, SamLP
from mfnet_lite.nets.samlp import PlateOutput
from mfnet_lite.rasters import PlateSamples, open_plates
from mfnet_lite.runs.promptability import overlap
from mfnet_lite.runs.samlp import (
    Embedded,
    _cut,
    evaluate_plates,
    find_plates,
    train_plates,
)
from mfnet_lite.training import TrainConfig
from mfnet_lite.world.plates.image import PlateConfig, make_plate_image
from tests.nets.test_samlp import small

SIZE = 64


@pytest.fixture(scope="module")
def images() -> list[dict[str, Tensor]]:
    made = [make_plate_image(s, SIZE, config=PlateConfig(smallest=0.3)) for s in (0, 3, 8, 9)]
    return [
        {
            "optical": torch.from_numpy(p.image).float() / 255,
            "label": torch.from_numpy(p.plate).long(),
            "instances": torch.from_numpy(p.instances).long(),
        }
        for p in made
    ]


def steps(number: int, lr: float = 1e-2) -> TrainConfig:
    return TrainConfig(steps=number, batch=2, lr=lr, warmup=0, device="cpu", progress=False)


class Fixed(nn.Module):
    """Returns the label's own mask: a perfect network with two classes."""

    def __init__(self, images) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self.pictures = images

    def forward(self, sample):
        (same,) = [p for p in self.pictures if torch.equal(p["optical"], sample["optical"][0])]
        s = 20.0 * self.one * (2.0 * same["label"] - 1)[None, None]
        return torch.cat([torch.zeros_like(s), s], dim=1)


# --- scores


def test_a_perfect_network_scores_one(images):
    scores = evaluate_plates(Fixed(images), images)
    assert (scores.boxes.F1, scores.mask_iou, scores.best_iou) == (1.0, 1.0, 1.0)
    assert pytest.approx(1) == scores.by_probability.AP50
    assert math.isnan(scores.agreement)
    assert scores.images == 4


def test_given_boxes_are_the_truth(images):
    """The boxes of another image are missed although the masks fit."""
    wrong = [np.array([[0.0, 0, 3, 2]])] * 4
    scores = evaluate_plates(Fixed(images), images, wrong)
    assert (scores.boxes.F1, scores.mask_iou) == (0.0, 1.0)


def test_images_without_plates_count_false_area(images):
    empty = [images[0] | {"label": torch.zeros(SIZE, SIZE, dtype=torch.long)}]

    class Quarter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.ones(()))

        def forward(self, sample):
            s = torch.full((1, 1, SIZE, SIZE), -1.0)
            s[..., :32, :32] = 1.0
            return torch.cat([0 * s, s], dim=1) * self.one

    scores = evaluate_plates(Quarter(), empty)
    assert scores.false_area == 0.25
    assert math.isnan(scores.mask_iou)
    assert scores.boxes.precision == 0.0


def test_three_masks_are_compared(images, monkeypatch):
    """Estimates choose the second mask; the first is perfect, the third the same as the second."""
    net = small()
    sample = images[0]
    good = 20.0 * (2.0 * sample["label"] - 1)
    bad = torch.full_like(good, -20.0)
    bad[:, :32] = 20.0
    output = PlateOutput(torch.stack([good, bad, bad])[None], torch.tensor([[0.1, 0.6, 0.3]]))
    monkeypatch.setattr("mfnet_lite.runs.samlp.find_plates", lambda model, sample: output)
    scores = evaluate_plates(net, [sample])
    true = overlap(bad > 0, sample["label"] == 1).item()
    assert scores.mask_iou == pytest.approx(true)
    assert scores.best_iou == 1.0
    assert scores.agreement == pytest.approx((1 + 2 * true) / 3)
    assert scores.estimate_error == pytest.approx(0.6 - true, abs=1e-6)


# --- pixels that do not count


class Bright(nn.Module):
    """Calls a pixel plate where the first band is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, sample):
        s = 20.0 * self.one * (2.0 * sample["optical"][:, :1] - 1)
        return torch.cat([torch.zeros_like(s), s], dim=1)


def bright(*plates: tuple[slice, slice]) -> dict[str, Tensor]:
    """All plates are bright, none has a label yet."""
    optical = torch.zeros(3, SIZE, SIZE)
    for rows, columns in plates:
        optical[:, rows, columns] = 1
    return {"optical": optical, "label": torch.zeros(SIZE, SIZE, dtype=torch.long)}


EXACT = BoxSettings(0, 0, 0)
UPPER, LOWER = (slice(10, 20), slice(10, 30)), (slice(40, 50), slice(10, 30))


@pytest.mark.parametrize("value", [255, -1, -100, 6])
def test_a_plate_where_nothing_counts_is_no_false_alarm(value):
    sample = bright(UPPER, LOWER)
    sample["label"][UPPER] = 1
    assert evaluate_plates(Bright(), [sample], settings=EXACT).boxes.precision == 0.5
    sample["label"][36:] = value
    for given in (None, [np.array([[10.0, 10, 30, 20], [10, 40, 30, 50]])]):
        scores = evaluate_plates(Bright(), [sample], given, EXACT)
        assert (scores.boxes.boxes, scores.boxes.plates, scores.boxes.found) == (1, 1, 1)
        assert (scores.boxes.precision, scores.boxes.recall, scores.mask_iou) == (1.0, 1.0, 1.0)


def test_a_plate_half_inside_counts_by_its_other_half():
    """The outer half, 10 of 20 columns, is cut off what is found and off the true box alike."""
    sample = bright(UPPER)
    sample["label"][UPPER] = 1
    sample["label"][:, 20:] = 255
    for given in (None, [np.array([[10.0, 10, 30, 20]])]):
        scores = evaluate_plates(Bright(), [sample], given, EXACT)
        assert (scores.boxes.precision, scores.boxes.recall) == (1.0, 1.0)
        assert pytest.approx(1) == scores.boxes.AP  # at an IoU of 0.95, too
    # called plate beyond the true one where it counts, it is wrong there: 6 + 10 rows against 10
    sample["label"][10:20, 10:20] = 0
    sample["label"][10:16, 10:20] = 1
    scores = evaluate_plates(Bright(), [sample], settings=EXACT)
    assert scores.mask_iou == pytest.approx(0.6)
    assert (scores.boxes.found, scores.boxes.AP) == (1, pytest.approx(0.3))  # of 0.50, 0.55, 0.60 …


def test_boxes_are_cut_by_hand():
    valid = np.ones((8, 8), dtype=bool)
    valid[:, 5:] = False
    valid[0] = False
    boxes = [[1, 2, 4, 6], [0.5, 2.5, 9, 7.5], [2, 0, 4, 3], [5, 1, 8, 8], [-3, -3, -1, -1]]
    kept = [[1, 2, 4, 6], [0.5, 2.5, 5, 7.5], [2, 1, 4, 3], [-3, -3, -1, -1]]
    assert _cut(np.array(boxes, dtype=float), valid).tolist() == kept
    assert _cut(np.zeros((0, 4)), valid).shape == (0, 4)


def test_false_area_and_agreement_are_of_the_pixels_that_count(monkeypatch):
    sample = bright((slice(0, 32), slice(0, 32)))
    assert evaluate_plates(Bright(), [sample]).false_area == 0.25
    sample["label"][32:] = 255  # a half of the upper half
    nothing = bright(LOWER) | {"label": torch.full((SIZE, SIZE), 255)}
    scores = evaluate_plates(Bright(), [sample, nothing])
    assert scores.false_area == 0.5
    assert math.isnan(evaluate_plates(Bright(), [nothing]).false_area)
    one = 2 * bright(UPPER)["optical"][0] - 1
    two = one.clone()
    two[40:] = 1.0  # the two masks differ where nothing counts
    output = PlateOutput(torch.stack([one, two])[None], torch.tensor([[0.9, 0.1]]))
    monkeypatch.setattr("mfnet_lite.runs.samlp.find_plates", lambda model, sample: output)
    sample["label"][UPPER] = 1
    assert evaluate_plates(Bright(), [sample]).agreement == 1.0


def test_the_padding_of_a_long_image_holds_no_plates(tmp_path):
    """Bright where the image is black: in the padding, and nowhere else."""
    from PIL import Image

    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (64, 32), (200, 200, 200)).save(tmp_path / "images" / "a.png")
    Image.new("L", (64, 32)).save(tmp_path / "masks" / "a.png")
    samples = PlateSamples(open_plates(tmp_path).tiles("train"), SIZE)

    class Dark(Bright):
        def forward(self, sample):
            return super().forward({"optical": 1 - sample["optical"]})

    sample = samples[0]
    assert int((Dark()({"optical": sample["optical"][None]})[0, 1] > 0).sum()) == 32 * 64
    scores = evaluate_plates(Dark(), samples)
    assert (scores.boxes.boxes, scores.false_area) == (0, 0.0)


# --- training


def test_embeddings_are_made_once(images, monkeypatch):
    net = small()
    calls = []
    embed = SamLP.embed
    monkeypatch.setattr(SamLP, "embed", lambda self, s: calls.append(1) or embed(self, s))
    samples = Embedded(net, images[:2])
    first, again = samples[0], samples[0]
    assert len(calls) == 1
    assert torch.equal(first["embedding"], again["embedding"])
    assert len(samples) == 2
    with torch.no_grad():
        expected = find_plates(net, images[0]).masks
        torch.testing.assert_close(find_plates(net, first).masks, expected)


def test_two_steps_find_plates_that_they_have_seen(images):
    """Four images by heart: masks after step 1 fit, and step 2 keeps them."""
    sam = load_sam("tiny", SIZE)
    untrained = evaluate_plates(SamLP(load_sam("tiny", SIZE), seed=0), images).mask_iou
    model = train_plates(sam, images, steps(16), steps(2, 1e-3), rounds=2)
    scores = evaluate_plates(model, images)
    assert not model.training
    assert scores.mask_iou > untrained + 0.2
    assert scores.boxes.recall > 0.4


def test_step_two_leaves_the_encoder_alone(images):
    sam = load_sam("tiny", SIZE)
    model = train_plates(sam, images, steps(1))
    before = model.embed({"optical": images[0]["optical"][None]})
    tuning = PromptTuning(model, rounds=2)
    assert find_plates(tuning, images[0]).masks.shape == (1, 3, SIZE, SIZE)
    again = train_plates(load_sam("tiny", SIZE), images, steps(1), steps(2), rounds=2)
    assert torch.equal(again.embed({"optical": images[0]["optical"][None]}), before)


def test_a_folder_of_images_and_masks(tmp_path, images):
    """From the reader to scores: what a user's own folder needs is one call."""
    from PIL import Image

    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index, sample in enumerate(images):
        image = (255 * sample["optical"]).byte().permute(1, 2, 0).numpy()
        Image.fromarray(image).save(tmp_path / "images" / f"{index}.png")
        mask = (255 * sample["label"]).byte().numpy()
        Image.fromarray(mask).save(tmp_path / "masks" / f"{index}.png")
    samples = PlateSamples(open_plates(tmp_path).tiles("train"), SIZE)
    model = train_plates(load_sam("tiny", SIZE), samples, steps(1))
    assert evaluate_plates(model, samples).boxes.plates >= 4
