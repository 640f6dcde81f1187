"""From lines of results to rows and verdicts on objects and boundaries; the rules stand here before the runs.

A claim compares two configurations, seed by seed: same scenes, same crops, same initial weights. It *holds* if
the mean of the paired differences lies more than two standard errors above zero, and *does not hold here*
otherwise; the sentence beside it says whether the difference was too small to tell or went the other way. Fewer
than three pairs give no verdict, and none is given where all networks of both sides call the whole test area
one class (added after the runs on the LoveDA tile, where all twenty did). One claim is about equality and has a
rule of its own: it holds if no seed's score differs at all. Claims of the paper are its claims for other data
(Vaihingen, LoveDA), other networks and a SAM 160 times as large, trained 50,000 steps; what fails here may hold
there.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.experiments.mfnet.verdicts import judge, paired, spread
from scripts.experiments.objects.plan import (
    LAMBDA_B,
    LAMBDA_O,
    MFNET,
    POINTS,
    UNET,
    UNETFORMER,
    Run,
    both,
)

NAMES = {"unet": "U-Net", "unetformer": "UNetFormer", "mfnet": "MFNet"}
PLACES = {
    "world": "World",
    "vaihingen": "Vaihingen tile",
    "ign": "IGN tile",
    "loveda": "LoveDA tile",
}


@dataclass(frozen=True)
class Claim:
    """One claim, as a weighted sum of scores whose mean must exceed zero.

    Attributes:
        name: short name.
        claim: the sentence that is tested.
        source: ``"paper"`` for a claim of Ma et al., ``"ours"`` for one of this project.
        terms: weight and configuration; the difference is the sum of weight × score.
        metric: key of the score.
        absolute: always 0: differences only.
    """

    name: str
    claim: str
    source: str
    terms: tuple[tuple[float, Run], ...]
    metric: str = "mIoU"
    absolute: float = 0.0


def versus(
    name: str, claim: str, source: str, better: Run, worse: Run, metric: str = "mIoU"
) -> Claim:
    """Claim that one configuration beats another."""
    return Claim(name, claim, source, ((1.0, better), (-1.0, worse)), metric)


def of_network(run: Run, source: str = "paper", full: bool = True) -> list[Claim]:
    """Claims about the two losses for one network on one kind of data."""
    where = f"{PLACES[run.data]}, {NAMES[run.model]}"
    short = f"{run.data} {run.model}"
    objects, edges = replace(run, objects=LAMBDA_O), replace(run, boundaries=LAMBDA_B)
    claims = [
        versus(f"{short} both", f"{where}: both losses beat labels alone.", source, both(run), run)
    ]
    if full:
        claims += [
            versus(f"{short} object", f"{where}: the object loss beats labels alone.", source, objects, run),
            versus(f"{short} boundary", f"{where}: the boundary loss beats labels alone.", source, edges, run),
        ]  # fmt: skip
    return claims


PERFECT, SUPERPIXELS = replace(UNET, maps="perfect"), replace(UNET, maps="superpixels")

CLAIMS: tuple[Claim, ...] = (
    *of_network(UNET),
    *of_network(UNETFORMER),
    *of_network(MFNET),
    *(
        versus(f"{run.model} both>object", f"World, {NAMES[run.model]}: both losses beat the object loss alone.",
               "paper", both(run), replace(run, objects=LAMBDA_O))
        for run in (UNET, UNETFORMER, MFNET)
    ),
    *(
        versus(f"{run.model} edges", f"World, {NAMES[run.model]}: the boundary loss raises the F1 of borders.",
               "ours", replace(run, boundaries=LAMBDA_B), run, metric="edge_F1")
        for run in (UNET, UNETFORMER, MFNET)
    ),
    *of_network(replace(UNET, data="vaihingen")),
    *of_network(replace(UNETFORMER, data="vaihingen"), full=False),
    *of_network(replace(MFNET, data="vaihingen"), full=False),
    *of_network(replace(UNET, data="ign"), "ours"),
    *of_network(replace(UNETFORMER, data="ign"), "ours", full=False),
    *of_network(replace(MFNET, data="ign"), "ours", full=False),
    *of_network(replace(UNET, data="loveda")),
    versus("perfect>seg", "World, U-Net: with perfect objects, both losses beat labels alone.", "ours",
           both(PERFECT), UNET),
    versus("perfect object>seg", "World, U-Net: with perfect objects, the object loss beats labels alone.",
           "ours", replace(PERFECT, objects=LAMBDA_O), UNET),
    versus("perfect boundary>seg", "World, U-Net: with perfect objects, the boundary loss beats labels alone.",
           "ours", replace(PERFECT, boundaries=LAMBDA_B), UNET),
    versus("perfect>seg unetformer", "World, UNetFormer: with perfect objects, both losses beat labels alone.",
           "ours", both(replace(UNETFORMER, maps="perfect")), UNETFORMER),
    versus("perfect>sam", "World, U-Net, both losses: perfect objects beat the small SAM's.", "ours",
           both(PERFECT), both(UNET)),
    versus("perfect>sam unetformer", "World, UNetFormer, both losses: perfect objects beat the small SAM's.",
           "ours", both(replace(UNETFORMER, maps="perfect")), both(UNETFORMER)),
    versus("sam>superpixels", "World, U-Net, both losses: the small SAM's objects beat superpixels.", "ours",
           both(UNET), both(SUPERPIXELS)),
    versus("lambda_o>0.1", "World, U-Net: weight 1 of the object loss beats 0.1.", "ours",
           replace(UNET, objects=LAMBDA_O), replace(UNET, objects=0.1)),
    versus("lambda_o>10", "World, U-Net: weight 1 of the object loss beats 10.", "ours",
           replace(UNET, objects=LAMBDA_O), replace(UNET, objects=10.0)),
    versus("lambda_b>0.01", "World, U-Net: weight 0.1 of the boundary loss beats 0.01.", "ours",
           replace(UNET, boundaries=LAMBDA_B), replace(UNET, boundaries=0.01)),
    versus("lambda_b>1", "World, U-Net: weight 0.1 of the boundary loss beats 1.", "ours",
           replace(UNET, boundaries=LAMBDA_B), replace(UNET, boundaries=1.0)),
    versus("points sam", "World, U-Net, one labelled pixel in 200: both losses beat labels alone.", "ours",
           both(replace(UNET, labels=POINTS)), replace(UNET, labels=POINTS)),
    versus("points perfect", "World, U-Net, one labelled pixel in 200: with perfect objects both losses beat "
           "labels alone.", "ours",
           both(replace(UNET, labels=POINTS, maps="perfect")), replace(UNET, labels=POINTS)),
    versus("original boundary", "World, U-Net: the boundary loss of the publication's code beats labels alone.",
           "ours", replace(UNET, boundaries=LAMBDA_B, variant="official_original"), UNET),
    versus("soft>original", "World, U-Net: the boundary loss as the text means it beats the publication's code.",
           "ours", replace(UNET, boundaries=LAMBDA_B),
           replace(UNET, boundaries=LAMBDA_B, variant="official_original")),
)  # fmt: skip

EQUAL = versus(
    "current = seg",
    "World, U-Net: the boundary loss of the authors' current code, which has no gradient, trains exactly as "
    "labels alone.",
    "ours",
    replace(UNET, boundaries=LAMBDA_B, variant="official"),
    UNET,
)
"""Judged by :func:`same`."""

UNTESTED = (
    {
        "name": "backbones",
        "claim": "The losses help FTUNetFormer, ABCNet and CMTFNet as well.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: one published network and two of ours were trained.",
    },
)


UNDECIDED = {
    "n": 0,
    "verdict": "not decided here",
    "sentence": "Not decided here: all trainings of both sides called the whole test area one class, so "
    "there is nothing to compare.",
}


def same(differences: Sequence[float]) -> dict[str, Any]:
    """Verdict on equality.

    Args:
        differences: one per seed.

    Example:
        >>> same([0.0, 0.0, 0.0])["verdict"], same([0.0, 0.0, 1e-9])["verdict"]
        ('holds', 'does not hold here')
    """
    if len(differences) < 3:
        return {"n": len(differences), "verdict": "not measured", "sentence": "Not measured yet."}
    largest = max(abs(d) for d in differences)
    exact = largest == 0
    sentence = (
        f"Holds: the scores of all {len(differences)} seeds are equal to the last digit."
        if exact
        else f"Does not hold here: the scores differ by up to {100 * largest:.2g} points."
    )
    return {
        "n": len(differences),
        "largest_difference": largest,
        "verdict": "holds" if exact else "does not hold here",
        "sentence": sentence,
    }


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows and verdicts of all lines.

    Args:
        lines: as the experiment writes them; of two with one key the later counts.
    """
    by_row: dict[str, dict[int, dict[str, Any]]] = {}
    for line in lines:
        by_row.setdefault(line["row"], {})[line["seed"]] = line
    rows = {row: _row([seeds[seed] for seed in sorted(seeds)]) for row, seeds in by_row.items()}
    mute = {row for row, seeds in by_row.items() if one_class(seeds.values())}
    scores = {
        metric: {
            row: {
                s: x["scores"][metric] for s, x in seeds.items() if x["scores"][metric] is not None
            }
            for row, seeds in by_row.items()
        }
        for metric in ("mIoU", "edge_F1")
    }
    claims = [
        {"name": c.name, "claim": c.claim, "source": c.source, "score": c.metric}
        | (
            UNDECIDED
            if {run.row for _, run in c.terms} <= mute
            else judge(list(paired(c, scores[c.metric]).values()))  # type: ignore[arg-type]
        )
        for c in CLAIMS
    ]
    equal = same(list(paired(EQUAL, scores["mIoU"]).values()))  # type: ignore[arg-type]
    claims.append(
        {"name": EQUAL.name, "claim": EQUAL.claim, "source": EQUAL.source, "score": "mIoU"} | equal
    )
    return {
        "rule": "holds if the mean paired difference exceeds zero by two standard errors",
        "claims": [*claims, *UNTESTED],
        "rows": {row: found for row, found in rows.items() if row not in mute},
        "rows_of_one_class": {row: rows[row] for row in sorted(mute)},
    }


