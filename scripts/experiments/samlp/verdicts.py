"""Claims about SamLP, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The rule of the verdicts is in claims.py; scores are compared with the same images, order and test images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from scripts.experiments import claims
from scripts.experiments.claims import (
    Claim,
    Line,
    Term,
    by_row,
    heading,
    judged,
    mean_of,
    spread,
)
from scripts.experiments.samlp.plan import ALL, BASE, Run, decoder, samlp, unet

MAIN = "AP50"
"""The score of claims about finding plates: average precision at IoU 0.5, boxes ordered by probability."""
DEFAULT = asdict(Run(0))


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
    (run, stage), (other, earlier) = better, worse
    scores = {"score": (stage, score), "worse_score": (earlier, score)}
    return claims.versus(name, claim, source, run, other, **scores, margin=margin)


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
    versus("step 2 plates", "Step 2 loses at most 2 points of AP50 without a prompt.", "ours",
           (FULL, TWO), (FULL, ONE), margin=-0.02),
    versus("step 2 ten shots", "With 10 images, step 2 finds more plates without a prompt.", "paper",
           (samlp(10), TWO), (samlp(10), ONE)),
    versus("rehearsal click", "Other objects among the prompts of step 2 give back more of the clicks than plates "
           "alone.", "ours", (FULL, REHEARSED), (FULL, TWO), "click"),
    versus("rehearsal restores", "With other objects among the prompts, clicks lose at most 2 points against "
           "SAM before all tuning.", "ours", (FULL, REHEARSED), (FULL, BEFORE), "click", -0.02),
    versus("rehearsal plates", "Other objects among the prompts cost at most 2 points of AP50.", "ours",
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
          (Term(1.0, FULL, (ONE, MAIN)), Term(-1.0, FULL, (ONE, "AP50 by estimate")))),
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


def read(line: Line, score: tuple[str, str]) -> float:
    """Read a score of a line: the stage it was measured after, and its name."""
    stage, name = score
    return line["stages"][stage][name]


def with_values(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and standard deviation of what is a number, and all values in the order of the seeds."""
    known = [v for v in values if v == v]
    return spread(known) | {"values": [round(v, 5) if v == v else None for v in values]}


def _row(seeds: Mapping[int, Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    lines = list(seeds.values())
    first = lines[0]
    return {
        "run": {k: first["run"].get(k, v) for k, v in DEFAULT.items() if k != "seed"},
        "seeds": list(seeds),
        "trained": first["trained"],
        "cpu_seconds": {
            name: mean_of([x["cpu_seconds"][name] for x in lines], 1)
            for name in first["cpu_seconds"]
        },
        "stages": {
            stage: {
                name: with_values([float(read(x, (stage, name))) for x in lines]) for name in scores
            }
            for stage, scores in first["stages"].items()
        },
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    rows = by_row(lines)
    verdicts = [heading(c) | judged(c, rows, read) for c in CLAIMS]
    return {
        **claims.rule(verdicts),
        "claims": [*verdicts, *UNTESTED],
        "rows": {row: _row(seeds) for row, seeds in rows.items()},
    }
