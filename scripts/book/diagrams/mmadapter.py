"""One block with MMAdapter for two sensors."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw a block as ``MultimodalEncoder(tuning="mmadapter")`` runs it."""
    p = Picture(
        "mmadapter",
        "A block with MMAdapter for two sensors",
        "Two columns, optical tokens x and height tokens y, run through the same frozen norms, attention and "
        "MLP. Behind the attention each has an adapter of its own with a skip. Beside the MLP each has "
        "another adapter; what both compute is mixed with the weights w and one minus w and added to either "
        "column. The mixing is the only place where the columns meet.",
        alt="Two columns for optical and height tokens through the same frozen norms, attention and MLP; "
        "each has its own adapters, and those beside the MLP are mixed crosswise.",
    )
    x = p.box(18, 12, 110, 42, "*x* (N, D)\noptical", "data")
    y = p.box(312, 12, 110, 42, "*y* (N, D)\nheight", "data")
    attention = p.box(24, 86, 392, 34, "*n*_{1}, attention: one set of weights", "frozen")
    left, right = 73, 367
    own_x = p.box(24, 144, 116, 46, "adapter *Â*_{x}\nits own", "trained")
    own_y = p.box(300, 144, 116, 46, "adapter *Â*_{y}\nits own", "trained")
    first_x, first_y = p.sign(left, 220), p.sign(right, 220)
    norm = p.box(24, 266, 392, 30, "*n*_{2}", "frozen")
    mlp_x = p.box(24, 322, 98, 46, "MLP\nshared", "frozen")
    mlp_y = p.box(318, 322, 98, 46, "MLP\nshared", "frozen")
    a_x = p.box(130, 322, 66, 46, "*A*_{x}", "trained")
    a_y = p.box(244, 322, 66, 46, "*A*_{y}", "trained")
    mix_x, mix_y = p.sign(163, 436), p.sign(277, 436)
    second_x, second_y = p.sign(left, 436), p.sign(right, 436)
    out_x = p.box(18, 474, 110, 28, "*x*_{2} (N, D)", "data")
    out_y = p.box(312, 474, 110, 28, "*y*_{2} (N, D)", "data")
    p.down(left, x, attention, own_x, first_x, norm, mlp_x, second_x, out_x)
    p.down(right, y, attention, own_y, first_y, norm, mlp_y, second_y, out_y)
    for a, mix, other in ((a_x, mix_x, mix_y), (a_y, mix_y, mix_x)):
        p.arrow((a.top[0], 296), a.top)
        p.arrow(a.bottom, mix.top)
        side = -1 if other is mix_x else 1
        p.arrow(a.bottom, (other.top[0] - side * 9, 429))
    p.arrow(mix_x.left, second_x.right)
    p.arrow(mix_y.right, second_y.left)
    p.write(157, 398, "*w*_{x}", "end")
    p.write(283, 398, "*w*_{y}")
    p.write(178, 444, "1−*w*_{x}", size=12)
    p.write(262, 444, "1−*w*_{y}", "end", size=12)
    for column, edge, one, two in ((left, 10, first_x, second_x), (right, 430, first_y, second_y)):
        side = "left" if edge < column else "right"
        p.arrow((column, 70), (edge, 70), (edge, 220), getattr(one, side))
        p.arrow((column, 248), (edge, 248), (edge, 436), getattr(two, side))
    p.write(220, 160, "*Â*(*u*) = *u* + *A′*(*u*)", "middle")
    p.write(220, 182, "*A*, *A′*: D → D/4 → D", "middle")
    p.legend(520)
    return p
