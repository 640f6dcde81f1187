"""EarthGPT."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture
from scripts.book.diagrams.style import Kind

ROWS: tuple[tuple[str, Kind | None, Kind], ...] = (
    ("projection", "trained", "frozen"),
    ("queries, keys, values", "trained", "frozen"),
    ("norms", "trained", "frozen"),
    ("all other layers", "frozen", "frozen"),
    ("scale and shift of layers", None, "trained"),
)
"""What trains in stage 1 and in stage 2; None for what is not there yet."""


def draw() -> Picture:
    """Draw the model as ``nets.EarthGPT`` runs and trains it."""
    p = Picture(
        "earthgpt",
        "EarthGPT",
        "An image passes two frozen encoders: a vision transformer, tokens of several blocks, and a "
        "convolutional network, maps of several scales. Both are laid side by side and projected to visual "
        "tokens, which stand before the embedded words of a question; a language model writes the answer. A "
        "table below: stage 1 trains the projection, queries, keys, values and norms; stage 2 freezes these "
        "and trains a scale and a shift for each linear layer of the language model.",
        alt="Two frozen encoders and a projection make visual tokens, which stand before the words of a "
        "question in a language model; a table says what stages 1 and 2 train.",
    )
    p.box(12, 12, 270, 42, "image\noptical, radar, infrared", "data")
    words = p.box(306, 12, 122, 42, "question\nwords", "data")
    vit = p.box(12, 82, 128, 60, "transformer\ntokens of\nseveral blocks", "frozen")
    cnn = p.box(154, 82, 128, 60, "CNN\nmaps of\nseveral scales", "frozen")
    p.arrow((76, 54), vit.top)
    p.arrow((218, 54), cnn.top)
    join = p.box(12, 168, 270, 30, "one grid, side by side in channels", "step")
    p.arrow(vit.bottom, (76, 168))
    p.arrow(cnn.bottom, (218, 168))
    project = p.box(12, 222, 270, 32, "projection, one linear layer", "part")
    table = p.box(306, 212, 122, 42, "embedding\ntable", "frozen")
    p.down(147, join, project)
    p.down(367, words, table)
    row = p.box(12, 286, 416, 32, "visual tokens, then words: (tokens, D)", "data")
    p.arrow(project.bottom, (147, 286))
    p.arrow(table.bottom, (367, 286))
    model = p.box(
        12,
        344,
        416,
        44,
        "language model, causal\nits weights are trained in two stages, see below",
        "part",
    )
    answer = p.box(120, 414, 200, 42, "answer\nwords, boxes as digits", "data")
    p.down(220, row, model, answer)
    p.write(264, 486, "stage 1", "middle")
    p.write(372, 486, "stage 2", "middle")
    for number, (name, one, two) in enumerate(ROWS):
        y = 500 + number * 32
        p.write(12, y + 13, name)
        for x, kind in ((214, one), (322, two)):
            if kind is None:
                p.write(x + 50, y + 13, "not there", "middle")
            else:
                p.box(x, y, 100, 26, "", kind)
    p.legend(680, "frozen", "trained", "step", "data", "part")
    return p
