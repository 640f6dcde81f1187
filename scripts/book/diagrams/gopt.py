"""GoPT."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw the network as ``nets.GoPT`` runs it by default."""
    p = Picture(
        "gopt",
        "GoPT",
        "Two outer columns, picture and height map, run through the same frozen embedding and blocks. Before "
        "each block stands a trained prompter: CUP sorts the height map's patches into K groups around its "
        "class tokens, ACP lets each token of the picture ask these groups, and the answer is added to the "
        "picture's tokens. The groups of one CUP are the class tokens of the next. A trained head on the "
        "picture's column gives the classes.",
        alt="Picture and height map pass the same frozen blocks in two columns; between them, before each "
        "block, CUP groups the height map's patches and ACP adds what they say to the picture.",
    )
    left, right = 68, 380
    picture = p.box(8, 12, 120, 42, "picture\n(3, H, W)", "data")
    height = p.box(326, 12, 108, 42, "height\n(1, H, W)", "data")
    tokens = p.box(226, 12, 92, 42, "**C** (K, *r*)\nlearned", "trained")
    embed = p.box(8, 78, 120, 32, "embed", "frozen")
    embed_h = p.box(326, 78, 108, 32, "embed", "frozen")
    p.down(left, picture, embed)
    p.down(right, height, embed_h)
    upper, cup_above = embed, tokens
    aside = embed_h
    for number in (1, 2):
        y = 174 + (number - 1) * 132
        plus = p.sign(left, y)
        acp = p.box(142, y - 22, 76, 44, "ACP", "trained")
        cup = p.box(236, y - 22, 72, 44, "CUP", "trained")
        block = p.box(8, y + 32, 120, 32, f"block {number}", "frozen")
        block_h = p.box(326, y + 32, 108, 32, f"block {number}", "frozen")
        p.down(left, upper, plus, block)
        p.down(right, aside, block_h)
        p.arrow((left, y - 42), (180, y - 42), acp.top)
        p.arrow(acp.left, plus.right)
        p.arrow(cup.left, acp.right)
        p.arrow((right, y), cup.right)
        p.down(272, cup_above, cup)
        upper, aside, cup_above = block, block_h, cup
    p.arrow((272, 328), (272, 376))
    p.write(279, 244, "**P**")
    p.arrow((right, 370), (right, 396), tip=False, dashed=True)
    p.write(272, 388, "and so on to block N", "middle")
    head = p.box(8, 420, 120, 32, "head", "trained")
    p.arrow((left, 370), (left, 420), dashed=True)
    out = p.box(8, 476, 120, 42, "classes\n(classes, H, W)", "data")
    p.down(left, head, out)
    p.write(150, 428, "CUP: **C** and patches attend to each")
    p.write(150, 446, "other; each patch picks a group;")
    p.write(150, 464, "the mean of a group is added to **C**.")
    p.write(150, 490, "ACP: a token of the picture, with the")
    p.write(150, 508, "height map’s of its place, asks the K")
    p.write(150, 526, "groups; the answer is added to it.")
    p.legend(548, "frozen", "trained", "step", "data")
    return p
