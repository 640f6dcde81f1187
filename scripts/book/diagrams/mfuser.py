"""MFuser."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw the network as ``nets.MFuser`` runs it by default."""
    p = Picture(
        "mfuser",
        "MFuser",
        "An image passes two frozen encoders side by side, a vision encoder and the image encoder of a "
        "vision-language pair. After every block a trained MVFuser reads the tokens of both as one sequence "
        "and adds something to both. Maps of four depths pass a trained pyramid and pixel decoder. Words "
        "with trained prompts pass the frozen text encoder; MTEnhancer refines them by the image, and they "
        "become the queries of a trained mask decoder, which gives a mask per class.",
        alt="An image passes two frozen encoders with a trained MVFuser after every block; maps go to "
        "pyramid and pixel decoder, words through text encoder and MTEnhancer become queries for masks.",
    )
    left, right = 112, 328
    p.box(140, 12, 160, 42, "image\n(3, H, W)", "data")
    p.arrow((180, 54), (180, 66), (left, 66), (left, 88))
    p.arrow((260, 54), (260, 66), (right, 66), (right, 88))
    first_l = p.box(14, 88, 196, 32, "vision, block 1", "frozen")
    first_r = p.box(230, 88, 196, 32, "language, block 1", "frozen")
    fuse_1 = p.box(
        14, 142, 412, 44, "MVFuser 1\n[vision ; language] → scan → added to both", "trained"
    )
    second_l = p.box(14, 208, 196, 32, "vision, block 2", "frozen")
    second_r = p.box(230, 208, 196, 32, "language, block 2", "frozen")
    fuse_2 = p.box(14, 262, 412, 32, "MVFuser 2, and so on to the last block", "trained")
    p.down(left, first_l, fuse_1, second_l, fuse_2)
    p.down(right, first_r, fuse_1, second_r, fuse_2)
    pyramid = p.box(14, 334, 176, 44, "pyramid\nmaps of four depths", "trained")
    linear = p.box(206, 334, 116, 44, "linear\nadds vision", "trained")
    project = p.box(206, 404, 116, 44, "joint space\n**V**", "frozen")
    words = p.box(334, 334, 96, 28, "words", "data")
    prompts = p.box(334, 378, 96, 28, "prompts", "trained")
    text = p.box(334, 424, 96, 44, "text\nencoder", "frozen", 2)
    pixels = p.box(14, 500, 176, 44, "pixel decoder\nreads **T**′ as well", "trained")
    enhance = p.box(212, 500, 218, 44, "MTEnhancer\n**T**′: refined by **V**", "trained")
    p.down(102, fuse_2, pyramid, pixels)
    p.down(264, fuse_2, linear, project, enhance)
    p.down(382, words, prompts, text, enhance)
    p.write(389, 484, "**T**")
    p.arrow(enhance.left, pixels.right)
    decoder = p.box(
        14, 574, 416, 44, "mask decoder\nthe query of a class is made of its words", "trained"
    )
    p.down(102, pixels, decoder)
    p.down(321, enhance, decoder)
    out = p.box(118, 644, 208, 42, "a mask per class\n(classes, H, W)", "data")
    p.down(222, decoder, out)
    p.legend(704, "frozen", "trained", "data")
    return p
