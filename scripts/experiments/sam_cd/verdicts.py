"""From lines of results to rows and verdicts; the rules stand here before the runs are made.

A claim is a weighted sum of scores, seed by seed: same pairs, same crops, same order. It *holds* if its mean
lies more than two standard errors above the margin that the claim needs (0 without one), and *does not hold
here* otherwise; the sentence beside it says whether the difference was too small to tell or went the other
way. Fewer than three seeds give no verdict. The score is F1 of the changed class unless a term names another.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.experiments.mfnet.verdicts import FEWEST, judge, spread
from scripts.experiments.sam_cd.plan import (
    BASE,
    FEW,
    NO_CONSTRAINT,
    NO_SEMANTIC,
    OFFICIAL,
    REAL,
    UNET,
    Run,
    on,
)

FOREST = {"levir": 0.32, "dsifn": 0.50}
"""F1 of a random forest on single pixels of the real tiles, measured elsewhere on another division of them."""
Term = tuple[float, Run, str]


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        name: short name.
        claim: the sentence that is tested.
        source: ``"paper"`` for a claim of Ding et al., ``"ours"`` for one of this project.
        terms: weight, configuration and score (``"F1"``, or a name among the line's other scores).
        margin: what the sum must exceed.
        absolute: a number that is subtracted as well; the file of results names its size as the limit that
            the difference is counted from.
    """

    name: str
    claim: str
    source: str
    terms: tuple[Term, ...]
    margin: float = 0.0
    absolute: float = 0.0


def versus(
    name: str, claim: str, source: str, better: Run, worse: Run, margin: float = 0.0
) -> Claim:
    """Claim that one configuration beats another."""
    return Claim(name, claim, source, ((1.0, better, "F1"), (-1.0, worse, "F1")), margin)


SWAPPED, DIFFERS = "F1 swapped", "differs when swapped"
TWICE, NOTHING = "called changed, same picture twice", "called changed, nothing built"
CALM = "F1 at pseudo-change 0"
RANDOM = replace(BASE, pretrained=False)
UNSYMMETRIC = replace(BASE, symmetric=False)


def with_labels(run: Run, pairs: int) -> Run:
    """Return the configuration with fewer labelled pairs."""
    return replace(run, pairs=pairs)


CLAIMS: tuple[Claim, ...] = (
    versus("semantic", "The semantic branch with its constraint helps.", "paper", BASE, NO_SEMANTIC),
    versus("constraint", "The temporal constraint helps a network that has the semantic branch.", "paper",
           BASE, NO_CONSTRAINT),
    versus("adaptor", "The adaptors help.", "paper", BASE, replace(BASE, adaptor=False)),
    versus("sam_cd>unet", "SAM-CD beats an early-fusion U-Net on all labels.", "paper", BASE, UNET),
    *(versus(f"labels {n}", f"SAM-CD beats the U-Net with {5 * n} percent of the labels.", "paper",
             with_labels(BASE, n), with_labels(UNET, n)) for n in FEW),
    Claim("few labels", "SAM-CD is ahead of the U-Net by more with 5 percent of the labels than with all.",
          "paper", ((1.0, with_labels(BASE, 1), "F1"), (-1.0, with_labels(UNET, 1), "F1"),
                    (-1.0, BASE, "F1"), (1.0, UNET, "F1"))),
    versus("tenth = all", "SAM-CD with 10 percent of the labels beats the U-Net with all.", "ours",
           with_labels(BASE, 2), UNET),
    versus("semantic, few", "The semantic branch helps with 5 percent of the labels.", "ours",
           with_labels(BASE, 1), with_labels(NO_SEMANTIC, 1)),
    versus("pretrained", "What the encoder has learnt helps: the small SAM beats random weights.", "paper",
           BASE, RANDOM),
    versus("mended", "Our default beats the authors' code.", "ours", BASE, OFFICIAL),
    Claim("calmer", "The constraint lowers false alarms: fewer pixels called changed where season, sun and "
          "cars changed and no building did.", "paper",
          ((1.0, NO_CONSTRAINT, NOTHING), (-1.0, BASE, NOTHING))),
    Claim("pseudo", "Pseudo-change costs: the same network is better where the second date has the light "
          "and season of the first.", "ours", ((1.0, BASE, CALM), (-1.0, BASE, "F1"))),
    versus("seen", "A network trained without pseudo-change is worse where there is some.", "ours",
           BASE, replace(BASE, pseudo=0.0)),
    Claim("seen, U-Net", "The U-Net loses more than SAM-CD by training without pseudo-change.", "ours",
          ((1.0, UNET, "F1"), (-1.0, replace(UNET, pseudo=0.0), "F1"),
           (-1.0, BASE, "F1"), (1.0, replace(BASE, pseudo=0.0), "F1"))),
    Claim("order", "The authors' code depends on the order of the dates: more than 1 percent of the pixels "
          "change class when they are swapped.", "ours", ((1.0, OFFICIAL, DIFFERS),), absolute=0.01),
    Claim("order, score", "Swapping the dates costs the authors' code F1.", "ours",
          ((1.0, OFFICIAL, "F1"), (-1.0, OFFICIAL, SWAPPED))),
    versus("symmetric", "Symmetric fusion beats concatenation.", "ours", BASE, UNSYMMETRIC),
    Claim("twice", "Of one image given twice, our default calls less than half a percent changed.", "ours",
          ((-1.0, BASE, TWICE),), absolute=-0.005),
    Claim("twice, official", "Of one image given twice, the authors' code calls less than half a percent "
          "changed.", "ours", ((-1.0, OFFICIAL, TWICE),), absolute=-0.005),
    *(claim for data in REAL for claim in (
        versus(f"{data} forest", f"Real tiles, {data}: SAM-CD beats a random forest on the same division.",
               "ours", on(data, BASE), on(data, replace(BASE, model="forest"))),
        versus(f"{data} unet", f"Real tiles, {data}: SAM-CD beats the U-Net.", "ours",
               on(data, BASE), on(data, UNET)),
        versus(f"{data} semantic", f"Real tiles, {data}: the semantic branch helps.", "ours",
               on(data, BASE), on(data, NO_SEMANTIC)),
    )),
)  # fmt: skip


