"""From lines of results to rows and verdicts; the rules stand here before the runs are made.

A claim compares two configurations, seed by seed: same scenes, same crops, same order. It *holds* if the mean
of the paired differences lies more than two standard errors above the margin that the claim needs (0 without
one), and *does not hold here* otherwise; the sentence beside it says whether the difference was too small to
tell or went the other way. Fewer than three pairs give no verdict. Some claims came later: that on five times
the steps, after a trial on the tuning seed had shown that MFNet is far from done after the usual number, the
two on scaling, after it had been chosen on the tuning seeds, and those that say so, after rows had
been seen.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.experiments.mfnet.plan import BASE, DSM, LONGER, OPTICAL, UNET, Run

ERRORS = 2.0
FEWEST = 3
FOREST = {"optical": 0.338, "optical+dsm": 0.367}
"""mIoU of a random forest on single pixels of the real tile, measured elsewhere on the same split."""


@dataclass(frozen=True)
class Claim:
    """One claim, as a weighted sum of scores whose mean must exceed a margin.

    Attributes:
        name: short name.
        claim: the sentence that is tested.
        source: ``"paper"`` for a claim of Ma et al., ``"ours"`` for one of this project.
        terms: weight and configuration; the difference is the sum of weight × mIoU.
        margin: what the difference must exceed.
        absolute: a score that is subtracted as well (a floor measured elsewhere).
    """

    name: str
    claim: str
    source: str
    terms: tuple[tuple[float, Run], ...]
    margin: float = 0.0
    absolute: float = 0.0


def versus(
    name: str, claim: str, source: str, better: Run, worse: Run, margin: float = 0.0
) -> Claim:
    """Claim that one configuration beats another."""
    return Claim(name, claim, source, ((1.0, better), (-1.0, worse)), margin)


def ign(run: Run) -> Run:
    """Return the configuration on the real tile."""
    return replace(run, data="ign")


def longer(run: Run) -> Run:
    """Return the configuration with several times the steps."""
    return replace(run, effort=LONGER)


LORA, ADAPTER = replace(BASE, tuning="lora"), replace(BASE, tuning="adapter")
MMADAPTER, NONE = replace(BASE, tuning="mmadapter"), replace(BASE, tuning="none")

CLAIMS: tuple[Claim, ...] = (
    versus("both>optical", "Two sensors beat the optical image alone.", "paper", BASE, OPTICAL),
    versus("both>dsm", "Two sensors beat the height map alone.", "ours", BASE, DSM),
    versus("lora>frozen", "LoRA beats the frozen encoder.", "paper", LORA, NONE),
    versus("adapter>frozen", "Adapters beat the frozen encoder.", "paper", ADAPTER, NONE),
    versus("mmlora>lora", "MMLoRA beats LoRA without mixing.", "paper", BASE, LORA),
    versus("mmadapter>adapter", "MMAdapters beat adapters without mixing.", "paper", MMADAPTER, ADAPTER),
    versus("dfm>sum", "The Deep Fusion Module beats a plain sum of the maps.", "paper",
           BASE, replace(BASE, fusion="sum")),
    versus("rank", "A larger rank keeps more information: rank 32 beats rank 1.", "paper",
           replace(BASE, rank=32), replace(BASE, rank=1)),
    Claim("flattens", "Returns flatten: doubling from 4 to 8 scenes brings less than the mean of the two "
          "doublings from 1 to 4.", "paper",
          ((1.5, replace(BASE, scenes=4)), (-0.5, replace(BASE, scenes=1)), (-1.0, BASE))),
    versus("pretrained", "Pre-trained knowledge matters: the small SAM beats the same frozen encoder "
           "with random weights.", "paper", BASE, replace(BASE, pretrained=False)),
    versus("mmlora>full", "MMLoRA beats full fine-tuning of the encoder at the same steps.", "ours",
           BASE, replace(BASE, tuning="full")),
    versus("mfnet>unet", "MFNet beats the U-Net on the same crops and steps.", "ours", BASE, UNET),
    versus("mfnet>unet long", "MFNet beats the U-Net on the same crops and five times as many steps.",
           "ours", replace(BASE, effort=5.0), replace(UNET, effort=5.0)),
    versus("mmadapter>unet", "MFNet with MMAdapters beats the U-Net on the same crops and steps (asked after the "
           "rows were seen).", "ours", MMADAPTER, UNET),
    versus("mfnet>unet time", "MFNet beats a U-Net that gets about as much time (five times the "
           "steps).", "ours", BASE, replace(UNET, effort=5.0)),
    versus("mfnet>unet time long", "MFNet with five times the steps beats a U-Net that gets about as much time "
           "(twenty-five times the steps; asked after the shorter trainings were seen).", "ours",
           replace(BASE, effort=5.0), replace(UNET, effort=25.0)),
    versus("8 points", "Height brings MFNet at least 8 points of mIoU at the default ambiguity.", "ours",
           BASE, OPTICAL, margin=0.08),
    Claim("ambiguity", "Height brings more where colours are ambiguous (knob 1 against 0).", "ours",
          ((1.0, replace(BASE, ambiguity=1.0)), (-1.0, replace(OPTICAL, ambiguity=1.0)),
           (-1.0, replace(BASE, ambiguity=0.0)), (1.0, replace(OPTICAL, ambiguity=0.0)))),
    versus("scaling mfnet", "A frozen SAM learns more from heights stretched over their tile than from metres "
           "above ground over 30.", "ours", BASE, replace(BASE, scaling="ground")),
    versus("scaling unet", "A U-Net from scratch learns more from metres above ground than from stretched "
           "heights.", "ours", UNET, replace(UNET, scaling="robust")),
    versus("third", "A third sensor (thermal) helps.", "ours",
           replace(BASE, sensors=("optical", "dsm", "thermal")), BASE),
    versus("fourth", "A fourth sensor (radar) helps beside thermal.", "ours",
           replace(BASE, sensors=("optical", "dsm", "thermal", "sar")),
           replace(BASE, sensors=("optical", "dsm", "thermal"))),
    versus("clean dsm", "A true DSM beats one with three times the usual errors.", "ours",
           replace(BASE, dsm_error=0.0), replace(BASE, dsm_error=3.0)),
    versus("real both>optical", "Real tile: MFNet with height beats MFNet without.", "ours",
           ign(BASE), ign(OPTICAL)),
    Claim("real>forest", "Real tile: MFNet with height beats the random forest with height.", "ours",
          ((1.0, ign(BASE)),), absolute=FOREST["optical+dsm"]),
    versus("real mfnet>unet", "Real tile: MFNet beats the U-Net, both with height.", "ours",
           ign(BASE), ign(UNET)),
    versus("longer real both>optical", "Real tile: MFNet with height beats MFNet without at four times the "
           "steps (asked after the shorter trainings were seen).", "ours",
           longer(ign(BASE)), longer(ign(OPTICAL))),
    Claim("longer real>forest", "Real tile: MFNet with height beats the random forest with height at four "
          "times the steps (asked after the shorter trainings were seen).", "ours",
          ((1.0, longer(ign(BASE))),), absolute=FOREST["optical+dsm"]),
    versus("longer real mfnet>unet", "Real tile: MFNet beats the U-Net, both with height, at four times the "
           "steps (asked after the shorter trainings were seen).", "ours",
           longer(ign(BASE)), longer(ign(UNET))),
)  # fmt: skip

IN_THE_PAPER: dict[str, tuple[float, float]] = {
    "both>optical": (83.96, 82.74),
    "lora>frozen": (82.74, 75.11),
    "adapter>frozen": (83.69, 75.11),
    "mmlora>lora": (83.96, 82.06),
    "mmadapter>adapter": (84.72, 84.35),
    "dfm>sum": (83.96, 83.24),
}
"""mIoU in points of what is said to be better and worse, one training each: Ma et al. (2025), tables IV and V,
Vaihingen, ViT-L. There, "frozen" is compared with LoRA and adapters on the optical image alone."""

UNTESTED = (
    {
        "claim": "A larger model is not always better (on MMHunan, ViT-H is behind ViT-L: mIoU 51.08 and "
        "51.82 with MMAdapter, 47.63 and 49.66 with MMLoRA).",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: only one small SAM was trained, and two sizes with equal "
        "pre-training would be needed.",
    },
)


def paired(claim: Claim, scores: dict[str, dict[int, float]]) -> dict[int, float]:
    """Difference per seed, for the seeds that every configuration of the claim has."""
    rows = [(weight, scores.get(run.row, {})) for weight, run in claim.terms]
    seeds = set.intersection(*(set(values) for _, values in rows))
    return {
        seed: sum(weight * values[seed] for weight, values in rows) - claim.absolute
        for seed in sorted(seeds)
    }


def judge(differences: Sequence[float], margin: float = 0.0) -> dict[str, Any]:
    """Verdict on paired differences.

    Args:
        differences: one per seed, as fractions of 1.
        margin: what their mean must exceed by two standard errors.

    Returns:
        Mean, standard deviation, standard error, verdict and a sentence.

    Example:
        >>> judge([0.02, 0.03, 0.04])["verdict"], judge([0.02, -0.03, 0.04])["verdict"]
        ('holds', 'does not hold here')
    """
    if len(differences) < FEWEST:
        return {"n": len(differences), "verdict": "not measured", "sentence": "Not measured yet."}
    mean, deviation = statistics.mean(differences), statistics.stdev(differences)
    error = deviation / len(differences) ** 0.5
    holds = mean - margin > ERRORS * error
    points = f"{100 * mean:+.1f} ± {100 * error:.1f} points over {len(differences)} seeds"
    need = f", {100 * margin:.0f} were needed" if margin else ""
    if holds:
        sentence = f"Holds: {points}{need}."
    elif mean - margin < -ERRORS * error:
        sentence = f"Does not hold here: {points}{need}, the other way round."
    else:
        sentence = f"Does not hold here: {points}{need}, too small to tell from chance."
    return {
        "n": len(differences),
        "difference": round(mean, 5),
        "standard_deviation": round(deviation, 5),
        "standard_error": round(error, 5),
        "margin": margin,
        "verdict": "holds" if holds else "does not hold here",
        "sentence": sentence,
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation of a row."""
    return {
        "mean": round(statistics.mean(values), 5),
        "std": round(statistics.stdev(values), 5) if len(values) > 1 else None,
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
            "run": {k: v for k, v in every[0]["run"].items() if k != "seed"},
            "n": len(every),
            "mIoU": spread([x["scores"]["mIoU"] for x in every])
            | {"values": {str(x["seed"]): round(x["scores"]["mIoU"], 5) for x in every}},
            "OA": spread([x["scores"]["OA"] for x in every]),
            "per_class": {
                name: round(
                    statistics.mean(x["scores"]["per_class"][name] or 0.0 for x in every), 4
                )
                for name in every[0]["scores"]["per_class"]
            },
            "trained": every[0].get("trained"),
            "parameters": every[0].get("parameters"),
            "train_seconds": round(statistics.mean(x["train_seconds"] for x in every), 1),
            "also": {
                how: spread([x["also"][how] for x in every if how in x["also"]])
                | {"values": {str(x["seed"]): round(x["also"][how], 5) for x in every}}
                for how in every[0]["also"]
            },
        }
    scores = {r: {s: x["scores"]["mIoU"] for s, x in seeds.items()} for r, seeds in by_row.items()}
    claims = [
        {"name": c.name, "claim": c.claim, "source": c.source}
        | ({"paper": IN_THE_PAPER[c.name]} if c.name in IN_THE_PAPER else {})
        | judge(list(paired(c, scores).values()), c.margin)
        for c in CLAIMS
    ]
    return {
        "rule": "holds if the mean paired difference exceeds its margin by two standard errors",
        "claims": [*claims, *UNTESTED],
        "rows": rows,
        "random_forest_on_the_real_tile": FOREST,
    }
