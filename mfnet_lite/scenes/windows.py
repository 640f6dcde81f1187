r"""Sliding windows over a scene: where they lie, and how the logits of overlapping ones are joined.

A scene is covered by windows (:class:`Windows`). Where several see a pixel, their logits are added with
weights. Rows are finished as soon as no later window can reach them, so memory holds one buffer as high
as a window, whatever the height of the scene: :math:`O(\text{width} \times \text{window} \times
\text{classes})`. A wide scene is done in panels of columns one after the other, so the width does not
matter either; the windows that lie across two panels are computed twice, and the logits are the same.

* ``"smooth"``: the weighted mean with a raised cosine that falls towards the window's border, where
  the network sees least context. No seams.
* ``"sum"``: raw logits added with weight 1, as in MFNet's code (``train.py``, ``test``). That loop also
  evaluates the windows at the right and lower border again and again: ``repeat_border``.

Each of them equals one single pass over the whole scene in two cases: if one window covers it, or if
the model looks at one pixel at a time. For a convolutional model with receptive radius ``r`` it does so
with ``margin >= r``, too: then only pixels are kept whose window contains all that they depend on
(given strides and windows that keep its pooling grid aligned).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.rasters.tiling import Window, window_positions

__all__ = ["Blend", "Reader", "WindowOptions", "Windows", "blend_windows", "choose_windows"]

Blend = Literal["smooth", "sum"]
Reader = Callable[[Window], Mapping[str, Tensor]]
"""Gives every sensor's pixels in a window, ``(channels, height, width)``, scaled for the model."""


