"""Segment Anything: image encoder, prompt encoder, mask decoder."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw SAM as ``mfnet_lite.sam`` runs it."""
    p = Picture(
        "sam",
        "Segment Anything",
        "An image passes the image encoder and becomes an embedding of 256 channels. A rough mask passes "
        "three convolutions and is added to it. Clicks and boxes become prompt tokens. In the mask decoder "
        "five tokens of its own and the prompt tokens exchange with the embedding in a two-way transformer "
        "of two layers; inner products of the enlarged embedding with one vector per mask token give four "
        "masks, and the IoU token gives four estimates of their quality.",
        alt="Image and rough mask become one embedding, clicks and boxes become tokens; in the mask decoder "
        "both look at each other, and four masks with four estimates of their quality leave it.",
    )
    image = p.box(12, 14, 196, 44, "image\n(3, S, S)", "data")
    rough = p.box(224, 14, 104, 44, "rough mask\n(1, 4h, 4w)", "data")
    clicks = p.box(336, 14, 92, 44, "clicks,\nboxes", "data", 2)
    p.frame(4, 70, 212, 120, "Image encoder")
    patches = p.box(14, 99, 192, 30, "cut into patches (P × P)", "part")
    blocks = p.box(14, 142, 192, 40, "blocks, neck\nin windows, a few global", "part")
    p.frame(224, 70, 212, 120)
    p.write(331, 84, "Prompt encoder", "middle")
    convolve = p.box(232, 110, 92, 52, "convolve\n3 times", "part", 2)
    points = p.box(332, 104, 98, 64, "sine, cosine\nof the place,\n+ its kind", "part")
    column, added = 160, p.sign(160, 228)
    p.down(column, image, patches, blocks, added)
    p.down(258, rough, convolve)
    p.down(404, clicks, points)
    p.arrow((258, 162), (258, 228), added.right)
    p.write(152, 199, "embedding", "end")
    p.write(146, 216, "(256, h, w)", "end")
    p.write(266, 210, "(256, h, w)")

    p.frame(4, 258, 432, 262, "Mask decoder")
    own = p.box(206, 286, 222, 40, "tokens: 1 IoU, 4 masks\nand *n* of the prompt", "part")
    p.arrow((404, 168), (404, 286))
    p.write(397, 246, "(*n*, 256)", "end")
    two_way = p.box(
        14,
        350,
        414,
        42,
        "two-way transformer, 2 layers\ntokens ask the image, the image asks the tokens",
        "part",
    )
    p.down(column, added, two_way)
    p.down(317, own, two_way)
    enlarge = p.box(14, 418, 126, 42, "enlarge × 4\n(32, 4h, 4w)", "part")
    vectors = p.box(152, 418, 130, 42, "4 small MLPs\n(4, 32)", "part")
    quality = p.box(302, 418, 126, 42, "IoU head\n1 small MLP", "part")
    for box in (enlarge, vectors, quality):
        p.arrow((box.top[0], 392), box.top)
    product = p.box(78, 482, 138, 28, "inner product", "step")
    p.arrow((112, 460), (112, 482))
    p.arrow((190, 460), (190, 482))
    masks = p.box(34, 538, 226, 44, "4 masks (4, 4h, 4w)\n1 alone, 3 for one unclear click", "data")
    guess = p.box(290, 538, 138, 44, "predicted IoU\n(4)", "data")
    p.arrow(product.bottom, masks.top)
    p.down(365, quality, guess)
    p.high = 596
    return p
