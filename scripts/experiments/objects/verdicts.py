"""Claims about objects and boundaries, and their verdicts from lines of results; they stand here before the runs.

The rule of the verdicts is in claims.py; scores are compared with the same scenes, crops and initial weights. No
verdict is given where all networks of both sides call the whole test area one class (added after the runs on the
LoveDA tile, where all twenty did). One claim is about equality and has a rule of its own: it holds if no seed's score
differs at all. Claims of the paper are its claims for other data (Vaihingen, LoveDA), other networks and a SAM 160
times as large, trained 50,000 steps; what fails here may hold there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from scripts.experiments import claims
from scripts.experiments.claims import (
    FEWEST,
    Claim,
    Line,
    by_row,
    differences,
    heading,
    judged,
    mean_of,
    not_measured,
    spread,
    values_by_seed,
)
from scripts.experiments.lines import mean_cpu_seconds
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
DATA_NAMES = {
    "world": "World",
    "vaihingen": "Vaihingen tile",
    "ign": "IGN tile",
    "loveda": "LoveDA tile",
}


def versus(
    name: str, claim: str, source: str, better: Run, worse: Run, metric: str = "mIoU"
) -> Claim:
    """Claim that one configuration beats another by a score, mIoU if none is named."""
    return claims.versus(name, claim, source, better, worse, score=metric)


def of_network(run: Run, source: str = "paper", full: bool = True) -> list[Claim]:
    """Claims about the two losses for one network on one kind of data."""
    where = f"{DATA_NAMES[run.data]}, {NAMES[run.model]}"
    short = f"{run.data} {run.model}"
    objects, edges = replace(run, objects=LAMBDA_O), replace(run, boundaries=LAMBDA_B)
    found = [
        versus(f"{short} both", f"{where}: both losses beat labels alone.", source, both(run), run)
    ]
    if full:
        found += [
            versus(f"{short} object", f"{where}: the object loss beats labels alone.", source, objects, run),
            versus(f"{short} boundary", f"{where}: the boundary loss beats labels alone.", source, edges, run),
        ]  # fmt: skip
    return found


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


def same(found: Sequence[float]) -> dict[str, Any]:
    """Return the verdict on equality.

    Args:
        found: One difference per seed.

    Example:
        >>> same([0.0, 0.0, 0.0])["verdict"], same([0.0, 0.0, 1e-9])["verdict"]
        ('holds', 'does not hold here')
    """
    if len(found) < FEWEST:
        return not_measured(len(found))
    largest = max(abs(d) for d in found)
    exact = largest == 0
    sentence = (
        f"Holds: the scores of all {len(found)} seeds are equal to the last digit."
        if exact
        else f"Does not hold here: the scores differ by up to {100 * largest:.2g} points."
    )
    return {
        "n": len(found),
        "largest_difference": largest,
        "verdict": "holds" if exact else "does not hold here",
        "sentence": sentence,
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    rows = by_row(lines)
    mute = {row for row, seeds in rows.items() if one_class(seeds.values())}
    verdicts = [
        _named(c) | (UNDECIDED if c.rows <= mute else judged(c, rows, read)) for c in CLAIMS
    ]
    verdicts.append(_named(EQUAL) | same(list(differences(EQUAL, rows, read).values())))
    found = {row: _row(list(seeds.values())) for row, seeds in rows.items()}
    return {
        **claims.rule(verdicts),
        "claims": [*verdicts, *UNTESTED],
        "rows": {row: sums for row, sums in found.items() if row not in mute},
        "rows_of_one_class": {row: found[row] for row in sorted(mute)},
    }


def _named(claim: Claim) -> dict[str, Any]:
    """Return the words of a claim and the score it compares."""
    return heading(claim) | {"score": claim.terms[0].score}


def read(line: Line, score: str) -> float | None:
    """Read a score of a line."""
    return line["scores"][score]


def one_class(lines: Iterable[Line]) -> bool:
    """Whether every network called the whole test area one class: Cohen's kappa is then 0."""
    return all(line["scores"]["kappa"] == 0 for line in lines)


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first, scores = lines[0], [x["scores"] for x in lines]

    def with_values(name: str) -> dict[str, Any] | None:
        if any(s[name] is None for s in scores):
            return None
        return spread([s[name] for s in scores]) | values_by_seed(lines, lambda x: read(x, name))

    known = [x["maps"] for x in lines if x.get("maps")]
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "mode": Run(**first["run"]).mode,
        "n": len(lines),
        "mIoU": with_values("mIoU"),
        "edge_F1": with_values("edge_F1"),
        "OA": spread([s["OA"] for s in scores]),
        "per_class": {
            name: mean_of([s["per_class"][name] or 0.0 for s in scores], 4)
            for name in scores[0]["per_class"]
        },
        "left_out_of_the_means": first["left_out"],
        "terms_after_training": {
            name: mean_of([x["terms"][name] for x in lines], 5) for name in first["terms"]
        },
        "maps": {key: mean_of([m[key] for m in known], 4) for key in known[0]} if known else None,
        "trained": first["trained"],
        "parameters": first["parameters"],
        "cpu_seconds": mean_cpu_seconds(lines),
    }
