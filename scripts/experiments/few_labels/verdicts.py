"""Claims about few labels on real images, and the rows and verdicts of lines.

The claims about the first recipe, about pairs, and about larger crops and more steps for UNetFormer stood here before
the runs. Those about the second recipe were written when the first had lost to the forests, and after a look at single
trainings of the U-Net (seeds 0 and 1).

The verdict is that of ``judge`` in claims.py: the 95 % interval of Student's t of the paired differences must
lie above the margin. Seeds vary crops and initial weights; the images stay the same few, so an interval says nothing
about other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from scripts.experiments.claims import (
    Claim,
    Line,
    spread,
    summed_up,
    values_by_seed,
    versus,
)
from scripts.experiments.few_labels.plan import (
    BEST,
    BRIGHT,
    CHANGES,
    FAST,
    IMAGENET,
    LARGE,
    LARGE_FORMER,
    LONGER_FORMER,
    MFNET,
    NEIGHBOURHOOD,
    PIXELS,
    PLACES,
    RANDOM,
    SAM_CD,
    STEADY,
    STEADY_FAST,
    UNET,
    UNET_HALF,
    UNETFORMER,
    UNMOVED,
    Run,
    steady,
)

PLACE = {
    ("ign", False): "IGN, optical",
    ("ign", True): "IGN, optical and height",
    ("vaihingen", False): "Vaihingen, optical",
    ("levir", False): "LEVIR",
    ("dsifn", False): "DSIFN",
}
UNET_FULL = replace(UNET, balance=1.0)
FORMER, FORMER_RANDOM = (replace(UNETFORMER, balance=BEST, encoder=e) for e in (IMAGENET, RANDOM))
MFNET_HALF = replace(MFNET, balance=BEST)
POINTS = 0.05
"""What a network must be ahead of a forest."""


def at(run: Run, place: tuple[str, bool]) -> Run:
    """Return a configuration in a place."""
    return replace(run, data=place[0], height=place[1])


def score_in(place: tuple[str, bool]) -> str:
    """Name of the score of a place."""
    return "F1" if place[0] in CHANGES else "mIoU"


def compared(
    name: str,
    claim: str,
    better: Run,
    worse: Run,
    places: Sequence[tuple[str, bool]],
    margin: float = 0.0,
    score: str = "",
) -> list[Claim]:
    """One claim in several places, about the usual score if none is named."""
    return [
        versus(f"{name}: {PLACE[p]}", f"{PLACE[p]}: {claim}", "ours", at(better, p), at(worse, p),
               score=score or score_in(p), margin=margin)
        for p in places
    ]  # fmt: skip


def helps(name: str, claim: str, run: Run) -> list[Claim]:
    """The claim that a configuration is better where it sees height."""
    colours, both = PLACES[:2]
    return [
        versus(f"{name}: {PLACE[both]}", f"{PLACE[both]}: {claim}", "ours", at(run, both), at(run, colours),
               score="mIoU")
    ]  # fmt: skip


PAIRS = tuple((data, False) for data in CHANGES)
JITTERED_FAST = replace(UNET_HALF, rate=FAST)
LARGE_FAST = replace(STEADY_FAST, crop=LARGE)
FORMER_STEADY, MFNET_STEADY = steady(UNETFORMER), steady(MFNET)
FORMER_FAST, MFNET_FAST = steady(UNETFORMER, FAST), steady(MFNET, FAST)
FORMER_FAST_RANDOM = replace(FORMER_FAST, encoder=RANDOM)

OLD_RECIPE: tuple[Claim, ...] = (
    *compared(
        "half balance",
        "class weights to the power of a half help the U-Net.",
        UNET_HALF,
        UNET,
        PLACES,
    ),
    *compared(
        "full balance",
        "class weights that make all classes alike help the U-Net.",
        UNET_FULL,
        UNET,
        PLACES,
    ),
    *compared(
        "unet>pixels",
        "the U-Net with class weights is ahead of a forest on pixels by 5 points.",
        UNET_HALF,
        PIXELS,
        PLACES,
        POINTS,
    ),
    *compared(
        "unet>neighbourhood",
        "the U-Net with class weights is ahead of a forest that sees a neighbourhood by 5 points.",
        UNET_HALF,
        NEIGHBOURHOOD,
        PLACES,
        POINTS,
    ),
    *compared("imagenet", "weights from ImageNet help UNetFormer.", FORMER, FORMER_RANDOM, PLACES),
    *compared(
        "former>unet", "UNetFormer from ImageNet beats the U-Net.", FORMER, UNET_HALF, PLACES
    ),
    *compared(
        "mfnet>unet", "MFNet on the small SAM beats the U-Net.", MFNET_HALF, UNET_HALF, PLACES
    ),
    *helps("height, unet", "height helps the U-Net.", UNET_HALF),
    *helps("height, mfnet", "height helps MFNet.", MFNET_HALF),
)
"""Claims about the first recipe, which was the command line's."""
RECIPE: tuple[Claim, ...] = (
    *compared(
        "steady",
        "leaving the brightness of crops alone helps the U-Net.",
        STEADY,
        UNET_HALF,
        PLACES,
    ),
    *compared("steady, fast", "so it does at the higher rate.", STEADY_FAST, JITTERED_FAST, PLACES),
    *compared(
        "insurance",
        "test images a quarter brighter: brightness jitter helps the U-Net.",
        JITTERED_FAST,
        STEADY_FAST,
        PLACES,
        score=BRIGHT,
    ),
    *compared(
        "new, half balance",
        "class weights to the power of a half help the U-Net.",
        STEADY_FAST,
        replace(STEADY_FAST, balance=0.0),
        PLACES,
    ),
    *compared(
        "new, full balance",
        "class weights that make all classes alike help the U-Net.",
        replace(STEADY_FAST, balance=1.0),
        replace(STEADY_FAST, balance=0.0),
        PLACES,
    ),
    *compared("fast", "the higher learning rate helps the U-Net.", STEADY_FAST, STEADY, PLACES),
    *compared(
        "turns", "quarter turns help the U-Net.", STEADY_FAST, replace(UNMOVED, rate=FAST), PLACES
    ),
    *compared(
        "larger crops",
        "crops of 96 pixels instead of 64 help the U-Net.",
        LARGE_FAST,
        STEADY_FAST,
        PLACES,
    ),
    *compared(
        "new, former>pixels",
        "UNetFormer from ImageNet is ahead of a forest on pixels by 5 points.",
        FORMER_FAST,
        PIXELS,
        PLACES,
        POINTS,
    ),
    *compared(
        "new, former>neighbourhood",
        "UNetFormer from ImageNet is ahead of a forest that sees a neighbourhood by 5 points.",
        FORMER_FAST,
        NEIGHBOURHOOD,
        PLACES,
        POINTS,
    ),
    *compared(
        "new, imagenet",
        "weights from ImageNet help UNetFormer.",
        FORMER_FAST,
        FORMER_FAST_RANDOM,
        PLACES,
    ),
    *compared(
        "new, former>unet",
        "UNetFormer from ImageNet beats the U-Net.",
        FORMER_FAST,
        STEADY_FAST,
        PLACES,
    ),
    *compared(
        "new, mfnet>unet",
        "MFNet on the small SAM, at its usual rate, beats the U-Net.",
        MFNET_STEADY,
        STEADY_FAST,
        PLACES,
    ),
    *helps("new, height, unet", "height helps the U-Net.", STEADY_FAST),
    *helps("new, height, former", "height helps UNetFormer.", FORMER_FAST),
    *helps("new, height, mfnet", "height helps MFNet.", MFNET_STEADY),
)
"""Claims about the second recipe: no brightness jitter, a higher learning rate."""
LONGER_RECIPE: tuple[Claim, ...] = (
    *compared(
        "larger crops, former",
        "crops of 96 pixels instead of 64 help UNetFormer.",
        LARGE_FORMER,
        FORMER_FAST,
        PLACES,
    ),
    *compared(
        "longer, former",
        "three times the steps help UNetFormer on these crops.",
        LONGER_FORMER,
        LARGE_FORMER,
        PLACES,
    ),
    *compared(
        "longer, former>pixels",
        "with both UNetFormer is ahead of a forest on pixels by 5 points.",
        LONGER_FORMER,
        PIXELS,
        PLACES,
        POINTS,
    ),
    *compared(
        "longer, former>neighbourhood",
        "with both UNetFormer is ahead of a forest that sees a neighbourhood by 5 points.",
        LONGER_FORMER,
        NEIGHBOURHOOD,
        PLACES,
        POINTS,
    ),
)
"""Claims about larger crops and more steps for the best network of the second recipe."""
CHANGE: tuple[Claim, ...] = (
    *compared(
        "change, imagenet>sam",
        "SAM-CD is better on ImageNet's weights than on the small SAM.",
        replace(SAM_CD, encoder=IMAGENET),
        SAM_CD,
        PAIRS,
    ),
    *compared(
        "change, imagenet>random",
        "SAM-CD is better on ImageNet's weights than on random ones.",
        replace(SAM_CD, encoder=IMAGENET),
        replace(SAM_CD, encoder=RANDOM),
        PAIRS,
    ),
    *compared(
        "change, imagenet>unet",
        "SAM-CD on ImageNet's weights beats the U-Net.",
        replace(SAM_CD, encoder=IMAGENET),
        UNET,
        PAIRS,
    ),
    *compared(
        "change, imagenet>pixels",
        "SAM-CD on ImageNet's weights is ahead of a forest on pixels by 5 points.",
        replace(SAM_CD, encoder=IMAGENET),
        PIXELS,
        PAIRS,
        POINTS,
    ),
    *compared(
        "change, steady, imagenet",
        "leaving the brightness of pairs alone helps SAM-CD on ImageNet's weights.",
        replace(SAM_CD, encoder=IMAGENET, jitter=0.0),
        replace(SAM_CD, encoder=IMAGENET),
        PAIRS,
    ),
    *compared(
        "change, steady, sam",
        "leaving the brightness of pairs alone helps SAM-CD on the small SAM.",
        replace(SAM_CD, jitter=0.0),
        SAM_CD,
        PAIRS,
    ),
    *compared(
        "change, steady, unet",
        "leaving the brightness of pairs alone helps the U-Net.",
        replace(UNET, jitter=0.0),
        UNET,
        PAIRS,
    ),
)
"""Claims about pairs of images."""
CLAIMS = (*OLD_RECIPE, *RECIPE, *LONGER_RECIPE, *CHANGE)


def read(line: Line, score: str) -> float | None:
    """Read a score; an F1 that nothing defines is 0."""
    if score not in line["scores"]:
        return None
    return float(line["scores"][score] or 0.0)


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    names = [
        name
        for name in ("mIoU", "OA", BRIGHT, "F1")
        if all(name in line["scores"] for line in lines)
    ]
    classes = first["scores"].get("iou", {})
    return {
        "run": {k: v for k, v in asdict(Run(**first["run"])).items() if k != "seed"},
        "n": len(lines),
        "scores": {
            name: spread([float(read(x, name) or 0.0) for x in lines])
            | values_by_seed(lines, lambda x, name=name: float(read(x, name) or 0.0))  # type: ignore[misc]
            for name in names
        },
        "iou": {
            name: spread([v for x in lines if (v := x["scores"]["iou"][name]) is not None])
            for name in classes
        },
        "trained": first["trained"],
        "steps": first["steps"],
        "cpu_seconds": round(sum(x["cpu_seconds"] for x in lines) / len(lines), 1),
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    return summed_up(lines, CLAIMS, (), read, _row)
