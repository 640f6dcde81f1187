"""Boxes over an image, with a word at each."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

__all__ = ["draw_boxes"]

COLOUR = "#ffd400"


def draw_boxes(
    boxes: Sequence[Sequence[float]],
    ax: Axes,
    words: Sequence[str] = (),
    colour: str = COLOUR,
    dashed: bool = False,
) -> None:
    """Draw boxes into a panel that shows their image.

    Args:
        boxes: In pixel edges: x0, y0, x1, y1, or x and y of four corners one after the other.
        ax: The panel.
        words: What stands at each box; none for no words.
        colour: Of lines and words.
        dashed: Whether lines are broken.

    Raises:
        ValueError: If a box has another length, or words are given but not one for each.
    """
    if words and len(words) != len(boxes):
        raise ValueError(f"expected a word for each of {len(boxes)} boxes, got {len(words)}")
    for number, box in enumerate(boxes):
        if len(box) == 4:
            x0, y0, x1, y1 = box
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        elif len(box) == 8:
            corners = list(zip(box[::2], box[1::2], strict=True))
        else:
            raise ValueError(f"a box has four or eight numbers, got {len(box)}")
        # pixels are drawn around their centres, edges lie half a pixel further up and left
        points = [(x - 0.5, y - 0.5) for x, y in corners]
        style = "--" if dashed else "-"
        ax.add_patch(Polygon(points, fill=False, edgecolor="black", linewidth=3.0))
        ax.add_patch(Polygon(points, fill=False, edgecolor=colour, linewidth=1.6, linestyle=style))
        if words:
            x, y = min(points, key=lambda p: (p[1], p[0]))
            ax.annotate(
                words[number], (x, y), xytext=(1, 2), textcoords="offset points", fontsize=8, color="black",
                bbox={"boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": "none"},
                annotation_clip=True,
            )  # fmt: skip
