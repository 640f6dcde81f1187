"""Four maps of a plain vision transformer, all on its grid of tokens, brought to four sizes.

Li et al., "Benchmarking Detection Transfer Learning with Vision Transformers", 2021, arXiv 2111.11429; MFuser takes the
same for its joined tokens. A transformer keeps one size throughout; a decoder wants fine and coarse maps::

    early block ── deconv ─ norm ─ GELU ─ deconv ──→ × 4
            ... ── deconv ─────────────────────────→ × 2
            ... ───────────────────────────────────→ × 1
     last block ── max pool ───────────────────────→ × ½
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.layers.group_norm import group_norm

Maps = Sequence[Float[Tensor, "batch channels height width"]]


class FeaturePyramid(nn.Module):
    """Bring four maps of one size to four times, twice, once and half this size.

    Args:
        in_channels: Of the maps, one number for each or one for all.
        channels: Reduce every map to so many channels first, by a convolution of 1 × 1; None leaves them as they are,
            as released.
        official: Normalise over the batch, as the authors do (there over all GPUs; see
            ``torch.nn.SyncBatchNorm.convert_sync_batchnorm``). Otherwise over groups of channels of each image, since
            their two images per step say too little about all others.

    Shape:
        Four ``(batch, in_channels, h, w)`` → ``(batch, channels, ·, ·)`` with sides ``4 h``, ``2 h``, ``h`` and
        ``h / 2``, rounded up.

    Raises:
        ValueError: If there are not four maps or a number does not fit.

    Example:
        >>> import torch
        >>> pyramid = FeaturePyramid(24, channels=8)
        >>> [tuple(x.shape) for x in pyramid([torch.zeros(1, 24, 5, 6)] * 4)]
        [(1, 8, 20, 24), (1, 8, 10, 12), (1, 8, 5, 6), (1, 8, 3, 3)]
    """

    def __init__(
        self,
        in_channels: Sequence[int] | int,
        channels: int | None = None,
        official: bool = False,
    ) -> None:
        super().__init__()
        given = [in_channels] * 4 if isinstance(in_channels, int) else list(in_channels)
        if len(given) != 4 or min(given) < 1 or (channels is not None and channels < 1):
            raise ValueError(
                "expected positive numbers of channels for four maps, got "
                f"in_channels={in_channels}, channels={channels}"
            )
        self.out_channels = given if channels is None else [channels] * 4
        self.reduce = nn.ModuleList(
            nn.Identity() if channels is None else nn.Conv2d(c, channels, 1) for c in given
        )
        first, second = self.out_channels[:2]
        self.up4 = nn.Sequential(
            nn.ConvTranspose2d(first, first, 2, stride=2),
            nn.BatchNorm2d(first) if official else group_norm(first),
            nn.GELU(),
            nn.ConvTranspose2d(first, first, 2, stride=2),
        )
        self.up2 = nn.ConvTranspose2d(second, second, 2, stride=2)
        # of an odd side the last row counts too; the authors' grids are even
        self.down2 = nn.MaxPool2d(2, ceil_mode=True)

    def forward(self, maps: Maps) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Resize.

        Args:
            maps: Four, from the earliest block to the last.

        Returns:
            Four, from fine to coarse.
        """
        if len(maps) != 4:
            raise ValueError(f"expected four maps, got {len(maps)}")
        early, second, third, last = (f(x) for f, x in zip(self.reduce, maps, strict=True))
        return self.up4(early), self.up2(second), third, self.down2(last)
