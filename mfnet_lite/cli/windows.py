"""How windows of a scene are laid and joined: options that ``evaluate`` and ``predict`` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from mfnet_lite.scenes.windows import Blend


@dataclass(frozen=True)
class WindowOptions:
    """Options of the windows, as given by the user.

    Attributes:
        window: Side in pixels, None where none is given.
        stride: Step in pixels, None for half a window.
        blend: Word for how windows are joined, see :func:`overlap_mode`.
        flips: Whether to average over mirrored copies.
        batch: Windows at once.
    """

    window: int | None = field(
        default=None,
        metadata={
            "help": "Side of the windows; if absent 256, or that of the crops for networks on a vision "
            "transformer."
        },
    )
    stride: int | None = field(
        default=None, metadata={"help": "Step from window to window; half a window if absent."}
    )
    blend: str = field(
        default="smooth",
        metadata={"help": "smooth, sum, or authors: sum with repeats at the border."},
    )
    flips: bool = field(
        default=False,
        metadata={"help": "Average over four mirrored copies; four times the time."},
    )
    batch: int = field(default=4, metadata={"help": "Windows at once."})

    def side(self, usual: int) -> int:
        """Return the side of a window.

        Args:
            usual: That of the run, where none is given.
        """
        return usual if self.window is None else self.window

    def mirrored(self, model: nn.Module) -> nn.Module:
        """Return the model, or what averages it over mirrored copies."""
        from mfnet_lite.scenes.flips import FlipAverage

        return FlipAverage(model) if self.flips else model


def overlap_mode(blend: str) -> tuple[Blend, bool]:
    """Turn the word of the command line into how windows are joined.

    Args:
        blend: ``smooth``, ``sum``, or ``authors``: the sum over windows with the repeats at the
            border which MFNet's own loop makes.

    Returns:
        Form of the weights, and whether border windows are repeated.

    Raises:
        ValueError: For another word.

    Example:
        >>> overlap_mode("authors")
        ('sum', True)
    """
    if blend == "smooth":
        return "smooth", False
    if blend in ("sum", "authors"):
        return "sum", blend == "authors"
    raise ValueError(f"unknown blend {blend!r}; available: smooth, sum, authors")


def check_window(window: int | None) -> None:
    """Refuse windows without pixels.

    Args:
        window: Side in pixels, None where none is given.

    Raises:
        ValueError: If it is below 1.
    """
    if window is not None and window < 1:
        raise ValueError(f"--window must be at least 1 pixel, got {window}")
