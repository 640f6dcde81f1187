"""Which trainings the experiments with objects and boundaries consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.experiments.mfnet import plan as mfnet_plan
from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
TUNING_SEEDS = (900,)
"""Learning rates were chosen with these, on labels alone; no result uses them."""

RATES: dict[str, float] = {
    "unet": mfnet_plan.RATES["unet"],
    "unetformer": 3e-3,
    "mfnet": mfnet_plan.RATES["mmlora"],
}
"""Base learning rate of AdamW. Those of U-Net and MFNet are the ones of the experiments with MFNet; UNetFormer's
is the best of 1e-3, 3e-3 and 1e-2 on seed 900."""

SCALINGS: dict[str, str] = {
    "unet": mfnet_plan.SCALINGS["unet"],
    "unetformer": "ground",
    "mfnet": mfnet_plan.SCALINGS["mfnet"],
}
"""Scaling of the elevations; that of U-Net and MFNet as chosen for the experiments with MFNet."""

LAMBDA_O, LAMBDA_B = 1.0, 0.1
"""The paper's weights."""


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: of the scenes, the crops and the initial weights; rows are compared seed by seed.
        data: ``"world"``, ``"ign"``, ``"vaihingen"`` or ``"loveda"``.
        model: ``"unet"``, ``"unetformer"`` or ``"mfnet"``.
        objects: weight of the object loss.
        boundaries: weight of the boundary loss.
        variant: of the boundary loss.
        maps: where objects and boundaries come from: ``"sam"`` (the small one), ``"perfect"`` (the world's
            own instances) or ``"superpixels"``.
        labels: share of the training pixels that are labelled.
    """

    data: str = "world"
    model: str = "unet"
    objects: float = 0.0
    boundaries: float = 0.0
    variant: str = "soft"
    maps: str = "sam"
    labels: float = 1.0

    @property
    def has_heights(self) -> bool:
        """Whether its data have elevations beside the image."""
        return self.data in ("world", "ign")

    @property
    def assisted(self) -> bool:
        """Whether it reads maps of objects and boundaries at all."""
        return bool(self.objects or self.boundaries)

    @property
    def mode(self) -> str:
        """What is trained on, in a word of the paper's tables."""
        words = [w for w, x in (("object", self.objects), ("boundary", self.boundaries)) if x]
        return "+".join(["seg", *words])

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.model == "mfnet" or (self.assisted and self.maps == "sam")

    def changed_fields(self) -> dict[str, Any]:
        """Return data, model and the fields that are not at their default and matter for the losses in use."""
        changed = super().changed_fields()
        if not self.assisted:
            changed.pop("maps", None)
        if not self.boundaries:
            changed.pop("variant", None)
        return {"data": self.data, "model": self.model} | changed


def modes(run: Run) -> tuple[Run, ...]:
    """The four columns of the paper's tables: labels alone, with one loss, with the other, with both."""
    o, b = LAMBDA_O, LAMBDA_B
    pairs = ((0.0, 0.0), (o, 0.0), (0.0, b), (o, b))
    return tuple(replace(run, objects=x, boundaries=y) for x, y in pairs)


def both(run: Run) -> Run:
    """The configuration with both losses at the paper's weights."""
    return replace(run, objects=LAMBDA_O, boundaries=LAMBDA_B)


def ends(run: Run) -> tuple[Run, Run]:
    """Labels alone, and both losses."""
    return modes(run)[0], both(run)


UNET, UNETFORMER, MFNET = Run(0), Run(0, model="unetformer"), Run(0, model="mfnet")
POINTS = 0.005
"""Share of labelled pixels where labels are single points: about one in 200."""

GROUPS: dict[str, tuple[Run, ...]] = {
    "world, U-Net": modes(UNET),
    "world, UNetFormer": modes(UNETFORMER),
    "perfect objects, U-Net": modes(replace(UNET, maps="perfect")),
    "Vaihingen, U-Net": modes(replace(UNET, data="vaihingen")),
    "IGN, U-Net": modes(replace(UNET, data="ign")),
    "world, MFNet, ends": ends(MFNET),
    "weights": (
        *(replace(UNET, objects=x) for x in (0.1, 10.0)),
        *(replace(UNET, boundaries=x) for x in (0.01, 1.0)),
    ),
    "quality, both losses": (
        both(replace(UNET, maps="superpixels")),
        both(replace(UNETFORMER, maps="perfect")),
    ),
    "points": (
        replace(UNET, labels=POINTS),
        both(replace(UNET, labels=POINTS)),
        both(replace(UNET, labels=POINTS, maps="perfect")),
    ),
    "world, MFNet": modes(MFNET),
    "IGN, UNetFormer": ends(replace(UNETFORMER, data="ign")),
    "authors' boundary losses": tuple(
        replace(UNET, boundaries=LAMBDA_B, variant=v) for v in ("official_original", "official")
    ),
    "Vaihingen, UNetFormer": ends(replace(UNETFORMER, data="vaihingen")),
    "LoveDA, U-Net": modes(replace(UNET, data="loveda")),
    "IGN, MFNet": ends(replace(MFNET, data="ign")),
    "Vaihingen, MFNet": ends(replace(MFNET, data="vaihingen")),
    "superpixels, one loss": modes(replace(UNET, maps="superpixels"))[1:3],
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
