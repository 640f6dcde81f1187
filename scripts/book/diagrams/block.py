"""One block of SAM's image encoder with LoRA and adapters."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw a block with everything that ``tuning.attach_lora`` and ``tuning.attach_adapters`` may add."""
    p = Picture(
        "block",
        "A transformer block with LoRA and adapters",
        "A frozen block from top to bottom: layer norm, query-key-value layer, attention with projection, a "
        "sum with the block's input, layer norm, MLP, and a second sum. Trained parts hang on it: LoRA "
        "beside the query-key-value layer, added to queries and values; an adapter behind the attention; an "
        "adapter beside the MLP, whose answer is scaled by s and added.",
        alt="A frozen block, norm, attention, norm, MLP, with three trained parts: LoRA beside the "
        "query-key-value layer, an adapter behind the attention, an adapter beside the MLP.",
    )
    x = p.box(70, 12, 140, 28, "tokens *x* (N, D)", "data")
    norm = p.box(40, 68, 200, 30, "layer norm *n*_{1}", "frozen")
    qkv = p.box(40, 130, 200, 44, "query, key, value\n**W** (3D, D)", "frozen")
    lora = p.box(272, 130, 156, 44, "LoRA: *s* **B A**\nto q and v, rank *r*", "trained")
    sum_qv = p.sign(140, 202)
    attention = p.box(40, 232, 200, 44, "attention, projection\nwith relative positions", "frozen")
    behind = p.box(40, 302, 200, 44, "adapter behind\n*y* + *f*(*y*)", "trained")
    first = p.sign(140, 376)
    norm2 = p.box(40, 410, 200, 30, "layer norm *n*_{2}", "frozen")
    mlp = p.box(40, 472, 200, 44, "MLP\nD → 4D → D", "frozen")
    beside = p.box(272, 472, 156, 44, "adapter beside\n*s* *f*(*x*)", "trained")
    second = p.sign(140, 546)
    out = p.box(70, 582, 140, 28, "tokens (N, D)", "data")
    p.down(140, x, norm, qkv, sum_qv, attention, behind, first, norm2, mlp, second, out)
    p.arrow((140, 114), (350, 114), lora.top)
    p.arrow(lora.bottom, (350, 202), sum_qv.right)
    p.arrow((140, 456), (350, 456), beside.top)
    p.arrow(beside.bottom, (350, 546), second.right)
    p.arrow((140, 54), (18, 54), (18, 376), first.left)
    p.arrow((140, 398), (18, 398), (18, 546), second.left)
    p.write(272, 238, "*f*: **W**_{↓}, GELU, **W**_{↑}")
    p.write(272, 258, "D → *b* → D, with *b* ≪ D")
    p.write(272, 288, "**A** (*r*, D), **B** (D, *r*)")
    p.legend(628)
    return p
