"""Claims about MFNet, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The rule of the verdicts is in claims.py; scores are compared with the same scenes, crops and order. Some claims came
later: that on five times the steps, after a trial on the tuning seed had shown that MFNet is far from done after the
usual number, those on mixing weights with a rate of their own and on the authors' code, after the rows of 60 steps
had been seen, the two on scaling, after it had been chosen on the tuning seeds, and those whose sentence names it,
after rows had been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.experiments import claims
from scripts.experiments.claims import (
    Claim,
    Line,
    by_row,
    heading,
    judged,
    mean_of,
    spread,
    values_by_seed,
    weighted,
)
from scripts.experiments.lines import mean_cpu_seconds
from scripts.experiments.mfnet.plan import BASE, DSM, FASTER, LONGER, OPTICAL, UNET, Run

FOREST = {"optical": 0.338, "optical+dsm": 0.367}
"""mIoU of a random forest on single pixels of the real tile, measured elsewhere on the same split."""


versus = partial(claims.versus, score="mIoU")


def ign(run: Run) -> Run:
    """Return the configuration on the real tile."""
    return replace(run, data="ign")


def longer(run: Run) -> Run:
    """Return the configuration with several times the steps."""
    return replace(run, effort=LONGER)


LORA, ADAPTER = replace(BASE, tuning="lora"), replace(BASE, tuning="adapter")
MMADAPTER, NONE = replace(BASE, tuning="mmadapter"), replace(BASE, tuning="none")
MIXED, MMADAPTER_MIXED = replace(BASE, mixing=FASTER), replace(MMADAPTER, mixing=FASTER)
AUTHORS = replace(BASE, official=True)

CLAIMS: tuple[Claim, ...] = (
    versus("both>optical", "Two sensors beat the optical image alone.", "paper", BASE, OPTICAL),
    versus("both>dsm", "Two sensors beat the height map alone.", "ours", BASE, DSM),
    versus("lora>frozen", "LoRA beats the frozen encoder.", "paper", LORA, NONE),
    versus("adapter>frozen", "Adapters beat the frozen encoder.", "paper", ADAPTER, NONE),
    versus("mmlora>lora", "MMLoRA beats LoRA without mixing.", "paper", BASE, LORA),
    versus("mmadapter>adapter", "MMAdapters beat adapters without mixing.", "paper", MMADAPTER, ADAPTER),
    versus("mmlora mixed>lora", "MMLoRA whose mixing weights learn ten times as fast beats LoRA without mixing.",
           "paper", MIXED, LORA),
    versus("mmadapter mixed>adapter", "MMAdapters whose mixing weights learn ten times as fast beat adapters "
           "without mixing.", "paper", MMADAPTER_MIXED, ADAPTER),
    versus("mixing rate", "MMLoRA gains if its mixing weights learn ten times as fast.", "ours", MIXED, BASE),
    versus("mixing rate, adapter", "MMAdapters gain if their mixing weights learn ten times as fast.", "ours",
           MMADAPTER_MIXED, MMADAPTER),
    versus("authors both>optical", "In the authors' code two sensors beat the optical image alone.", "paper",
           AUTHORS, replace(OPTICAL, official=True)),
    versus("authors mmlora>lora", "In the authors' code MMLoRA beats LoRA without mixing.", "paper",
           AUTHORS, replace(LORA, official=True)),
    versus("ours>authors", "Our default beats the authors' code.", "ours", BASE, AUTHORS),
    versus("dfm>sum", "The Deep Fusion Module beats a plain sum of the maps.", "paper",
           BASE, replace(BASE, fusion="sum")),
    versus("rank", "A larger rank keeps more information: rank 32 beats rank 1.", "paper",
           replace(BASE, rank=32), replace(BASE, rank=1)),
    Claim("flattens", "Returns flatten: doubling from 4 to 8 scenes brings less than the mean of the two "
          "doublings from 1 to 4.", "paper",
          weighted("mIoU", (1.5, replace(BASE, scenes=4)), (-0.5, replace(BASE, scenes=1)), (-1.0, BASE))),
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
    Claim("ambiguity", "Height brings more where colours are ambiguous (ambiguity 1 against 0).", "ours",
          weighted("mIoU", (1.0, replace(BASE, ambiguity=1.0)), (-1.0, replace(OPTICAL, ambiguity=1.0)),
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
          weighted("mIoU", (1.0, ign(BASE))), absolute=FOREST["optical+dsm"]),
    versus("real mfnet>unet", "Real tile: MFNet beats the U-Net, both with height.", "ours",
           ign(BASE), ign(UNET)),
    versus("longer real both>optical", "Real tile: MFNet with height beats MFNet without at four times the "
           "steps (asked after the shorter trainings were seen).", "ours",
           longer(ign(BASE)), longer(ign(OPTICAL))),
    Claim("longer real>forest", "Real tile: MFNet with height beats the random forest with height at four "
          "times the steps (asked after the shorter trainings were seen).", "ours",
          weighted("mIoU", (1.0, longer(ign(BASE)))), absolute=FOREST["optical+dsm"]),
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
    "mmlora mixed>lora": (83.96, 82.06),
    "mmadapter mixed>adapter": (84.72, 84.35),
    "authors both>optical": (83.96, 82.74),
    "authors mmlora>lora": (83.96, 82.06),
    "dfm>sum": (83.96, 83.24),
}
"""mIoU in points of the better and the worse configuration, one training each: Ma et al. (2025), tables IV and V,
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


def read(line: Line, score: str) -> float:
    """Read a score of a line."""
    return line["scores"][score]


def _shares(lines: Sequence[Line]) -> dict[str, Any]:
    """Mean over the seeds of what :func:`runs.shares` gave; empty where nothing was mixed."""
    found = [line["shares"] for line in lines if "shares" in line]
    if not found:
        return {}
    means = {k: zip(*(share[k] for share in found), strict=True) for k in found[0]}
    return {"shares": {k: [mean_of(list(w), 3) for w in sensors] for k, sensors in means.items()}}


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "n": len(lines),
        "mIoU": spread([read(x, "mIoU") for x in lines])
        | values_by_seed(lines, lambda x: read(x, "mIoU")),
        "OA": spread([read(x, "OA") for x in lines]),
        "per_class": {
            name: mean_of([x["scores"]["per_class"][name] or 0.0 for x in lines], 4)
            for name in first["scores"]["per_class"]
        },
        "trained": first.get("trained"),
        "parameters": first.get("parameters"),
        **_shares(lines),
        "cpu_seconds": mean_cpu_seconds(lines),
        "also": {
            how: spread([x["also"][how] for x in lines if how in x["also"]])
            | values_by_seed(lines, lambda x, how=how: x["also"][how])
            for how in first["also"]
        },
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    rows = by_row(lines)
    verdicts = [
        heading(c)
        | ({"paper": IN_THE_PAPER[c.name]} if c.name in IN_THE_PAPER else {})
        | judged(c, rows, read)
        for c in CLAIMS
    ]
    return {
        **claims.rule(verdicts),
        "claims": [*verdicts, *UNTESTED],
        "rows": {row: _row(list(seeds.values())) for row, seeds in rows.items()},
        "random_forest_on_the_real_tile": FOREST,
    }
