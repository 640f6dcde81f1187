"""What a model answered, one panel per question: mask, true outline, prompts, and the overlap as a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, panels, to_numpy
from mfnet_lite.plotting.figures import draw_prompts, show_masks

__all__ = ["show_answers"]

NARROW = 1 / 8
"""Share of a panel's width below which an object would be hidden by a click of the usual size."""


def show_answers(
    titles: Sequence[str],
    images: Sequence[Array],
    masks: Sequence[Array],
    truths: Sequence[Array] | None = None,
    points: Sequence[Array] | None = None,
    labels: Sequence[Array] | None = None,
    columns: int | None = None,
    width: float = 2.5,
) -> Figure:
    """Draw each answer over its image.

    Args:
        titles: One per panel.
        images: (bands, height, width) or (height, width) each; uint8, or float in [0, 1].
        masks: What was answered, (height, width), true inside.
        truths: What is right, (height, width); its outline is drawn in white, and the intersection over union with
            the mask is added to the title. No outline if None.
        points: The clicks of each panel, (n, 2) as x, y in pixels.
        labels: (n,) of each panel: 1 for a click inside, 0 for one outside; all inside if None.
        columns: Panels per row; at most four in one row if None.
        width: Width of a panel in inches.

    Returns:
        The figure.

    Raises:
        ValueError: If there is not one image, mask, truth, ... per title.

    Example:
        >>> import numpy as np
        >>> image, mask = np.zeros((3, 4, 4)), np.eye(4, dtype=bool)
        >>> show_answers(["roof"], [image], [mask], [np.ones((4, 4), bool)]).axes[0].get_title()
        'roof, IoU 0.25'
    """
    given = {"images": images, "masks": masks, "truths": truths, "points": points, "labels": labels}
    for name, value in given.items():
        if value is not None and len(value) != len(titles):
            raise ValueError(f"expected {len(titles)} {name}, one per title, got {len(value)}")
    figure, axes = panels(titles, columns, width)
    for k, ax in enumerate(axes):
        mask = to_numpy(masks[k]).astype(bool)
        show_masks(images[k], mask, ax=ax)
        if truths is not None:
            truth = to_numpy(truths[k]).astype(bool)
            ax.contour(truth, levels=[0.5], colors="white", linewidths=1.2)
            iou = (mask & truth).sum() / max(int((mask | truth).sum()), 1)
            ax.set_title(f"{titles[k]}, IoU {iou:.2f}")
        if points is not None:
            kinds = None if labels is None else np.asarray(to_numpy(labels[k]))
            small = truths is not None and _width(to_numpy(truths[k])) < NARROW * mask.shape[-1]
            draw_prompts(ax, points[k], kinds, scale=0.5 if small else 1.0)
    return figure


def _width(truth: np.ndarray) -> int:
    """The shorter side of the upright box around what is true, in pixels."""
    sides = [np.flatnonzero(truth.any(axis=axis)) for axis in (-1, -2)]
    return min(int(np.ptp(side)) + 1 if len(side) else 0 for side in sides)