def one_class(lines: Iterable[dict[str, Any]]) -> bool:
    """Whether every network called the whole test area one class: Cohen's kappa is then 0."""
    return all(line["scores"]["kappa"] == 0 for line in lines)


def _row(every: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    scores = [x["scores"] for x in every]

    def listed(name: str) -> dict[str, Any] | None:
        if any(s[name] is None for s in scores):
            return None
        values = {str(x["seed"]): round(x["scores"][name], 5) for x in every}
        return spread([s[name] for s in scores]) | {"values": values}

    run = Run(**every[0]["run"])
    known = [x["maps"] for x in every if x.get("maps")]
    return {
        "run": {k: v for k, v in every[0]["run"].items() if k != "seed"},
        "mode": run.mode,
        "n": len(every),
        "mIoU": listed("mIoU"),
        "edge_F1": listed("edge_F1"),
        "OA": spread([s["OA"] for s in scores]),
        "per_class": {
            name: round(statistics.mean(s["per_class"][name] or 0.0 for s in scores), 4)
            for name in scores[0]["per_class"]
        },
        "left_out_of_the_means": every[0]["left_out"],
        "terms_after_training": {
            name: round(statistics.mean(x["terms"][name] for x in every), 5)
            for name in every[0]["terms"]
        },
        "maps": {key: round(statistics.mean(m[key] for m in known), 4) for key in known[0]}
        if known
        else None,
        "trained": every[0]["trained"],
        "parameters": every[0]["parameters"],
        "train_seconds": round(statistics.mean(x["train_seconds"] for x in every), 1),
    }
