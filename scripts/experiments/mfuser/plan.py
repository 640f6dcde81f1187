"""Which trainings the experiments with MFuser consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mfnet_lite.nets.encoders.joint_encoder import Fusion, Streams
from mfnet_lite.nets.layers.mv_fuser import Direction
from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
TUNING_SEEDS = (900,)
"""The learning rate was chosen with it; no result uses it."""

RATES: dict[str, float] = {"mfuser": 1e-3, "unet": 3e-3, "pair": 0.0}
"""Base learning rate of AdamW. Tried for MFuser, with one seed of 200 steps: 1e-3 and 2e-3; mIoU in clear scenes .431
and .403 with fusers, .673 and .594 where maps are joined alone (the latter without refined words). The U-Net keeps
that of the experiments with MFNet, the pair is not trained."""

LITE0 = "timm:tf_efficientnet_lite0"


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: Of the scenes, the crops and the initial weights; rows are compared seed by seed.
        model: ``"mfuser"``; ``"unet"``, which knows nothing before; ``"pair"``, the vision-language pair alone,
            asked for the classes' words without any training.
        backbone: The vision encoder.
        streams: Which image encoders are run.
        fusion: How their tokens are fused.
        fusers: How often; 0 for after every block.
        direction: Of the scan.
        enhancer: Whether the image refines the words.
        vary: Whether a class is called by another of its words in every step.
    """

    model: str = "mfuser"
    backbone: str = "tiny"
    streams: Streams = "both"
    fusion: Fusion = "mvfuser"
    fusers: int = 0
    direction: Direction = "forward"
    enhancer: bool = True
    vary: bool = True

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.model == "mfuser" and self.backbone == "tiny" and self.streams != "language"


BASE = Run(0)
VISION, LANGUAGE = (replace(BASE, streams=streams) for streams in ("vision", "language"))
CONCAT, ATTENTION = (replace(BASE, fusion=fusion) for fusion in ("none", "attention"))
PLAIN_WORDS = replace(BASE, enhancer=False)
TWO_WAYS = replace(BASE, direction="both")
ONE_NAME = replace(BASE, vary=False)
UNET, PAIR = Run(0, model="unet"), Run(0, model="pair")
IMAGENET = replace(BASE, backbone=LITE0)

GROUPS: dict[str, tuple[Run, ...]] = {
    "what is fused, and how": (BASE, CONCAT, VISION, LANGUAGE, ATTENTION),
    "words refined by the image": (PLAIN_WORDS,),
    "without training, without encoders": (PAIR, UNET),
    "number of fusers": tuple(replace(BASE, fusers=n) for n in (1, 3)),
    "way of the scan": (TWO_WAYS,),
    "one word for a class": (ONE_NAME,),
    "another vision encoder": (IMAGENET, replace(IMAGENET, fusion="none")),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
