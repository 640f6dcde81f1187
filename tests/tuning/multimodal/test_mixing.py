"""The mixing rule: the authors' at two sensors, any number otherwise, missing ones left out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.tuning.multimodal.mixing import fuse_sensors, mixing_matrix


def test_two_sensors_are_the_authors_rule() -> None:
    x, y = torch.randn(2, 3, 4, 5)
    both = torch.stack([x, y])
    out = fuse_sensors(both, mixing_matrix(torch.tensor([0.8, 0.3])))
    torch.testing.assert_close(out[0], 0.8 * x + 0.2 * y)
    torch.testing.assert_close(out[1], 0.3 * y + 0.7 * x)


def test_one_sensor_keeps_its_own() -> None:
    assert mixing_matrix(torch.tensor([0.3])).tolist() == [[[1.0]]]


@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=5),
    st.integers(0, 2**15 - 1),
)
def test_rows_sum_to_one_and_missing_sensors_give_nothing(weights: list[float], bits: int) -> None:
    sensors = len(weights)
    modality_mask = torch.tensor(
        [[bool(bits >> (3 * m + b) & 1) for m in range(sensors)] for b in range(3)]
    )
    matrix = mixing_matrix(torch.tensor(weights), modality_mask)
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(3, sensors))
    off = matrix * ~torch.eye(sensors, dtype=torch.bool)
    assert (off.transpose(1, 2)[~modality_mask] == 0).all()


def test_presence_by_sample() -> None:
    x = torch.randn(3, 2, 4)
    modality_mask = torch.tensor([[True, True, True], [True, False, True]])
    out = fuse_sensors(x, mixing_matrix(torch.tensor([0.6, 0.5, 0.5]), modality_mask))
    torch.testing.assert_close(out[0, 0], 0.6 * x[0, 0] + 0.2 * (x[1, 0] + x[2, 0]))
    torch.testing.assert_close(out[0, 1], 0.6 * x[0, 1] + 0.4 * x[2, 1])


def test_nan_of_a_missing_sensor_is_not_read() -> None:
    x = torch.randn(2, 2, 4)
    x[1, 0] = torch.nan
    modality_mask = torch.tensor([[True, False], [True, True]])
    out = fuse_sensors(x, mixing_matrix(torch.tensor([0.6, 0.5]), modality_mask), modality_mask)
    assert torch.equal(out[0, 0], x[0, 0])
    torch.testing.assert_close(out[1, 0], 0.5 * x[0, 0])
    torch.testing.assert_close(out[0, 1], 0.6 * x[0, 1] + 0.4 * x[1, 1])


def test_full_presence_is_no_presence() -> None:
    x, weights = torch.randn(3, 2, 4), torch.rand(3)
    with_mask = fuse_sensors(x, mixing_matrix(weights, torch.ones(2, 3, dtype=torch.bool)))
    torch.testing.assert_close(with_mask, fuse_sensors(x, mixing_matrix(weights)))


@pytest.mark.parametrize(
    "modality_mask",
    [torch.ones(1, 2), torch.ones(1, 3).bool(), torch.tensor([True, True]), [True, True]],
)
def test_a_presence_of_another_kind_is_one_sentence(modality_mask: object) -> None:
    with pytest.raises(ValueError, match=r"expected a boolean modality_mask of shape \(batch, 2\)"):
        mixing_matrix(torch.tensor([0.5, 0.5]), modality_mask)  # type: ignore[arg-type]