def value(line: dict[str, Any], score: str) -> float | None:
    """A score of a line; a changed class that was never called has precision, and so F1, of 0."""
    if score == "F1":
        return float(line["scores"]["F1"] or 0.0)
    found = line["also"].get(score)
    return None if found is None else float(0.0 if found != found else found)


def sums(claim: Claim, lines: dict[str, dict[int, dict[str, Any]]]) -> dict[int, float]:
    """Weighted sum per seed, for the seeds that every configuration of the claim has."""
    rows = [
        {
            seed: weight * found
            for seed, line in lines.get(run.row, {}).items()
            if (found := value(line, score)) is not None
        }
        for weight, run, score in claim.terms
    ]
    seeds = set.intersection(*(set(row) for row in rows))
    return {seed: sum(row[seed] for row in rows) - claim.absolute for seed in sorted(seeds)}


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows and verdicts of all lines; a row of fewer seeds than a verdict needs is left out.

    Args:
        lines: as the experiment writes them; of two with one key the later counts.
    """
    by_row: dict[str, dict[int, dict[str, Any]]] = {}
    for line in lines:
        by_row.setdefault(line["row"], {})[line["seed"]] = line
    rows = {}
    for row, seeds in by_row.items():
        every = [seeds[seed] for seed in sorted(seeds)]
        if len(every) < FEWEST:
            continue
        rows[row] = {
            "run": {k: v for k, v in every[0]["run"].items() if k != "seed"},
            "n": len(every),
            **{
                name: spread([x["scores"][name] or 0.0 for x in every])
                for name in every[0]["scores"]
            },
            "trained": every[0].get("trained"),
            "train_seconds": round(statistics.mean(x["train_seconds"] for x in every), 1),
            "also": {
                name: spread([value(x, name) or 0.0 for x in every]) for name in every[0]["also"]
            },
        }
        rows[row]["F1"]["values"] = {str(x["seed"]): round(value(x, "F1") or 0, 5) for x in every}
    claims = [
        {"name": c.name, "claim": c.claim, "source": c.source}
        | judge(list(sums(c, by_row).values()), c.margin)
        | ({"limit": abs(c.absolute)} if c.absolute else {})
        for c in CLAIMS
    ]
    return {
        "rule": "holds if the mean over seeds exceeds its margin by two standard errors",
        "claims": claims,
        "rows": rows,
        "random_forest_elsewhere": FOREST,
    }
