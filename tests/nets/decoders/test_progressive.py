"""The light decoder: sizes, and that each place is normalised for itself."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.decoders.progressive import ProgressiveHead


@pytest.mark.parametrize(("patch", "times"), [(8, 2), (16, 4), (32, 8), (4, 2)])
def test_a_pixel_of_the_map_covers_four_by_four(patch, times) -> None:
    head = ProgressiveHead(12, 5, width=8, patch=patch)
    assert head(torch.randn(2, 12, 3, 4)).shape == (2, 5, 3 * times, 4 * times)


def test_what_is_far_away_and_who_else_is_in_the_batch_does_not_matter() -> None:
    torch.manual_seed(0)
    head, x = ProgressiveHead(12, 5, width=8, patch=8), torch.randn(2, 12, 8, 16)
    whole = head(x)
    torch.testing.assert_close(head(x[:1]), whole[:1])
    torch.testing.assert_close(head(x[..., :8])[..., :8], whole[..., :8])
