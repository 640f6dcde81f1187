"""Where each diagram stands in the book, and what its caption says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A diagram in a chapter.

    Attributes:
        diagram: Module of ``scripts.book.diagrams`` that draws it.
        chapter: Name of the notebook without suffix.
        figure: Label of the figure.
        before: Beginning of the line before which it stands. It is looked for only while the chapter lacks the figure;
            afterwards the cell may be moved at will.
        caption: What is to be seen.
    """

    diagram: str
    chapter: str
    figure: str
    before: str
    caption: str


PLACES = (
    Place(
        "sam",
        "01_inside_sam",
        "fig-sam-drawing",
        "## 1. Into the model and back out",
        "Segment Anything, with $h = w = S / P$. The image encoder, upper left, runs once per image, the rest "
        "once per prompt. Channel numbers are the official ones; the small SAM has 128 instead of 256, and 16 "
        "instead of 32. Boxes in grey hold weights; nothing in this chapter is trained. Section 6 follows the "
        "mask decoder by hand.",
    ),
    Place(
        "block",
        "04_lora",
        "fig-lora-block",
        "## 6. Experiment: which rank?",
        "Where LoRA stands in a block of SAM's encoder: beside the fused layer, whose weights stay frozen, "
        "on the rows of queries and values. The two adapters are the other way to tune a block; you use one "
        "or the other ([chapter 5](05_adapters.ipynb)).",
    ),
    Place(
        "block",
        "05_adapters",
        "fig-adapter-block",
        "All four are one or two calls of `attach_adapters`",
        "The two places of an adapter in a block of SAM's encoder: behind the attention, where everything "
        "passes it, and beside the MLP, where its answer is added. LoRA ([chapter 4](04_lora.ipynb)) is "
        "drawn for comparison; a network gets one or the other.",
    ),
    Place(
        "samlp",
        "06_samlp",
        "fig-plates-steps",
        "## 2. A pass without a prompt",
        "The two steps of SamLP. The first trains the updates in encoder and decoder and prompts nothing; "
        "the second, which section 7 builds, freezes the encoder with its updates, prompts in rounds, and "
        "trains the prompt encoder and the decoder's updates. Channel numbers are the official ones; the small "
        "SAM has 128 instead of 256.",
    ),
    Place(
        "mmadapter",
        "08_mmadapter",
        "fig-mmadapter-block",
        "Each $A$ is a bottleneck as in",
        "A block with MMAdapter. The weights in blue are one set and serve both columns; every adapter "
        "belongs to one sensor. The columns meet in the crossing beside the MLP and nowhere else.",
    ),
    Place(
        "mmlora",
        "09_mmlora",
        "fig-mmlora-layer",
        "It is the mixing rule of chapter 8",
        "One linear layer with MMLoRA. Each sensor has its own thin matrices; what they compute goes to the own "
        "column with that column's $w$, and to the other column with one minus the other's $w$.",
    ),
    Place(
        "dfm",
        "10_deep_fusion_module",
        "fig-dfm-drawing",
        "*Up* is a **transposed convolution**",
        "The Deep Fusion Module for two sensors. Each row makes one level: what the box makes of each "
        "sensor ($\\mathbf{Y}_1$ and $\\mathbf{Y}_2$ in section 2), a gate for each, and the sum. Levels 3 "
        "and 4 have no weights but those of their gates.",
    ),
    Place(
        "mfnet",
        "11_mfnet",
        "fig-mfnet-shapes",
        "Chapters 08 to 10 gave the parts.",
        "MFNet with the shapes of its tensors. The encoder runs all sensors as one batch; its output "
        "$\\mathbf{F}$ has a map per sensor, which the Deep Fusion Module joins. SAM's prompt encoder and "
        "mask decoder are not used.",
    ),
    Place(
        "gopt",
        "12_gopt",
        "fig-gopt-drawing",
        "Both columns run through the same frozen blocks.",
        "GoPT. The frozen weights of both columns are the same. The height map reaches the picture through "
        "the prompters alone: it forms their groups and, in our default, helps to ask them.",
    ),
    Place(
        "sam_cd",
        "14_sam_cd",
        "fig-samcd-drawing",
        "The authors read their pyramid from FastSAM",
        "SAM-CD, the library's default. Everything from adaptors to semantic head sees each date by itself; "
        "from the two pairings on, both dates are looked at together, and swapping them changes nothing.",
    ),
    Place(
        "mfuser",
        "16_mfuser",
        "fig-mfuser-drawing",
        "Three parts are new.",
        "MFuser. All three encoders are frozen. A trained linear layer adds the vision tokens to those of "
        "the language encoder before these are mapped to the joint space.",
    ),
    Place(
        "earthgpt",
        "17_earthgpt",
        "fig-earthgpt-drawing",
        "## 3. Which weights move, and when",
        "EarthGPT, and what its two stages train. Both encoders and the embedding table stay frozen in both. "
        "A language model with random weights learns language first, in a stage 0 of which the paper has no "
        "need.",
    ),
)
