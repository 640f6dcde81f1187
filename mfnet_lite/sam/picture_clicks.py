"""One mask from a list of clicks on one picture, of whatever size it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

__all__ = ["clicks_on"]


def clicks_on(
    sam: Sam, picture: UInt8[np.ndarray, "height width 3"]
) -> Callable[..., Bool[np.ndarray, "height width"]]:
    """Embed a picture once and return a function that answers clicks on it.

    The official predictor does the work: it brings the picture to the model's size and the mask back to the
    picture's, and takes the single mask, as for prompts that leave no doubt.

    Args:
        sam: The model.
        picture: Red, green, blue as bytes.

    Returns:
        ``ask(clicks, box=None)``. Clicks are ``(x, y, inside)`` in pixels of the picture, x the column, with 1 on the
        object and 0 beside it; a box is ``(x0, y0, x1, y1)``.

    Raises:
        ValueError: If the picture has another form.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"expected a picture of shape (height, width, 3) of bytes, got {picture.shape} of {picture.dtype}"
        )
    predictor = SamPredictor(sam)
    predictor.set_image(picture)

    def ask(
        clicks: Sequence[Sequence[float]], box: Sequence[float] | None = None
    ) -> Bool[np.ndarray, "height width"]:
        places = np.array(clicks, dtype=float).reshape(-1, 3)
        masks, _, _ = predictor.predict(
            point_coords=places[:, :2] if len(places) else None,
            point_labels=places[:, 2] if len(places) else None,
            box=None if box is None else np.array(box, dtype=float),
            multimask_output=False,
        )
        return np.asarray(masks[0], dtype=bool)

    return ask
