"""In which format losses compute, whatever that of the network."""

from __future__ import annotations

import torch
from torch import Tensor

__all__: list[str] = []


def at_least_single(x: Tensor) -> Tensor:
    """Return a tensor of half precision as float32, and any other as it is.

    Half precision holds no sum over the pixels of a crop: float16 ends at 65,504, and bfloat16 counts in steps of 2
    from 256 on, of 512 from 65,536 on. Nor does float16 hold the small constants that guard a division.

    Args:
        x: Floating-point numbers of any format.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
