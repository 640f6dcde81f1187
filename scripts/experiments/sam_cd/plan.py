"""Which trainings the experiments with SAM-CD consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
TUNING_SEEDS = (900,)
"""Learning rates were chosen with these; no result uses them."""

RATES: dict[str, float] = {"sam_cd": 1e-2, "unet": 3e-3}
"""Base learning rate of AdamW by network. For SAM-CD the better of 3e-3 and 1e-2 on seed 900; for the U-Net
3e-3, which was not compared with 1e-2 once changed pixels weighed more in the loss."""

REAL = ("levir", "dsifn")


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: of the pairs, the crops and the initial weights; rows are compared seed by seed.
        data: ``"world"``, or the real tiles ``"levir"`` and ``"dsifn"``.
        model: ``"sam_cd"``, ``"unet"`` (both dates stacked at its input) or ``"forest"`` (single pixels).
        temporal: weight of the temporal constraint (SAM-CD, as all down to ``pretrained``).
        semantic: whether there is a semantic branch.
        adaptor: whether there are adaptors.
        symmetric: whether the order of the dates is without effect.
        official: the authors' code.
        pretrained: whether the encoder is the small SAM or the same with random weights.
        pairs: training pairs with a label.
        pseudo: pseudo-change of the training pairs, 0 to 1.
        effort: multiple of the usual number of steps.
    """

    data: str = "world"
    model: str = "sam_cd"
    temporal: float = 1.0
    semantic: bool = True
    adaptor: bool = True
    symmetric: bool = True
    official: bool = False
    pretrained: bool = True
    pairs: int = 20
    pseudo: float = 1.0
    effort: float = 1.0

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.model == "sam_cd"


BASE = Run(0)
UNET = replace(BASE, model="unet")
NO_CONSTRAINT = replace(BASE, temporal=0.0)
NO_SEMANTIC = replace(BASE, semantic=False)
OFFICIAL = replace(BASE, official=True)
SHORTER = 0.5
"""Steps on real tiles, as a multiple of the usual number: two tiles to learn from are few."""
FEW = (1, 2, 4, 10)
"""Pairs that are 5, 10, 20 and 50 percent of all."""


def on(data: str, run: Run) -> Run:
    """Return the configuration on real tiles; a forest takes no steps."""
    return replace(run, data=data, effort=0.0 if run.model == "forest" else SHORTER)


GROUPS: dict[str, tuple[Run, ...]] = {
    "main": (
        BASE,
        UNET,
        NO_CONSTRAINT,
        NO_SEMANTIC,
        replace(BASE, adaptor=False),
        OFFICIAL,
    ),
    "fewest labels": (replace(BASE, pairs=1), replace(UNET, pairs=1)),
    "real tiles": tuple(on(data, run) for data in REAL for run in (BASE, UNET)),
    "forest": tuple(on(data, replace(BASE, model="forest")) for data in REAL),
    "pre-training": (replace(BASE, pretrained=False),),
    "trained without pseudo-change": (replace(BASE, pseudo=0.0), replace(UNET, pseudo=0.0)),
    "ten percent of the labels": (replace(BASE, pairs=2), replace(UNET, pairs=2)),
    "real tiles, no semantic branch": tuple(on(data, NO_SEMANTIC) for data in REAL),
    "labels, between": tuple(replace(r, pairs=n) for n in (4, 10) for r in (BASE, UNET)),
    "order": (replace(BASE, symmetric=False),),
    "half the pseudo-change": (replace(BASE, pseudo=0.5), replace(UNET, pseudo=0.5)),
    "few labels, no semantic branch": (replace(NO_SEMANTIC, pairs=1),),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
