"""Claims about few labels on real images, and the rows and verdicts of lines; the claims stand here before the runs.

The verdict is that of ``judge_interval`` in claims.py: the 95 % interval of Student's t of the paired differences must
lie above the margin. Seeds vary crops and initial weights; the images stay the same few, so an interval says nothing
about other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scripts.experiments.claims import (
    Claim,
    Line,
    spread,
    summed_by_interval,
    values_by_seed,
    versus,
)
from scripts.experiments.few_labels.plan import (
    BEST,
    CHANGES,
    IMAGENET,
    MFNET,
    NEIGHBOURHOOD,
    PIXELS,
    PLACES,
    RANDOM,
    SAM_CD,
    UNET,
    UNET_HALF,
    UNETFORMER,
    Run,
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
) -> list[Claim]:
    """One claim in several places."""
    return [
        versus(f"{name}: {PLACE[p]}", f"{PLACE[p]}: {claim}", "ours", at(better, p), at(worse, p),
               score=score_in(p), margin=margin)
        for p in places
    ]  # fmt: skip


PAIRS = tuple((data, False) for data in CHANGES)
CLAIMS: tuple[Claim, ...] = (
    *compared("half balance", "class weights to the power of a half help the U-Net.", UNET_HALF, UNET, PLACES),
    *compared("full balance", "class weights that make all classes alike help the U-Net.", UNET_FULL, UNET, PLACES),
    *compared("unet>pixels", "the U-Net with class weights is ahead of a forest on pixels by 5 points.", UNET_HALF,
              PIXELS, PLACES, POINTS),
    *compared("unet>neighbourhood", "it is ahead of a forest that sees a neighbourhood by 5 points.", UNET_HALF,
              NEIGHBOURHOOD, PLACES, POINTS),
    *compared("imagenet", "weights from ImageNet help UNetFormer.", FORMER, FORMER_RANDOM, PLACES),
    *compared("former>unet", "UNetFormer from ImageNet beats the U-Net.", FORMER, UNET_HALF, PLACES),
    *compared("mfnet>unet", "MFNet on the small SAM beats the U-Net.", MFNET_HALF, UNET_HALF, PLACES),
    versus("height: unet", "IGN: height helps the U-Net.", "ours", at(UNET_HALF, PLACES[1]), at(UNET_HALF, PLACES[0]),
           score="mIoU"),
    versus("height: mfnet", "IGN: height helps MFNet.", "ours", at(MFNET_HALF, PLACES[1]), at(MFNET_HALF, PLACES[0]),
           score="mIoU"),
    *compared("change, imagenet>sam", "SAM-CD is better on ImageNet's weights than on the small SAM.",
              replace(SAM_CD, encoder=IMAGENET), SAM_CD, PAIRS),
    *compared("change, imagenet>random", "SAM-CD is better on ImageNet's weights than on random ones.",
              replace(SAM_CD, encoder=IMAGENET), replace(SAM_CD, encoder=RANDOM), PAIRS),
    *compared("change, imagenet>unet", "SAM-CD on ImageNet's weights beats the U-Net.",
              replace(SAM_CD, encoder=IMAGENET), UNET, PAIRS),
    *compared("change, imagenet>pixels", "SAM-CD on ImageNet's weights is ahead of a forest on pixels by 5 points.",
              replace(SAM_CD, encoder=IMAGENET), PIXELS, PAIRS, POINTS),
)  # fmt: skip


def read(line: Line, score: str) -> float | None:
    """Read a score; an F1 that nothing defines is 0."""
    if score not in line["scores"]:
        return None
    return float(line["scores"][score] or 0.0)


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    names = [name for name in ("mIoU", "OA", "F1") if name in first["scores"]]
    classes = first["scores"].get("iou", {})
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
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
    return summed_by_interval(lines, CLAIMS, (), read, _row)
