"""Averaging over mirrored copies of an image, by default off.

SAM-CD's authors predict every image four times, as it is and mirrored along each axis and both, and
average; their tables have it built in. It costs four times the time and works with any network here:
wrap the model, and evaluate or predict with what you get.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

FLIPS: tuple[tuple[int, ...], ...] = ((), (-2,), (-1,), (-2, -1))
"""Axes along which the four copies are mirrored."""
TINY = 1e-12


class FlipAverage(nn.Module):
    """A model whose answer is the mean probability over four mirrored copies.

    Args:
        model: Maps ``{sensor: (batch, channels, height, width)}`` to logits in evaluation mode.

    Shape:
        As the model's own; what comes out is the logarithm of the mean probability of each class.

    Example:
        >>> import torch
        >>> class Left(nn.Module):  # says what it sees one pixel to the left
        ...     def forward(self, sample):
        ...         x = torch.roll(sample["optical"], 1, dims=-1)
        ...         return torch.cat([torch.zeros_like(x), x], dim=1)
        >>> image = {"optical": torch.tensor([0.0, 0.0, 4.0, 0.0, 0.0]).reshape(1, 1, 1, 5)}
        >>> [round(p, 2) for p in FlipAverage(Left())(image)[0, 1, 0].exp().tolist()]
        [0.5, 0.74, 0.5, 0.74, 0.5]
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch channels height width"]]
    ) -> Float[Tensor, "batch classes height width"]:
        """Predict four times and average."""
        total: Tensor | None = None
        for axes in FLIPS:
            seen = {name: x.flip(axes) if x.ndim == 4 else x for name, x in sample.items()}
            answer = self.model(seen).float().softmax(dim=1).flip(axes)
            total = answer if total is None else total + answer
        assert total is not None
        return (total / len(FLIPS)).clamp(min=TINY).log()
