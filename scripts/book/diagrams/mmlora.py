"""A linear layer with MMLoRA for two sensors."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw a layer as ``MMLoRALinear`` computes it."""
    p = Picture(
        "mmlora",
        "A linear layer with MMLoRA for two sensors",
        "Two columns, optical input x and height input y, pass the same frozen matrix W. Each sensor has a "
        "thin pair of trained matrices A and B. What both pairs compute is mixed with the weights w and one "
        "minus w, and the mixture is added to the frozen layer's answer in either column.",
        alt="Two columns for optical and height inputs pass the same frozen matrix W; each sensor's trained "
        "A and B make an update, and the two updates are mixed crosswise and added.",
    )
    left, right = 66, 374
    x = p.box(11, 12, 110, 42, "*x* (D_{in})\noptical", "data")
    y = p.box(319, 12, 110, 42, "*y* (D_{in})\nheight", "data")
    w_x = p.box(17, 100, 98, 104, "**W**, *b*\nshared\n(D_{out}, D_{in})", "frozen")
    w_y = p.box(325, 100, 98, 104, "**W**, *b*\nshared\n(D_{out}, D_{in})", "frozen")
    a_x = p.box(122, 100, 82, 40, "**A**_{x}\n(*r*, D_{in})", "trained")
    a_y = p.box(236, 100, 82, 40, "**A**_{y}\n(*r*, D_{in})", "trained")
    b_x = p.box(122, 164, 82, 40, "**B**_{x}\n(D_{out}, *r*)", "trained")
    b_y = p.box(236, 164, 82, 40, "**B**_{y}\n(D_{out}, *r*)", "trained")
    mix_x, mix_y = p.sign(163, 280), p.sign(277, 280)
    sum_x, sum_y = p.sign(left, 280), p.sign(right, 280)
    out_x = p.box(11, 320, 110, 42, "out_{x}\n(D_{out})", "data")
    out_y = p.box(319, 320, 110, 42, "out_{y}\n(D_{out})", "data")
    p.down(left, x, w_x, sum_x, out_x)
    p.down(right, y, w_y, sum_y, out_y)
    p.arrow((left, 76), (163, 76), a_x.top)
    p.arrow((right, 76), (277, 76), a_y.top)
    p.down(163, a_x, b_x, mix_x)
    p.down(277, a_y, b_y, mix_y)
    p.arrow(b_x.bottom, (267.5, 273))
    p.arrow(b_y.bottom, (172.5, 273))
    p.arrow(mix_x.left, sum_x.right)
    p.arrow(mix_y.right, sum_y.left)
    p.write(157, 240, "*w*_{x}", "end")
    p.write(283, 240, "*w*_{y}")
    p.write(178, 288, "1−*w*_{x}", size=12)
    p.write(262, 288, "1−*w*_{y}", "end", size=12)
    p.write(220, 330, "*w*_{x}, *w*_{y}: trained,", "middle")
    p.write(220, 348, "0.5 at the start", "middle")
    p.legend(382, "frozen", "trained", "data")
    return p
