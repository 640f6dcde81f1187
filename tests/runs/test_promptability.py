"""What a prompt returns, compared with what it meant."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite import load_sam
from mfnet_lite.nets import SamLP
from mfnet_lite.runs.promptability import overlap, promptability
from mfnet_lite.sam import Prediction
from mfnet_lite.world.plates.image import PlateConfig, make_plate_image

SIZE = 64


@pytest.fixture(scope="module")
def images() -> list[dict[str, torch.Tensor]]:
    made = [make_plate_image(s, SIZE, config=PlateConfig(smallest=0.3)) for s in (0, 3, 8)]
    return [
        {
            "optical": torch.from_numpy(p.image).float() / 255,
            "label": torch.from_numpy(p.plate).long(),
            "instances": torch.from_numpy(p.instances).long(),
        }
        for p in made
    ]


def test_overlap_by_hand():
    one = torch.tensor([[True, True, False]])
    other = torch.tensor([[True, False, False]])
    assert overlap(one, other).item() == 0.5
    assert overlap(one & False, other & False).item() == 1.0


def test_promptability_asks_for_objects_or_for_plates(images):
    net = SamLP(load_sam("tiny", SIZE), seed=0)
    objects = promptability(net, images, smallest=20)
    plates = promptability(net, images, smallest=8, plates=True)
    assert objects.count > plates.count > 0
    assert objects.by_object.shape == (objects.count, 3)
    assert (objects.by_object[:, 1] >= objects.by_object[:, 0]).all()
    assert 0.2 < objects.box < 1  # SAM itself, the updates are zero
    assert promptability(net, images, smallest=10_000).count == 0


def test_prompts_reach_images_of_another_size(images):
    """The same model at twice the side sees the same objects, enlarged."""
    net = SamLP(load_sam("tiny", 2 * SIZE), seed=0)
    assert promptability(net, images[:2], smallest=20).count == promptability(
        SamLP(load_sam("tiny", SIZE), seed=0), images[:2], smallest=20
    ).count  # fmt: skip


def test_a_perfect_answer_scores_one(images, monkeypatch):
    """Each prompt gets its own object back as the second of three masks, and as the single one."""
    sample = images[0]
    ids, areas = torch.unique(sample["instances"], return_counts=True)
    plate = torch.stack([(sample["label"][sample["instances"] == i] == 1).all() for i in ids])
    wanted = ids[(ids > 0) & (areas >= 20) & (areas <= 0.9 * SIZE**2) & ~plate]
    masks = 20.0 * (2.0 * (sample["instances"][None] == wanted[:, None, None]) - 1)[None, :, None]

    def answer(sam, embedding, *, points=None, labels=None, boxes=None, multimask=True):
        low = torch.nn.functional.interpolate(masks.flatten(0, 1), (32, 32), mode="area")[None]
        if boxes is not None:
            return Prediction(low, torch.ones(1, len(wanted), 1))
        three = torch.cat([0 * low - 9, low, 0 * low - 9], dim=2)
        return Prediction(three, torch.tensor([0.1, 0.9, 0.3]).expand(1, len(wanted), 3))

    monkeypatch.setattr("mfnet_lite.runs.promptability.predict_masks", answer)
    # masks are returned at half of the size, so their outline is coarse
    found = promptability(SamLP(load_sam("tiny", SIZE), seed=0), [sample], smallest=20)
    assert found.count == len(wanted)
    assert found.click == found.click_best == found.box
    assert found.click > 0.5
