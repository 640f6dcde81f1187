"""One scene and several class maps of it, side by side: where does a second map mend the first?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, panels, to_numpy
from mfnet_lite.plotting.figures import legend_below, show_image, show_label
from mfnet_lite.plotting.palettes import ISPRS, Palette
from mfnet_lite.utils.labels import IGNORE_INDEX

__all__ = ["show_maps"]

DIFFERENCE = Palette(
    names=("no difference", "mended", "spoilt"),
    colours=((225, 225, 225), (86, 180, 233), (20, 20, 20)),
)
"""Colours that no class has."""

LONGEST_TITLE = 28  # letters above a panel of the default width


def show_maps(
    optical: Array,
    height: Array | None,
    truth: Array,
    answers: Mapping[str, Array],
    palette: Palette = ISPRS,
    difference: bool = True,
    columns: int = 3,
    width: float = 2.5,
) -> Figure:
    """Draw image, heights, truth and every answer; the last panel compares the last answer with the first.

    Args:
        optical: (bands, height, width); uint8, or float in [0, 1]. The first three bands are shown.
        height: (height, width) or (1, height, width), any unit: stretched between its extremes. No panel if None.
        truth: (height, width) class indices; 255 marks pixels that do not count.
        answers: Class maps by name.
        palette: Names and colours of the classes.
        difference: With several answers, show where the last is right and the first wrong (mended) and the reverse
            (spoilt).
        columns: Panels per row.
        width: Width of a panel in inches.

    Returns:
        The figure, with the classes that occur, what has none (255), and the colours of the last panel named below.

    Raises:
        ValueError: If there is no answer.

    Example:
        >>> import numpy as np
        >>> truth = np.ones((4, 4), dtype=int)
        >>> maps = {"without": 0 * truth, "with": truth}
        >>> [ax.get_title() for ax in show_maps(np.zeros((3, 4, 4)), None, truth, maps).axes]
        ['optical', 'truth', 'without', 'with', 'with against without']
    """
    if not answers:
        raise ValueError("expected at least one class map, got none")
    names, maps = list(answers), [to_numpy(answer) for answer in answers.values()]
    right = to_numpy(truth)
    compared = difference and len(maps) > 1
    titles = ["optical", *(["height"] if height is not None else []), "truth", *names]
    versus = f"{names[-1]} against {names[0]}"
    if compared:  # a long title would run into its neighbour
        titles.append(versus if len(versus) <= LONGEST_TITLE else "mended and spoilt")
    figure, axes = panels(titles, columns, width)
    places = iter(axes)
    show_image(to_numpy(optical)[:3], ax=next(places))
    if height is not None:
        ax = next(places)
        ax.imshow(to_numpy(height).squeeze(), cmap="cividis")
        ax.set(xticks=[], yticks=[])
    for shown in (right, *maps):
        show_label(shown, palette, ax=next(places))
    classes = sorted({int(v) for shown in (right, *maps) for v in np.unique(shown)})
    named = [(palette.hex(k), palette.name(k)) for k in classes]
    if compared:
        first, last = (shown == right for shown in (maps[0], maps[-1]))
        counted = right != IGNORE_INDEX
        outcome = np.where(last & ~first & counted, 1, np.where(first & ~last & counted, 2, 0))
        show_label(outcome, DIFFERENCE, ax=next(places))
        named += [(DIFFERENCE.hex(k), DIFFERENCE.name(k)) for k in range(3)]
    legend_below(figure, named)
    return figure
