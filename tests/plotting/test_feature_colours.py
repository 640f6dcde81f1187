"""Principal components as colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.plotting import principal_colours


def test_places_with_equal_tokens_have_one_colour() -> None:
    halves = torch.zeros(4, 6, 5)
    halves[:, 3:, 2] = 7.0
    painted = principal_colours(halves)
    assert painted.shape == (4, 6, 3)
    assert painted.dtype == np.uint8
    left, right = painted[:, :3, 0], painted[:, 3:, 0]
    assert {int(left.min()), int(right.min())} == {0, 255}
    assert left.min() == left.max()
    assert right.min() == right.max()


def test_the_first_component_is_the_direction_of_the_largest_differences() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64)
    features = 0.01 * torch.randn(8, 8, 4)
    features[..., 3] += 10 * ramp.reshape(8, 8)
    red = principal_colours(features)[..., 0].flatten().astype(float)
    assert abs(np.corrcoef(red, ramp.numpy())[0, 1]) > 0.99


def test_tokens_grow_to_squares() -> None:
    features = torch.arange(48.0).reshape(4, 4, 3)
    small, large = principal_colours(features), principal_colours(features, size=8)
    assert np.array_equal(large[::2, ::2], small)
    assert np.array_equal(large[1::2, 1::2], small)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2)], ids=["no-channels", "two-channels"])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least three channels, got"):
        principal_colours(torch.zeros(shape))
