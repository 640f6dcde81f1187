"""Which trainings the experiments with SamLP consist of, in the order of their importance.

A :class:`Run` is one training and its scores; everything it depends on is a field. A run of SamLP holds both
steps, so that the second is judged beside the very first step it grew out of. Groups run seed by seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
SHOTS = (1, 5, 10, 50, 200)
ALL = 200

RATES: dict[str, float] = {"samlp": 5e-3, "second": 1e-3, "decoder": 3e-4, "unet": 1e-2}
"""Base learning rate of AdamW. Chosen by single trials on other images (training 0 to 99, test 10000 to 10039), with
unequal care. Best of those tried, at equal steps: 1e-2 of 3e-3 and 1e-2 for the U-Net (in two sizes, the better is
taken), 3e-4 of 3e-4, 5e-4, 1e-3 and 3e-3 for the decoder, 1e-3 of 1e-3 and 3e-3 for step 2. SamLP was tried at 3e-3
(60 steps), 4e-3 (120) and 1e-2 (90 and 200) with sigmoid Dice, at 1e-2 (90) and 5e-3 (240) with the authors' loss; 5e-3
lies between and was never tried with sigmoid Dice, so the U-Net is the better tuned of the two."""


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: of the images drawn, their order and tilts, and the initial weights.
        model: ``"samlp"``, ``"decoder"`` (no updates, the whole mask decoder learns) or ``"unet"``.
        shots: training images, each with at least one plate.
        rank: of the updates.
        official: the authors' loss.
        iou_weight: weight of the term that trains the estimated IoU, in both steps.
        second: whether step 2 follows.
        rehearsal: whether a second step with other objects among the prompts is made as well, from the
            same first step; the prompts are then scored before, between and after.
        effort: multiple of the usual number of steps of step 1.
        enlarge: how many times SamLP enlarges its images before it reads them; SAM enlarges any image.
    """

    model: str = "samlp"
    shots: int = ALL
    rank: int = 4
    official: bool = False
    iou_weight: float = 0.0
    second: bool = False
    rehearsal: bool = False
    effort: float = 1.0
    enlarge: int = 1

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.model != "unet"


def samlp(shots: int) -> Run:
    """SamLP with its second step; at all images with the rehearsal and the prompts, too."""
    return Run(0, shots=shots, second=True, rehearsal=shots == ALL)


def decoder(shots: int) -> Run:
    """Return the run that trains the whole decoder."""
    return Run(0, model="decoder", shots=shots)


def unet(shots: int) -> Run:
    """Return the run of the U-Net."""
    return Run(0, model="unet", shots=shots)


BASE = Run(0)
"""The first step alone, on all images."""

GROUPS: dict[str, tuple[Run, ...]] = {
    "all images": (samlp(ALL), decoder(ALL), unet(ALL)),
    "ten shots": (samlp(10), decoder(10), unet(10)),
    "one shot": (samlp(1), decoder(1), unet(1)),
    "the authors' loss": (replace(BASE, official=True),),
    "fifty shots": (samlp(50), decoder(50), unet(50)),
    "five shots": (samlp(5), decoder(5), unet(5)),
    "rank": (replace(BASE, rank=2),),
    "estimated IoU": (replace(BASE, iou_weight=1.0),),
    # Asked after the first rows of the groups above were seen: is a plate too few patches?
    "enlarged": (replace(BASE, enlarge=2),),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
