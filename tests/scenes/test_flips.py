"""Averaging over mirrored copies: the mean of probabilities, and equivariance that it brings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfnet_lite.scenes.flips import FlipAverage


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, sample: dict[str, Tensor]) -> Tensor:
        return self.conv(sample["before"] - sample["after"])


def pair() -> dict[str, Tensor]:
    torch.manual_seed(1)
    before, after = torch.rand(2, 2, 3, 6, 9)
    return {"before": before, "after": after}


@torch.no_grad()
def test_mean_of_four_probabilities() -> None:
    model, sample = Conv(), pair()
    total = torch.zeros(2, 2, 6, 9)
    for axes in ([], [2], [3], [2, 3]):
        seen = {name: torch.flip(x, axes) for name, x in sample.items()}
        total += torch.flip(model(seen).softmax(1), axes)
    torch.testing.assert_close(FlipAverage(model)(sample).exp(), total / 4)


@torch.no_grad()
def test_mirrored_image_mirrored_answer() -> None:
    model, sample = FlipAverage(Conv()), pair()
    for axes in ((-2,), (-1,), (-2, -1)):
        mirrored = {name: x.flip(axes) for name, x in sample.items()}
        torch.testing.assert_close(model(mirrored).flip(axes), model(sample))
    plain = Conv()
    assert not torch.allclose(
        plain({name: x.flip(-1) for name, x in sample.items()}).flip(-1), plain(sample)
    )


@torch.no_grad()
def test_certain_classes_stay_finite() -> None:
    class Certain(nn.Module):
        def forward(self, sample: dict[str, Tensor]) -> Tensor:
            x = sample["before"][:, :1]
            return torch.cat([x + 1000, x - 1000], dim=1)

    said = FlipAverage(Certain())(pair())
    assert torch.isfinite(said).all()
    assert (said.argmax(1) == 0).all()
