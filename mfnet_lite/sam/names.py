"""Names of a SAM's tensors, freed of what training programs put before them.

DataParallel writes ``module.``, Lightning the attribute's name, ``torch.compile`` ``_orig_mod.``; some programs
keep the two constants of the normalisation as well. The tensors are the same, so such files load like official ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__: list[str] = []  # what checkpoints need; not part of the interface

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
WRAPPERS = ("model", "state_dict", "model_state", "model_state_dict")
"""Keys under which training programs keep the state dict."""
_SIGN = "image_encoder.pos_embed"


def official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors the names that ``segment_anything`` knows.

    Args:
        state: Tensors of a SAM, possibly with one prefix before all names.

    Returns:
        The same tensors without prefix and without the constants of the normalisation. What does not bear the
        prefix keeps its name, so that a strict load names it.

    Raises:
        ValueError: If the file holds several SAMs, or one that normalises otherwise.

    Example:
        >>> list(official_names({"module.image_encoder.pos_embed": torch.zeros(1)}))
        ['image_encoder.pos_embed']
    """
    named = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
    prefixes = [key.removesuffix(_SIGN) for key in named if key.endswith(_SIGN)]
    if len(prefixes) > 1:
        raise ValueError(
            f"it holds several networks, of the prefixes {', '.join(map(repr, prefixes))}; save the state dict of "
            "one of them"
        )
    prefix = prefixes[0] if prefixes else ""
    named = {key.removeprefix(prefix): value for key, value in named.items()}
    for name, known in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
        value = named.pop(name, None)
        if value is not None and not torch.allclose(
            value.flatten().float().cpu(), torch.tensor(known), atol=0.5
        ):
            found = [round(v, 3) for v in value.flatten().tolist()]
            raise ValueError(
                f"its {name} is {found}, expected {list(known)}: it was trained on images that were normalised "
                "otherwise; normalise them as SAM does and train again"
            )
    return named
