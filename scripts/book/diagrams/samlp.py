"""The two steps of SamLP."""

from __future__ import annotations

from scripts.book.diagrams.picture import Picture


def draw() -> Picture:
    """Draw both steps as ``nets.SamLP`` and ``PromptTuning`` train them."""
    p = Picture(
        "samlp",
        "The two steps of SamLP",
        "Two columns. Step 1: image, frozen encoder with trained LoRA, frozen decoder with trained LoRA, no "
        "prompt; all three masks are compared with the plates. Step 2: the encoder with its LoRA is frozen "
        "and embeds an image once; clicks where the mask was wrong and its logits pass the prompt encoder, "
        "which is trained, into the frozen decoder, whose LoRA is trained; the answer is compared with the "
        "plates and prompts the next round.",
        alt="Two columns. Step 1 trains LoRA in encoder and decoder without a prompt. Step 2 freezes the "
        "encoder with its LoRA and trains prompt encoder and decoder LoRA on clicks and mask logits.",
    )
    p.write(108, 18, "**Step 1:** no prompt", "middle", 14)
    p.write(332, 18, "**Step 2:** rounds of clicks", "middle", 14)
    p.arrow((215, 8), (215, 452), tip=False, dashed=True)
    for step, x in ((1, 8), (2, 232)):
        image = p.box(x + 30, 38, 140, 30, "image", "data")
        encoder = p.box(x, 90, 118, 46, "image\nencoder", "frozen", 2)
        lora = p.box(x + 126, 90, 76, 46, "LoRA\nq, v", "trained" if step == 1 else "frozen")
        p.arrow((x + 82, 68), (x + 82, 90))
        p.arrow(lora.left, encoder.right)
        if step == 1:
            asked = p.box(x, 172, 102, 46, "no prompt\n0 tokens", "data")
        else:
            asked = p.box(x, 172, 102, 46, "clicks,\nmask logits", "data")
        prompt = p.box(x, 246, 102, 46, "prompt\nencoder", "frozen" if step == 1 else "trained", 2)
        decoder = p.box(x, 324, 118, 46, "mask\ndecoder", "frozen", 2)
        lora_d = p.box(x + 126, 324, 76, 46, "LoRA\nq, v", "trained")
        p.arrow(
            (x + 90, 136),
            (x + 90, 154),
            (x + 114, 154),
            (x + 114, 308),
            (x + 90, 308),
            (x + 90, 324),
        )
        p.write(x + 121, 200, "embedding")
        p.write(x + 121, 218, "(256, h, w)")
        p.down(x + 51, asked, prompt, decoder)
        p.arrow(lora_d.left, decoder.right)
        text = (
            "3 masks\nDice of each with the plates" if step == 1 else "masks\nDice with the plates"
        )
        masks = p.box(x, 400, 202, 44, text, "data")
        p.down(x + 59, decoder, masks)
        if step == 2:
            p.arrow(masks.left, (223, 422), (223, 195), asked.left)
            p.write(x + 121, 244, "made once")
        del image
    p.legend(464, "frozen", "trained", "data")
    return p
