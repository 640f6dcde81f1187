"""Normalisation of stacked sensors: layer norm for all, or the authors' mixture with batch norm.

In the authors' MFNet the first level of the image's pyramid is normalised over the channels of each
pixel, that of the DSM over the pixels of the batch. No reason is given. The first rule treats each
sample alone; the second makes a sample's result depend on its batch in training and on remembered
averages afterwards. Both stand here, with affine weights (M, C) either way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SensorNorm(nn.Module):
    """Layer norm over the channels, private to each sensor; optionally batch norm from sensor 1 on.

    Args:
        channels: Number of channels C.
        sensors: Number of sensors M.
        batch_norm: ``True``: batch norm (eps 1e-5, momentum 0.1, PyTorch's defaults) for all
            sensors but the first. Its statistics leave absent sensors out.

    Example:
        >>> norm = SensorNorm(channels=2, sensors=1)
        >>> norm(torch.tensor([[[[1.0, 3.0]]]])).round(decimals=3)
        tensor([[[[-1.,  1.]]]], grad_fn=<RoundBackward1>)
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, sensors: int, batch_norm: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sensors, channels))
        self.bias = nn.Parameter(torch.zeros(sensors, channels))
        self.batch_norm = batch_norm and sensors > 1
        if self.batch_norm:
            self.register_buffer("running_mean", torch.zeros(sensors - 1, channels))
            self.register_buffer("running_var", torch.ones(sensors - 1, channels))

    def forward(
        self,
        x: Float[Tensor, "sensor batch pixel c"],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
    ) -> Float[Tensor, "sensor batch pixel c"]:
        """Normalise, scale and shift.

        Args:
            x: Pixels of each sensor, channels last.
            modality_mask: Which sensors each sample has; only batch statistics ask for it.
        """
        if self.batch_norm:
            rest = None if modality_mask is None else modality_mask[:, 1:]
            first = F.layer_norm(x[:1], x.shape[-1:], eps=1e-6)
            x = torch.cat([first, self.normalise_batch(x[1:], rest)])
        else:
            x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        return torch.addcmul(self.bias[:, None, None], x, self.weight[:, None, None])

    def normalise_batch(
        self,
        x: Float[Tensor, "sensor batch pixel c"],
        modality_mask: Bool[Tensor, "batch sensor"] | None,
    ) -> Float[Tensor, "sensor batch pixel c"]:
        """Batch norm of each sensor: over present samples in training, else the running averages.

        A sensor that no sample of a training batch has is normalised by its running averages, and
        leaves them as they are.
        """
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = self.observe(x, modality_mask)
        scale = torch.rsqrt(var + 1e-5)
        return torch.addcmul((-mean * scale)[:, None, None], x, scale[:, None, None])

    def observe(
        self,
        x: Float[Tensor, "sensor batch pixel c"],
        modality_mask: Bool[Tensor, "batch sensor"] | None,
    ) -> tuple[Float[Tensor, "sensor c"], Float[Tensor, "sensor c"]]:
        """Mean and variance per channel over the pixels of all present samples; remember them."""
        if modality_mask is None:
            modality_mask = torch.ones(x.shape[1], x.shape[0], dtype=torch.bool, device=x.device)
        share = rearrange(modality_mask, "b m -> m b 1 1").to(x)
        count = reduce(share, "m b 1 1 -> m 1", "sum") * x.shape[2]
        total = count.clamp(min=1)
        mean = reduce(x * share, "m b p c -> m c", "sum") / total
        centred = (x - mean[:, None, None]) * share
        var = reduce(centred.square(), "m b p c -> m c", "sum") / total
        seen = count > 0
        with torch.no_grad():
            unbiased = var * total / (total - 1).clamp(min=1)
            momentum = 0.1 * seen.to(self.running_mean)
            self.running_mean.lerp_(mean.to(self.running_mean), momentum)
            self.running_var.lerp_(unbiased.to(self.running_var), momentum)
        return torch.where(seen, mean, self.running_mean), torch.where(seen, var, self.running_var)
