"""Quarter turns and brightness: the label goes along, heights keep their value, and nothing is left to chance."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.training.augment.jitter import RandomJitter


def plain() -> list[dict[str, torch.Tensor]]:
    values = torch.arange(1, 17, dtype=torch.float32).reshape(1, 4, 4)
    return [{"optical": (values / 40).repeat(3, 1, 1), "dsm": values, "label": values[0].long()}]


def test_all_sensors_and_the_label_rotate_together():
    seen = set()
    for seed in range(20):
        sample = RandomJitter(plain(), seed=seed, brightness=0)[0]
        assert torch.equal(sample["dsm"][0].long(), sample["label"])
        assert torch.allclose(sample["optical"][1] * 40, sample["dsm"][0])
        seen.add(int(sample["label"][0, 0]))
    assert seen == {1, 4, 13, 16}  # each corner has been upper left


def test_jitter_changes_images_within_bounds_and_nothing_else():
    before = plain()[0]
    before["optical"][0, 2, 2] = 0
    after = RandomJitter([before], seed=3, brightness=0.2, quarter_turns=False)[0]
    assert torch.equal(after["dsm"], before["dsm"])
    assert torch.equal(after["label"], before["label"])
    assert not torch.equal(after["optical"], before["optical"])
    assert after["optical"][0, 2, 2] == 0
    assert float(after["optical"].min()) >= 0
    assert float(after["optical"].max()) <= 1
    low, high = before["optical"] * 0.8 * 0.9 - 0.1, before["optical"] * 1.2 * 1.1 + 0.1
    jittered = before["optical"] != 0
    assert bool((after["optical"] >= low)[jittered].all())
    assert bool((after["optical"] <= high)[jittered].all())


def test_a_function_of_seed_epoch_and_index():
    def image(seed: int, epoch: int, index: int) -> torch.Tensor:
        augmented = RandomJitter(plain() * 2, seed=seed)
        augmented.set_epoch(epoch)
        return augmented[index]["optical"]

    first = image(1, 0, 0)
    assert torch.equal(first, image(1, 0, 0))
    for other in (image(2, 0, 0), image(1, 1, 0), image(1, 0, 1)):
        assert not torch.equal(first, other)


def test_the_epoch_is_passed_on():
    class Crops(list):
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    crops = Crops(plain())
    RandomJitter(crops).set_epoch(5)
    assert crops.epoch == 5


def test_faults():
    with pytest.raises(ValueError, match="brightness"):
        RandomJitter(plain(), brightness=1.0)
    with pytest.raises(ValueError, match="seed"):
        RandomJitter(plain(), seed=-1)
