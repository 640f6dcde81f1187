"""The Deep Fusion Module for two sensors."""

from __future__ import annotations

from itertools import pairwise

from scripts.book.diagrams.picture import Picture

LEVELS = (
    ("up, norm,\nGELU, up", "trained", "4h, 4w"),
    ("up\n2 × 2", "trained", "2h, 2w"),
    ("as it is", "step", "h, w"),
    ("max-pool\n2 × 2", "step", "h/2, w/2"),
)
"""What makes a level, whether it is trained, and its size."""


def draw() -> Picture:
    """Draw the module as ``DeepFusionModule`` computes it."""
    p = Picture(
        "dfm",
        "The Deep Fusion Module for two sensors",
        "From each sensor's map F of C channels come four levels: enlarged four times by two transposed "
        "convolutions with norm and GELU between, enlarged twice by one, as it is, and halved by "
        "max-pooling. At each level each sensor's map Y is multiplied by its own gate s, and the two are "
        "added to the fused map Z. Below, one gate: mean over all pixels, a layer to C/16, ReLU, a layer "
        "back to C, sigmoid.",
        alt="Four rows, one per level: the optical map on the left and the height map on the right are "
        "enlarged, kept or pooled, multiplied by gates, and added in the middle; a gate is drawn below.",
    )
    p.box(28, 12, 120, 42, "**F**_{1} (C, h, w)\noptical", "data")
    p.box(292, 12, 120, 42, "**F**_{2} (C, h, w)\nheight", "data")
    p.arrow((28, 33), (12, 33), (12, 316), tip=False)
    p.arrow((412, 33), (428, 33), (428, 316), tip=False)
    for number, (text, kind, size) in enumerate(LEVELS, 1):
        large = 2 if number == 1 else 1
        y = 72 + (number - 1) * 74
        left = p.box(24, y, 108, 44, text, kind, large)
        right = p.box(308, y, 108, 44, text, kind, large)
        gate_1 = p.box(144, y + 6, 54, 32, "·**s**_{1}", "trained")
        gate_2 = p.box(242, y + 6, 58, 32, "·**s**_{2}", "trained")
        plus = p.sign(220, y + 22)
        middle = y + 22
        p.arrow((12, middle), left.left)
        p.arrow((428, middle), right.right)
        p.arrow(left.right, gate_1.left)
        p.arrow(right.left, gate_2.right)
        p.arrow(gate_1.right, plus.left)
        p.arrow(gate_2.left, plus.right)
        p.arrow(plus.bottom, (220, y + 48))
        p.write(220, y + 57, f"**Z** level {number} (C, {size})", "middle")
    p.frame(8, 374, 424, 84, "one gate **s** in (0, 1)^{C}: its own for each sensor and level")
    chain = (
        (16, 90, "mean over\npixels", "step"),
        (118, 90, "**W**_{1}\nC → C/16", "trained"),
        (220, 48, "ReLU", "step"),
        (280, 90, "**W**_{2}\nC/16 → C", "trained"),
        (384, 40, "*σ*", "step"),
    )
    boxes = [p.box(x, 402, wide, 44, text, kind) for x, wide, text, kind in chain]
    for before, after in pairwise(boxes):
        p.arrow(before.right, after.left)
    p.legend(474, "trained", "step", "data")
    return p
