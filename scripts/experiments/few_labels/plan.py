"""Which trainings the experiments with few real labels consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
MAPS = ("ign", "vaihingen")
"""Real tiles with a map of classes: of IGN with a height map, of Vaihingen without."""
CHANGES = ("levir", "dsifn")
"""Real pairs with a map of what has changed."""
BRIGHT = "mIoU, brighter"
"""Name of the score under another light."""
BALANCES = (0.0, 0.5, 1.0)
"""Powers of the class weights."""
IMAGENET, RANDOM = "ImageNet", "random"


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training in both directions: the halves of the data swap their parts.

    Attributes:
        seed: Of the tiles where they are few, of crops and initial weights.
        data: ``"ign"``, ``"vaihingen"``, ``"levir"`` or ``"dsifn"``.
        model: ``"pixels"``, ``"neighbourhood"`` and ``"features"``, class-balanced random forests on single pixels,
            on smoothed bands and on bands beside a frozen encoder's maps; or a network: ``"unet"``,
            ``"unetformer"``, ``"mfnet"``, ``"sam_cd"``.
        height: Whether the height map is seen, in metres above ground.
        balance: Power of the class weights; forests are balanced in any case, and changed pixels weigh fourfold.
        encoder: Weights of EfficientNet-Lite0 in the forest, UNetFormer or SAM-CD: ``"ImageNet"`` or ``"random"``;
            empty for the small SAM, and for networks without a pre-trained encoder.
        tiles: Labelled tiles to learn from; 0 for all of the half.
        jitter: Largest relative change of the crops' brightness.
        turns: Whether crops are turned by quarters.
        rate: Learning rate; 0 for that of the command line.
        crop: Side of the crops, of which a step then has two; 0 for four of 64 px (128 px of pairs).
        effort: Multiple of the usual number of steps.
    """

    data: str = "ign"
    model: str = "unet"
    height: bool = False
    balance: float = 0.0
    encoder: str = ""
    tiles: int = 0
    jitter: float = 0.25
    turns: bool = True
    rate: float = 0.0
    crop: int = 0
    effort: float = 1.0

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.model == "mfnet" or (self.model == "sam_cd" and not self.encoder)


PLACES = (("ign", False), ("ign", True), ("vaihingen", False))
"""Data with a map of classes, and whether height is seen."""


def maps(run: Run) -> tuple[Run, ...]:
    """Return a configuration in all places that have a map of classes."""
    return tuple(replace(run, data=data, height=height) for data, height in PLACES)


UNET = Run(0)
PIXELS, NEIGHBOURHOOD = Run(0, model="pixels"), Run(0, model="neighbourhood")
FEATURES = Run(0, model="features", encoder=IMAGENET)
UNETFORMER = Run(0, model="unetformer", encoder=IMAGENET)
MFNET = Run(0, model="mfnet")
SAM_CD = Run(0, data="levir", model="sam_cd")
FEW = (1, 2, 4)
"""Tiles of Vaihingen of 128 px, of the eight of a half."""
BEST = 0.5
"""Power of the class weights for what is not about them."""
FAST = 1e-2
"""A learning rate above the command line's."""
UNET_HALF = replace(UNET, balance=BEST)
LARGE = 96
"""Side of larger crops, pixels."""
LONGER = 3.0
"""Multiple of the steps of longer trainings."""
STEADY = replace(UNET_HALF, jitter=0.0)
"""The U-Net on crops as bright as their tiles."""
UNMOVED = replace(STEADY, turns=False)
"""The same without quarter turns."""
STEADY_FAST = replace(STEADY, rate=FAST)
"""With quarter turns, at the higher learning rate."""


def steady(run: Run, rate: float = 0.0) -> Run:
    """Return a configuration with class weights, without brightness jitter, and with a learning rate."""
    return replace(run, balance=BEST, jitter=0.0, rate=rate)


LARGE_FORMER = replace(steady(UNETFORMER, FAST), crop=LARGE)
"""UNetFormer on larger crops."""
LONGER_FORMER = replace(LARGE_FORMER, effort=LONGER)
"""The same for longer."""

GROUPS: dict[str, tuple[Run, ...]] = {
    "forests": (*maps(PIXELS), *maps(NEIGHBOURHOOD), *maps(FEATURES)),
    "class balance": tuple(r for p in BALANCES for r in maps(replace(UNET, balance=p))),
    "pre-trained encoder": (
        *maps(replace(UNETFORMER, balance=BEST)),
        *maps(replace(UNETFORMER, balance=BEST, encoder=RANDOM)),
    ),
    "MFNet": maps(replace(MFNET, balance=BEST)),
    "change": tuple(
        replace(run, data=data)
        for data in CHANGES
        for run in (
            PIXELS,
            UNET,
            SAM_CD,
            replace(SAM_CD, encoder=IMAGENET),
            replace(SAM_CD, encoder=RANDOM),
        )
    ),
    "recipe": (
        *maps(STEADY),
        *maps(UNMOVED),
        *maps(replace(UNET_HALF, rate=FAST)),
        *maps(STEADY_FAST),
        *maps(replace(UNMOVED, rate=FAST)),
        *maps(replace(STEADY_FAST, crop=LARGE)),
    ),
    "recipe, pre-trained": (
        *maps(steady(UNETFORMER)),
        *maps(steady(UNETFORMER, FAST)),
        *maps(steady(MFNET)),
        *maps(steady(MFNET, FAST)),
        *maps(replace(steady(UNETFORMER, FAST), encoder=RANDOM)),
    ),
    "recipe, balance": tuple(r for p in BALANCES for r in maps(replace(STEADY_FAST, balance=p))),
    "fewer tiles": tuple(
        replace(run, data="vaihingen", tiles=k)
        for k in FEW
        for run in (
            PIXELS,
            STEADY_FAST,
            steady(UNETFORMER, FAST),
        )
    ),
    "steady pairs": tuple(
        replace(run, data=data, jitter=0.0)
        for data in CHANGES
        for run in (UNET, SAM_CD, replace(SAM_CD, encoder=IMAGENET))
    ),
    "larger and longer": (*maps(LARGE_FORMER), *maps(LONGER_FORMER)),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