@dataclass(frozen=True)
class Windows:
    """How a scene is covered by windows and how overlaps are joined.

    Attributes:
        size: Side of a window in pixels; a smaller scene is read whole.
        stride: Step of the windows; defaults to half a window.
        blend: Overlap mode: ``"smooth"`` is the weighted mean of logits, ``"sum"`` their raw sum.
        margin: Pixels at inner window borders that do not count; windows must overlap by at least
            twice as many.
        batch: Windows per forward pass.
        repeat_border: Repeat the windows at the right and lower border as often as MFNet's test loop
            does. With ``blend="sum"`` this is the authors' evaluation.

    Raises:
        ValueError: If a number is out of range, or the windows would leave gaps.

    Example:
        >>> Windows(256).step
        128
        >>> Windows(256, stride=250, margin=8)
        Traceback (most recent call last):
        ...
        ValueError: windows of 256 with stride 250 and margin 8 leave gaps: expected a stride of at \
most window - 2 * margin = 240
    """

    size: int = 256
    stride: int | None = None
    blend: Blend = "smooth"
    margin: int = 0
    batch: int = 4
    repeat_border: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.step < 1:
            raise ValueError(
                f"expected a window and a stride of at least 1, got {self.size} and {self.step}"
            )
        if self.blend not in ("smooth", "sum"):
            raise ValueError(f"blend must be 'smooth' or 'sum', got {self.blend!r}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")
        if self.margin < 0 or self.step > self.size - 2 * self.margin:
            raise ValueError(
                f"windows of {self.size} with stride {self.step} and margin {self.margin} leave gaps: "
                f"expected a stride of at most window - 2 * margin = {self.size - 2 * self.margin}"
            )

    @property
    def step(self) -> int:
        """The stride in pixels, half a window where none was given."""
        return max(1, self.size // 2) if self.stride is None else self.stride

    def starts(self, length: int) -> list[int]:
        """First pixels of the windows along an axis of ``length`` pixels, in ascending order."""
        return window_positions(length, self.size, self.step, self.repeat_border)

    def reaching(self, length: int, begin: int, end: int) -> list[int]:
        """Return the starts of those windows that reach into a part of a side.

        Args:
            length: Pixels of the side.
            begin: First pixel of the part.
            end: The one behind its last.
        """
        size = min(self.size, length)
        return [start for start in self.starts(length) if start < end and start + size > begin]

    def weights(self, start: int, length: int) -> Float[Tensor, " size"]:
        """Weights along one axis of the window that begins at ``start``.

        Args:
            start: First pixel of the window.
            length: Pixels of the scene along the axis.

        Returns:
            Weights in [0, 1], one per pixel of the window; positive wherever no margin applies. Nothing
            is cut off at the scene's own border.

        Example:
            >>> Windows(4, 2, blend="sum", margin=1).weights(0, 9).tolist()
            [1.0, 1.0, 1.0, 0.0]
        """
        size = min(self.size, length)
        weights = torch.ones(size)
        if self.blend == "smooth":
            centre = torch.arange(size) + 0.5
            weights = torch.sin(torch.pi * centre / size) ** 2
        if start > 0:
            weights[: self.margin] = 0
        if start + size < length:
            weights[size - self.margin :] = 0
        return weights


class WindowOptions(TypedDict, total=False):
    """The fields of :class:`Windows` as keywords; ``window`` is its ``size``."""

    window: int
    stride: int | None
    blend: Blend
    margin: int
    batch: int
    repeat_border: bool


def choose_windows(windows: Windows | None, options: WindowOptions) -> Windows:
    """Return the windows given as an object or by keywords, not both.

    Args:
        windows: The object, if there is one.
        options: The keywords.

    Returns:
        The windows; the defaults where nothing is given.

    Raises:
        TypeError: If both are given, or a keyword is unknown.

    Example:
        >>> choose_windows(None, {"window": 64, "blend": "sum"})
        Windows(size=64, stride=None, blend='sum', margin=0, batch=4, repeat_border=False)
    """
    unknown = sorted(set(options) - WindowOptions.__annotations__.keys())
    if unknown:
        raise TypeError(
            f"unknown option {', '.join(unknown)}; windows take "
            f"{', '.join(WindowOptions.__annotations__)}"
        )
    if windows is None:
        fields: dict[str, object] = dict(options)
        if "window" in fields:
            fields["size"] = fields.pop("window")
        return Windows(**fields)  # type: ignore[arg-type]  # typed by WindowOptions
    if options:
        raise TypeError(
            f"expected windows as an object or by keywords, got both ({', '.join(options)}); "
            "set them in Windows(…)"
        )
    return windows


class RowBuffer:
    """The rows of the scene that are still open: sums of logits and of weights.

    Args:
        classes: Number of classes.
        rows: Rows to hold, the height of a window.
        left: Column of the scene where the buffer begins.
        right: Column behind its end.
        blend: Overlap mode; ``"smooth"`` divides by the sum of weights, ``"sum"`` does not.
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
    windows: Windows | None = None,
    columns: tuple[int, int] | None = None,
    rows: tuple[int, int] | None = None,
    **options: Unpack[WindowOptions],
) -> Iterator[tuple[int, Float[Tensor, "classes rows width"]]]:
    """Run a model over a scene and yield finished rows from top to bottom.

    Args:
        model: Maps ``{sensor: (batch, channels, h, w)}`` to logits; its mode is not changed here.
        read: Gives the pixels of a window.
        height: Rows of the scene.
        width: Columns of the scene.
        windows: Size, stride and overlap mode of the windows; defaults to :class:`Windows`' own.
        columns: First column and the one behind the last of a panel of the scene; defaults to all.
        rows: First row and the one behind the last; defaults to all. Only windows that reach into columns and
            rows are computed.
        **options: Fields of ``windows`` by keyword instead, as in :class:`WindowOptions`.

    Yields:
        Row number of the first finished row, and the rows' logits in float32 on the CPU.

    Raises:
        ValueError: If the settings would leave gaps, or the model's output has another size.
        FloatingPointError: If the model's output is not finite.
    """
    windows = choose_windows(windows, options)
    high, wide = min(windows.size, height), min(windows.size, width)
    left, right = columns or (0, width)
    if not 0 <= left < right <= width:
        raise ValueError(f"expected columns between 0 and {width}, got {left} to {right}")
    upper, lower = rows or (0, height)
    if not 0 <= upper < lower <= height:
        raise ValueError(f"expected rows between 0 and {height}, got {upper} to {lower}")
    tops = windows.reaching(height, upper, lower)
    starts = windows.reaching(width, left, right)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    across = {c: windows.weights(c, width) for c in starts}
    buffer: RowBuffer | None = None
    for number, row in enumerate(tops):
        down = windows.weights(row, height)
        for first in range(0, len(starts), windows.batch):
            part = starts[first : first + windows.batch]
            batch = [Window(row, start, high, wide) for start in part]
            samples = [read(window) for window in batch]
            inputs = {
                name: torch.stack([sample[name] for sample in samples]).to(device)
                for name in samples[0]
            }
            logits = model(inputs).float().cpu()
            if logits.ndim != 4 or logits.shape[-2:] != (high, wide):
                raise ValueError(
                    f"expected logits of shape ({len(batch)}, classes, {high}, {wide}) from the "
                    f"model, got {tuple(logits.shape)}"
                )
            if (
                not logits.isfinite().all()
            ):  # the largest of such logits would be the first class, silently
                raise FloatingPointError(
                    f"expected finite logits, got NaN or infinity in the windows at row {row}, columns {part[0]} to "
                    f"{part[-1] + wide}; if this is so everywhere, the training diverged: train again with a lower "
                    "lr, or look for values out of range in the input"
                )
            if buffer is None:
                right_end = starts[-1] + wide
                buffer = RowBuffer(logits.shape[1], high, starts[0], right_end, windows.blend)
                buffer.top = row
            for window, values in zip(batch, logits, strict=True):
                weights = rearrange(down, "h -> h 1") * rearrange(across[window.col], "w -> 1 w")
                buffer.add(window, values, weights)
        assert buffer is not None
        following = tops[number + 1] if number + 1 < len(tops) else lower
        if following > buffer.top:
            top = buffer.top
            done = buffer.finish(following, left, right)
            if following > upper:  # rows above are seen by windows that were not computed, too
                yield max(top, upper), done[:, max(0, upper - top) :]
