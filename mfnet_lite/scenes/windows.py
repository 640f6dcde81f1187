r"""Joining the logits of overlapping windows, one buffer of rows at a time.

A scene is covered by windows. Where several see a pixel, their logits are added with weights. Rows
are finished as soon as no later window can reach them, so memory holds one buffer as high as a
window, whatever the height of the scene: :math:`O(\text{width} \times \text{window} \times
\text{classes})`. A wide scene is done in panels of columns one after the other, so the width does not
matter either; the windows that lie across two panels are computed twice, and the logits are the same.

* ``"smooth"``: the weighted mean with a raised cosine that falls towards the window's border, where
  the network sees least context. No seams.
* ``"sum"``: raw logits added with weight 1, as in MFNet's code.

Each of them equals one single pass over the whole scene in two cases: if one window covers it, or if
the model looks at one pixel at a time. A convolutional model with receptive radius ``r`` joins the
club with ``margin >= r``: then only pixels are kept whose window contains all that they depend on
(given strides and windows that keep its pooling grid aligned).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.rasters.tiling import Window, window_positions

Blend = Literal["smooth", "sum"]
Reader = Callable[[Window], Mapping[str, Tensor]]
"""Gives every sensor's pixels in a window, ``(channels, height, width)``, scaled for the model."""


def axis_weights(
    size: int, first: bool, last: bool, blend: Blend = "smooth", margin: int = 0
) -> Float[Tensor, " size"]:
    """Weights along one axis of a window.

    Args:
        size: pixels of the window.
        first: whether the window begins at the scene's border; nothing is cut off there.
        last: whether it ends at the scene's border.
        blend: form of the weights.
        margin: pixels at inner borders that get weight 0.

    Returns:
        Weights in [0, 1]; positive wherever no margin applies.

    Example:
        >>> axis_weights(4, True, False, "sum", margin=1).tolist()
        [1.0, 1.0, 1.0, 0.0]
    """
    weights = torch.ones(size)
    if blend == "smooth":
        centre = torch.arange(size) + 0.5
        weights = torch.sin(torch.pi * centre / size) ** 2
    if not first:
        weights[:margin] = 0
    if not last:
        weights[size - margin :] = 0
    return weights


class RowBuffer:
    """The rows of the scene that are still open: sums of logits and of weights.

    Args:
        classes: number of classes.
        rows: rows to hold, the height of a window.
        left: column of the scene where the buffer begins.
        right: column behind its end.
        blend: ``"smooth"`` divides by the sum of weights, ``"sum"`` does not.
    """

    def __init__(self, classes: int, rows: int, left: int, right: int, blend: Blend) -> None:
        self.logits = torch.zeros(classes, rows, right - left)
        self.weights = torch.zeros(rows, right - left)
        self.top, self.left = 0, left
        self.blend = blend

    def add(
        self,
        window: Window,
        logits: Float[Tensor, "classes height width"],
        weights: Float[Tensor, "height width"],
    ) -> None:
        """Add one window; it must lie in the buffer."""
        rows = slice(window.row - self.top, window.row - self.top + window.height)
        columns = slice(window.col - self.left, window.col - self.left + window.width)
        self.logits[:, rows, columns] += logits * weights
        self.weights[rows, columns] += weights

    def finish(self, row: int, left: int, right: int) -> Float[Tensor, "classes rows width"]:
        """Close all rows above ``row``, hand out their columns and move the buffer down."""
        count, columns = row - self.top, slice(left - self.left, right - self.left)
        done, weights = self.logits[:, :count, columns].clone(), self.weights[:count, columns]
        if self.blend == "smooth":
            done /= weights
        keep = self.weights.shape[0] - count
        for buffer in (self.logits, self.weights):
            buffer[..., :keep, :] = buffer[..., count:, :].clone()
            buffer[..., keep:, :] = 0
        self.top = row
        return done


@torch.inference_mode()
def blend_windows(
    model: nn.Module,
    read: Reader,
    height: int,
    width: int,
    window: int = 256,
    stride: int | None = None,
    blend: Blend = "smooth",
    margin: int = 0,
    batch: int = 4,
    official: bool = False,
    columns: tuple[int, int] | None = None,
) -> Iterator[tuple[int, Float[Tensor, "classes rows width"]]]:
    """Run a model over a scene and yield finished rows from top to bottom.

    Args:
        model: maps ``{sensor: (batch, channels, h, w)}`` to logits; its mode is not changed here.
        read: gives the pixels of a window.
        height: rows of the scene.
        width: columns of the scene.
        window: side of a window; smaller scenes are read whole.
        stride: step of the windows, half a window without.
        blend: see the module.
        margin: see the module; windows must overlap by more than twice the margin.
        batch: windows per forward pass.
        official: repeat the border windows as often as MFNet's loop does.
        columns: first column and the one behind the last of a panel of the scene; all without.

    Yields:
        Row number of the first finished row, and the rows' logits in float32 on the CPU.

    Raises:
        ValueError: if the settings would leave gaps, or the model's output has another size.
    """
    stride = max(1, window // 2) if stride is None else stride
    if blend not in ("smooth", "sum"):
        raise ValueError(f"blend must be 'smooth' or 'sum', got {blend!r}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    if margin < 0 or stride > window - 2 * margin:
        raise ValueError(
            f"windows of {window} with stride {stride} and margin {margin} leave gaps: "
            f"expected a stride of at most window - 2 * margin = {window - 2 * margin}"
        )
    high, wide = min(window, height), min(window, width)
    left, right = columns or (0, width)
    if not 0 <= left < right <= width:
        raise ValueError(f"expected columns between 0 and {width}, got {left} to {right}")
    rows = window_positions(height, window, stride, official)
    every = window_positions(width, window, stride, official)
    starts = [c for c in every if c < right and c + wide > left]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    across = [axis_weights(wide, c == 0, c + wide == width, blend, margin) for c in starts]
    buffer: RowBuffer | None = None
    for number, row in enumerate(rows):
        down = axis_weights(high, row == 0, row + high == height, blend, margin)
        for start in range(0, len(starts), batch):
            part = range(start, min(start + batch, len(starts)))
            places = [Window(row, starts[i], high, wide) for i in part]
            samples = [read(place) for place in places]
            inputs = {
                name: torch.stack([sample[name] for sample in samples]).to(device)
                for name in samples[0]
            }
            logits = model(inputs).float().cpu()
            if logits.ndim != 4 or logits.shape[-2:] != (high, wide):
                raise ValueError(
                    f"expected logits of shape ({len(places)}, classes, {high}, {wide}) from the "
                    f"model, got {tuple(logits.shape)}"
                )
            if buffer is None:
                buffer = RowBuffer(logits.shape[1], high, starts[0], starts[-1] + wide, blend)
            for place, i, values in zip(places, part, logits, strict=True):
                outer = rearrange(down, "h -> h 1") * rearrange(across[i], "w -> 1 w")
                buffer.add(place, values, outer)
        assert buffer is not None
        following = rows[number + 1] if number + 1 < len(rows) else height
        if following > buffer.top:
            top = buffer.top
            yield top, buffer.finish(following, left, right)
