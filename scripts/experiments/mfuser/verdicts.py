"""Claims about MFuser, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The verdict is that of ``judge`` in claims.py: the 95 % interval of Student's t of the paired differences must
lie above the margin. "Elsewhere" is the mean of mIoU over haze, night, another camera and winter, after training on
clear summer scenes of one camera; "real" is the mean over the real tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any

from scripts.experiments import claims
from scripts.experiments.claims import (
    Claim,
    Line,
    mean_of,
    spread,
    summed_up,
    values_by_seed,
)
from scripts.experiments.mfuser.plan import (
    ATTENTION,
    BASE,
    CONCAT,
    IMAGENET,
    LANGUAGE,
    ONE_NAME,
    PAIR,
    PLAIN_WORDS,
    TWO_WAYS,
    UNET,
    VISION,
)
from scripts.experiments.mfuser.runs import DOMAINS, UNSEEN

FEW = 0.05
"""Loss by unseen words that counts as understanding them."""

elsewhere = partial(claims.versus, score="elsewhere")
at_home = partial(claims.versus, score="clear")
real = partial(claims.versus, score="real")

CLAIMS: tuple[Claim, ...] = (
    elsewhere("both>vision", "Two encoders generalise better than the vision encoder alone.", "paper", BASE, VISION),
    elsewhere("both>language", "Two encoders generalise better than the language encoder alone.", "paper",
              BASE, LANGUAGE),
    elsewhere("fused>joined", "Fusing tokens by MVFusers generalises better than joining maps alone.", "paper",
              BASE, CONCAT),
    elsewhere("scan>attention", "MVFusers generalise better than attention of as many weights.", "paper",
              BASE, ATTENTION),
    elsewhere("enhancer", "Words refined by the image (MTEnhancer) generalise better than words as they are.",
              "paper", BASE, PLAIN_WORDS),
    elsewhere("six>one", "More fusers generalise better: one after every block beats one after the last.", "paper",
              BASE, replace(BASE, fusers=1)),
    elsewhere("six>three", "More fusers generalise better: six beat three.", "paper", BASE, replace(BASE, fusers=3)),
    elsewhere("two ways", "A scan in both directions, by which the vision encoder can read the language encoder, "
              "generalises better than the released one.", "ours", TWO_WAYS, BASE),
    elsewhere("mfuser>unet", "MFuser generalises better than a U-Net without prior knowledge.", "ours", BASE, UNET),
    elsewhere("mfuser>pair", "MFuser generalises better than the pair without training.", "ours", BASE, PAIR),
    elsewhere("imagenet", "EfficientNet-Lite0 from ImageNet as the vision encoder generalises better than the small "
              "SAM.", "ours", IMAGENET, BASE),
    elsewhere("imagenet fused>joined", "With it, too, fusing beats joining.", "ours",
              IMAGENET, replace(IMAGENET, fusion="none")),
    at_home("clear fused>joined", "In clear scenes, too, fusing beats joining.", "ours", BASE, CONCAT),
    at_home("clear both>vision", "In clear scenes, too, two encoders beat the vision encoder.", "ours", BASE, VISION),
    real("real fused>joined", "On real tiles fusing beats joining.", "ours", BASE, CONCAT),
    real("real both>vision", "On real tiles two encoders beat the vision encoder.", "ours", BASE, VISION),
    real("real mfuser>unet", "On real tiles MFuser beats the U-Net.", "ours", BASE, UNET),
    claims.versus("synonyms", "Asked in words that no training used, MFuser loses less than 5 points in clear scenes.",
                  "ours", BASE, BASE, score="synonyms", worse_score="clear", margin=-FEW),
    claims.versus("synonyms>pair", "Asked in such words, MFuser beats the pair without training asked in them.",
                  "ours", BASE, PAIR, score="synonyms"),
    claims.versus("many words", "A class called by another word in every step makes unseen words better understood.",
                  "ours", BASE, ONE_NAME, score="synonyms"),
)  # fmt: skip

UNTESTED = (
    {
        "claim": "Every number of the paper's tables: mIoU 68.20 from synthetic to real streets, 71.87 from real to "
        "real streets.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: none of these data sets is used, and the encoders are small.",
    },
)


def read(line: Line, score: str) -> float | None:
    """Read a score of a line: a domain's mIoU, a mean over domains or real tiles, or that with other words."""
    if score == "elsewhere":
        return mean(line["scores"][name]["mIoU"] for name in UNSEEN)
    if score == "real":
        return mean(line["real"].values()) if line["real"] else None
    if score in line["scores"]:
        found: float = line["scores"][score]["mIoU"]
        return found
    other: float | None = line["also"].get(score)
    return other


def _summed(lines: Sequence[Line], score: str) -> dict[str, Any]:
    """Sum up a score over the seeds."""
    return spread([float(read(x, score) or 0.0) for x in lines]) | values_by_seed(
        lines, lambda x: float(read(x, score) or 0.0)
    )


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "n": len(lines),
        "mIoU": {name: _summed(lines, name) for name in (*DOMAINS, "elsewhere")},
        "real": {
            name: spread([x["real"][name] for x in lines])
            | values_by_seed(lines, lambda x, name=name: x["real"][name])
            for name in first["real"]
        },
        "also": {how: _summed(lines, how) for how in first["also"]},
        "per_class": {
            name: mean_of([x["scores"]["clear"]["per_class"][name] or 0.0 for x in lines], 4)
            for name in first["scores"]["clear"]["per_class"]
        },
        "tuning": first["tuning"],
        "head": first["head"],
        "cpu_seconds": mean_of([x["cpu_seconds"] for x in lines], 1),
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    return summed_up(lines, CLAIMS, UNTESTED, read, _row)
