"""From lines of results to rows and verdicts; the rules stand here before the runs are made.

A claim compares scores seed by seed: same images, same order, same test images. It *holds* if the mean of the
paired differences lies more than two standard errors above the margin that the claim needs (0 without one;
negative where a small loss is allowed), and *does not hold here* otherwise. Fewer than three pairs give
no verdict.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scripts.experiments.mfnet.verdicts import ERRORS, judge
from scripts.experiments.samlp.plan import ALL, BASE, Run, decoder, samlp, unet

MAIN = "AP50"
"""The score of claims about finding plates: average precision at IoU 0.5, boxes ordered by probability."""
DEFAULT = asdict(Run(0))
Term = tuple[float, Run, str, str]
"""Weight, configuration, stage, score."""


@dataclass(frozen=True)
class Claim:
    """One claim, as a weighted sum of scores whose mean must exceed a margin.

    Attributes:
        name: short name.
        claim: the sentence that is tested.
        source: ``"paper"`` for a claim of Ding et al. as the notes on it tell, ``"ours"`` for one of
            this project.
        terms: what is summed.
        margin: what the sum must exceed.
    """

    name: str
    claim: str
    source: str
    terms: tuple[Term, ...]
    margin: float = 0.0


def versus(
    name: str,
    claim: str,
    source: str,
    better: tuple[Run, str],
    worse: tuple[Run, str],
    score: str = MAIN,
    margin: float = 0.0,
) -> Claim:
    """Claim that one stage of a run beats another by one score."""
    terms = ((1.0, *better, score), (-1.0, *worse, score))
    return Claim(name, claim, source, terms, margin)


ONE, TWO, BEFORE, REHEARSED = "step 1", "step 2", "before", "rehearsed"
FULL = samlp(ALL)
DICE2, RANK2 = replace(BASE, official=True), replace(BASE, rank=2)
ESTIMATE = replace(BASE, iou_weight=1.0)

CLAIMS: tuple[Claim, ...] = (
    *(
        versus(f"samlp>unet {n}", f"With {n} image{'s' * (n > 1)}, SamLP finds plates better than a small "
               "U-Net from scratch on the same images and steps.", "paper",
               (samlp(n), ONE), (unet(n), ONE))
        for n in (1, 5, 10, 50, ALL)
    ),
    *(
        versus(f"lora>decoder {n}", f"With {n} image{'s' * (n > 1)}, low-rank updates of encoder and decoder "
               "beat training every weight of the decoder.", "paper",
               (samlp(n), ONE), (decoder(n), ONE))
        for n in (1, 10, ALL)
    ),
    versus("enlarged", "The same images enlarged to twice their side before the encoder reads them give more "
           "plates (asked after the first rows were seen).", "ours",
           (replace(BASE, enlarge=2), ONE), (FULL, ONE)),
    versus("more images", "More images help: 200 beat 10.", "ours", (FULL, ONE), (samlp(10), ONE)),
    versus("suppresses click", "Step 1 suppresses prompts: a click on any object returns it worse than before.",
           "paper", (FULL, BEFORE), (FULL, ONE), "click"),
    versus("suppresses box", "Step 1 suppresses prompts: a box around any object returns it worse than before.",
           "paper", (FULL, BEFORE), (FULL, ONE), "box"),
    versus("step 2 click", "Step 2 gives back what clicks on any object return.", "paper",
           (FULL, TWO), (FULL, ONE), "click"),
    versus("step 2 box", "Step 2 gives back what boxes around any object return.", "paper",
           (FULL, TWO), (FULL, ONE), "box"),
    versus("step 2 plate click", "Step 2 improves what a click on a plate returns.", "paper",
           (FULL, TWO), (FULL, ONE), "plate click"),
    versus("step 2 plates", "Step 2 finds plates at least as well without a prompt, but for 2 points.", "ours",
           (FULL, TWO), (FULL, ONE), margin=-0.02),
    versus("step 2 ten shots", "With 10 images, step 2 finds more plates without a prompt.", "paper",
           (samlp(10), TWO), (samlp(10), ONE)),
    versus("rehearsal click", "Other objects among the prompts of step 2 give back more of the clicks than plates "
           "alone.", "ours", (FULL, REHEARSED), (FULL, TWO), "click"),
    versus("rehearsal restores", "With other objects among the prompts, clicks return as much as before all "
           "tuning, but for 2 points.", "ours", (FULL, REHEARSED), (FULL, BEFORE), "click", -0.02),
    versus("rehearsal plates", "Other objects among the prompts cost no plates, but for 2 points.", "ours",
           (FULL, REHEARSED), (FULL, TWO), margin=-0.02),
    versus("ambiguity", "Step 1 makes the three masks alike.", "ours", (FULL, ONE), (FULL, BEFORE), "agreement"),
    versus("dice", "Sigmoid Dice of each mask beats the authors' Dice of two classes.", "ours",
           (FULL, ONE), (DICE2, ONE)),
    versus("threshold", "Masks trained with the authors' loss fit better if cut at 0.5, where that loss is "
           "undecided, than at 0.", "ours", (DICE2, "step 1, cut at 0.5"), (DICE2, ONE), "mask IoU"),
    versus("rank", "Rank 4, the default of the authors' test, beats rank 2, that of their training.", "ours",
           (FULL, ONE), (RANK2, ONE)),
    Claim("estimate orders", "After step 1 boxes are better ordered by their probability than by the estimated "
          "IoU, which nothing trained.", "ours",
          ((1.0, FULL, ONE, MAIN), (-1.0, FULL, ONE, "AP50 by estimate"))),
    versus("estimate trained", "Training the estimate brings it closer to the true IoU.", "ours",
           (FULL, ONE), (ESTIMATE, ONE), "estimate error"),
    versus("estimate AP", "Training the estimate improves the order of boxes by it.", "ours",
           (ESTIMATE, ONE), (FULL, ONE), "AP50 by estimate"),
)  # fmt: skip

UNTESTED = (
    {
        "claim": "The best rank, and every number of the paper's tables.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: the tables could not be read, and none of their data sets is used.",
    },
)

Scores = dict[str, dict[int, dict[str, dict[str, float]]]]


def paired(claim: Claim, scores: Scores) -> dict[int, float]:
    """Sum per seed, for the seeds that every configuration of the claim has."""
    rows = [
        (weight, scores.get(run.row, {}), stage, name) for weight, run, stage, name in claim.terms
    ]
    seeds = set.intersection(*(set(row) for _, row, _, _ in rows))
    return {
        seed: sum(weight * row[seed][stage][name] for weight, row, stage, name in rows)
        for seed in sorted(seeds)
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation, and the values by seed."""
    kept = [v for v in values if v == v]
    return {
        "mean": round(statistics.mean(kept), 5) if kept else None,
        "std": round(statistics.stdev(kept), 5) if len(kept) > 1 else None,
        "values": [round(v, 5) if v == v else None for v in values],
    }


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows and verdicts of all lines.

    Args:
        lines: as the experiment writes them; of two with one key the later counts.
    """
    by_row: dict[str, dict[int, dict[str, Any]]] = {}
    for line in lines:
        by_row.setdefault(line["row"], {})[line["seed"]] = line
    rows = {}
    for row, seeds in by_row.items():
        every = [seeds[seed] for seed in sorted(seeds)]
        rows[row] = {
            "run": {k: every[0]["run"].get(k, v) for k, v in DEFAULT.items() if k != "seed"},
            "seeds": sorted(seeds),
            "trained": every[0]["trained"],
            "cpu_seconds": {
                name: round(statistics.mean(x["cpu_seconds"][name] for x in every), 1)
                for name in every[0]["cpu_seconds"]
            },
            "stages": {
                stage: {
                    name: spread([float(x["stages"][stage][name]) for x in every])
                    for name in every[0]["stages"][stage]
                }
                for stage in every[0]["stages"]
            },
        }
    scores = {r: {s: x["stages"] for s, x in seeds.items()} for r, seeds in by_row.items()}
    claims = [
        {"name": c.name, "claim": c.claim, "source": c.source}
        | judge(list(paired(c, scores).values()), c.margin)
        for c in CLAIMS
    ]
    return {
        "rule": f"holds if the mean paired difference exceeds its margin by {ERRORS:g} standard errors",
        "claims": [*claims, *UNTESTED],
        "rows": rows,
    }
