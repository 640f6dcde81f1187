"""SAM-CD."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw the network as ``nets.SAMCD`` runs it by default."""
    p = Picture(
        "sam_cd",
        "SAM-CD",
        "Both dates pass one frozen encoder with maps at strides 4, 8, 16 and 32, trained adaptors that keep "
        "a quarter of the channels, and a trained decoder in the shape of a U, whose three maps are joined "
        "to one per date. On the left the semantic head makes eight latent channels per date, which a loss "
        "keeps alike where nothing changed; their softmax, paired, makes a gate. On the right sum and "
        "difference of both maps pass six residual blocks and a convolution to 16 channels, which the gate "
        "multiplies. A last convolution gives the change, which a second loss compares with the labels.",
        alt="Two dates pass a frozen encoder, trained adaptors and a trained decoder; then a semantic branch "
        "on the left, whose gate multiplies the change branch on the right.",
    )
    before = p.box(52, 12, 150, 44, "before\n(3, H, W)", "data")
    after = p.box(238, 12, 150, 44, "after\n(3, H, W)", "data")
    encoder = p.box(
        32, 82, 376, 42, "encoder, the same for both\n4 maps, strides 4, 8, 16, 32", "frozen"
    )
    adapt = p.box(
        32, 148, 376, 42, "adaptors: 1 × 1, norm, ReLU\nC → C/4 at each stride", "trained"
    )
    decode = p.box(
        32,
        214,
        376,
        42,
        "decoder in the shape of a U\nits 3 maps joined: (64, H/4, W/4) per date",
        "trained",
    )
    p.down(127, before, encoder, adapt, decode)
    p.down(313, after, encoder, adapt, decode)
    semantic = p.box(
        16, 290, 188, 42, "semantic head, 1×1\n*l*^{(1)}, *l*^{(2)}: 8 channels", "trained"
    )
    loss = p.box(16, 362, 98, 62, "constraint\n*l*^{(1)} like *l*^{(2)}\nif unchanged")
    soft = p.box(126, 362, 78, 62, "softmax\npair")
    gate = p.box(92, 454, 112, 42, "gate *g*\n16 channels", "trained")
    pair = p.box(232, 290, 192, 42, "pair both dates\nsum, absolute difference")
    stack = p.box(232, 368, 192, 42, "6 residual blocks\n128 channels", "trained")
    reduce = p.box(232, 454, 192, 42, "1 × 1, norm, ReLU\n16 channels", "trained")
    times = p.sign(328, 526, "×")
    change = p.box(232, 560, 192, 32, "1 × 1, enlarge", "trained")
    out = p.box(232, 616, 192, 42, "change\n(1, H, W)", "data")
    p.arrow((110, 256), semantic.top)
    p.arrow((328, 256), pair.top)
    p.arrow((65, 332), loss.top)
    p.arrow((165, 332), soft.top)
    p.down(165, soft, gate)
    p.down(328, pair, stack, reduce, times, change, out)
    p.arrow(gate.bottom, (148, 526), times.left)
    truth = p.box(60, 616, 144, 42, "cross-entropy\nwith the labels")
    p.arrow(out.left, truth.right)
    p.legend(678)
    return p
