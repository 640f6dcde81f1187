"""ModalityMask: blanks, shares, and the sentences for what does not fit."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.layers.modality_mask import check, drop_modalities, mask


def test_mask_blanks_absent_sensors_and_scales_present_ones():
    x = torch.full((3, 2, 1, 1, 1), torch.nan)
    modality_mask = torch.tensor([[True, False, True], [False, True, False]])
    x[modality_mask.T] = 1.0
    zero_fill, share = mask(x, modality_mask)
    assert zero_fill.flatten(1).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert share.flatten(1).tolist() == [[1.5, 0], [0, 3], [1.5, 0]]


def test_no_presence_changes_nothing():
    x = torch.randn(2, 1, 3, 4, 4)
    assert mask(x, None) == (x, None)
    check(x, None)


def test_shares_follow_the_type_of_the_features():
    x = torch.zeros(2, 1, 3, 4, 4, dtype=torch.bfloat16)
    assert mask(x, torch.ones(1, 2, dtype=torch.bool))[1].dtype == torch.bfloat16


def test_faults_are_one_sentence():
    x = torch.zeros(2, 1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"shape \(sensors, batch, channels, height, width\)"):
        check(x[0], None)
    with pytest.raises(ValueError, match=r"shape \(2, batch, 5, height, width\), got"):
        check(x, None, channels=5, sensors=2)
    with pytest.raises(ValueError, match=r"samples \[0\] of the batch have no sensor"):
        check(x, torch.zeros(1, 2, dtype=torch.bool))


def test_withholding_takes_one_sensor_at_most_and_any_of_them():
    torch.manual_seed(0)
    modality_mask = torch.ones(3000, 3, dtype=torch.bool)
    modality_mask[:1000, 1] = False  # two left
    modality_mask[1000:2000, 1:] = False  # one left
    after = drop_modalities(modality_mask, 0.4)
    assert not (after & ~modality_mask).any()
    lost = modality_mask & ~after
    assert lost.sum(dim=1).max() == 1
    assert not lost[1000:2000].any()
    assert lost[:1000].float().mean(dim=0).tolist() == pytest.approx([0.2, 0, 0.2], abs=0.04)
    assert lost[2000:].float().mean(dim=0).tolist() == pytest.approx([0.4 / 3] * 3, abs=0.04)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_withholding_never_and_always(chance):
    modality_mask = torch.ones(200, 2, dtype=torch.bool)
    assert drop_modalities(modality_mask, chance).sum(dim=1).eq(2 - chance).all()
