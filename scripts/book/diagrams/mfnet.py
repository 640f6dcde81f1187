"""MFNet for two sensors."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw the network as ``nets.MFNet`` runs it by default."""
    p = Picture(
        "mfnet",
        "MFNet for an image and a height map",
        "Image and height map, the latter repeated to three channels, are stacked and pass SAM's frozen "
        "patch embedding, N frozen blocks and the frozen neck. In every block trained parts are added: LoRA "
        "of each sensor's own in the attention, MMLoRA in the MLP, where the sensors exchange; or adapters "
        "and MMAdapter instead. The trained Deep Fusion Module makes four fused maps of both sensors' "
        "features, and the trained UNetFormer decoder turns them into classes.",
        alt="Image and height map are stacked and pass SAM's frozen encoder, with trained additions in "
        "attention and MLP of every block; then follow the trained Deep Fusion Module and decoder.",
    )
    optical = p.box(22, 12, 150, 44, "optical\n(B, 3, H, W)", "data")
    height = p.box(268, 12, 150, 44, "height\n(B, 1, H, W)", "data")
    repeat = p.box(268, 76, 150, 30, "repeat three times", "step")
    stack = p.box(22, 128, 396, 30, "stack: (M, B, 3, H, W), M = 2", "step")
    p.frame(8, 176, 424, 274)
    p.write(142, 190, "SAM’s image encoder, one set of weights")
    embed = p.box(22, 204, 396, 32, "patches, positions: (M, B, h, w, D)", "frozen")
    p.frame(16, 252, 408, 138)
    p.write(142, 266, "each of N blocks")
    attention = p.box(26, 280, 212, 40, "norm, attention\nwithin a sensor", "frozen")
    mlp = p.box(26, 340, 212, 40, "norm, MLP\nsensors exchange in here", "frozen")
    lora = p.box(262, 280, 154, 40, "LoRA or adapter\nof each sensor", "trained")
    mixed = p.box(262, 340, 154, 40, "MMLoRA or\nMMAdapter", "trained")
    neck = p.box(22, 406, 396, 32, "neck: **F** (M, B, 256, h, w)", "frozen")
    dfm = p.box(
        22,
        474,
        396,
        44,
        "Deep Fusion Module\n4 fused maps (B, 256, …): × 4, × 2, × 1, × ½",
        "trained",
    )
    decoder = p.box(
        22, 542, 396, 44, "UNetFormer decoder\nfrom the coarsest map to the finest", "trained"
    )
    out = p.box(116, 610, 208, 44, "classes\n(B, classes, H, W)", "data")
    p.down(97, optical, stack)
    p.down(343, height, repeat, stack)
    p.down(132, stack, embed, attention, mlp, neck, dfm)
    p.down(220, dfm, decoder, out)
    p.arrow(lora.left, attention.right)
    p.arrow(mixed.left, mlp.right)
    p.legend(672)
    return p
