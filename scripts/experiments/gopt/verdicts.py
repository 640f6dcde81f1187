"""Claims about GoPT, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The verdict is that of ``judge`` in claims.py: the 95 % interval of Student's t of the paired differences must
lie above the margin. The paper's claims are known from its abstract, from notes of readers and from the names of its
ablations; its numbers for them are not public.
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
    mean_of,
    spread,
    summed_up,
    values_by_seed,
    weighted,
)
from scripts.experiments.gopt.plan import (
    ACP,
    BASE,
    CUP,
    DROPPED,
    LONGER,
    MFNET,
    MMADAPTER,
    MMLORA,
    NOISE,
    NOISE_RGB,
    OPTICAL,
    RGB_ASKS,
    SAR,
    STATIC,
    STATIC_RGB,
    THERMAL,
    more,
    real,
)
from scripts.experiments.mfnet.verdicts import FOREST

SMALL = 0.02
"""Loss that counts as none."""

versus = partial(claims.versus, score="mIoU")

CLAIMS: tuple[Claim, ...] = (
    versus("both>optical", "RGB with height, by grouping prompts, beats RGB alone.", "paper", BASE, OPTICAL),
    versus("whole>acp", "The uni-modal prompter helps: both prompters beat the cross-modal one on single patches.",
           "paper", BASE, ACP),
    versus("whole>cup", "The cross-modal prompter helps: both prompters beat groups given back to their own "
           "patches.", "paper", BASE, CUP),
    versus("groups>static", "Groups beat learned tokens that are the same for every image.", "ours", BASE, STATIC),
    versus("notes: rgb asks", "With RGB tokens alone asking, as notes of readers have it, height still beats RGB "
           "alone.", "paper", RGB_ASKS, OPTICAL),
    versus("both ask>rgb asks", "Letting the sensor's own token ask with the RGB token (our extension) beats RGB "
           "tokens alone.", "ours", BASE, RGB_ASKS),
    versus("groups>static, rgb asks", "With RGB alone asking, groups of heights beat learned tokens, which know no "
           "height.", "ours", RGB_ASKS, STATIC_RGB),
    versus("six>three", "More prompters help: one before each of six blocks beats three.", "paper",
           BASE, replace(BASE, prompters=3)),
    versus("six>one", "More prompters help: one before each of six blocks beats a single one.", "paper",
           BASE, replace(BASE, prompters=1)),
    versus("hard>soft", "Hard assignment beats soft.", "paper", BASE, replace(BASE, hard=False)),
    versus("classes>two", "As many groups as classes beat two.", "ours", BASE, replace(BASE, groups=2)),
    versus("classes>twice", "As many groups as classes beat twice as many.", "ours",
           BASE, replace(BASE, groups=12)),
    versus("gopt>mmlora", "GoPT beats MMLoRA of as many trained weights, same head and steps.", "paper",
           BASE, MMLORA),
    versus("gopt>mmadapter", "GoPT beats MMAdapter of as many trained weights, same head and steps.", "paper",
           BASE, MMADAPTER),
    versus("gopt>mmlora, time", "GoPT beats MMLoRA in equal time, same head.", "ours", more(BASE), MMLORA),
    versus("gopt>mmadapter, time", "GoPT beats MMAdapter in equal time, same head.", "ours",
           more(BASE), MMADAPTER),
    versus("gopt>mfnet", "GoPT beats all of MFNet, which trains six times as many weights, at equal steps.",
           "ours", BASE, MFNET),
    versus("noise", "Trained with noise instead of heights, GoPT is at most 2 points below RGB alone.", "ours",
           NOISE, OPTICAL, margin=-SMALL),
    versus("noise, rgb asks", "The same with RGB tokens alone asking.", "ours",
           NOISE_RGB, OPTICAL, margin=-SMALL),
    versus("heights>noise", "Heights beat noise in their place (asked after the rows were seen).", "ours",
           BASE, NOISE),
    versus("heights>noise, rgb asks", "Heights beat noise in their place with RGB tokens alone asking (asked after "
           "the rows were seen).", "ours", RGB_ASKS, NOISE_RGB),
    versus("thermal", "A thermal image helps RGB.", "paper", THERMAL, OPTICAL),
    versus("sar", "A radar image helps RGB.", "paper", SAR, OPTICAL),
    versus("frozen>embed", "Auxiliary tokens that pass the frozen blocks beat tokens that are embedded once.",
           "ours", BASE, replace(BASE, auxiliary="embed")),
    Claim("missing", "Without height at test time GoPT is at most 2 points below RGB alone.", "ours",
          (claims.Term(1.0, BASE, "no dsm"), claims.Term(-1.0, OPTICAL, "mIoU")), margin=-SMALL),
    Claim("missing, withheld", "The same after training crops from which a sensor was withheld at random.", "ours",
          (claims.Term(1.0, DROPPED, "no dsm"), claims.Term(-1.0, OPTICAL, "mIoU")), margin=-SMALL),
    versus("longer both>optical", "At four times the steps height still helps.", "ours",
           replace(BASE, effort=LONGER), replace(OPTICAL, effort=LONGER)),
    versus("real both>optical", "Real tile: GoPT with height beats GoPT without.", "ours",
           real(BASE), real(OPTICAL)),
    versus("real gopt>mmlora", "Real tile: GoPT beats MMLoRA under the same head.", "ours",
           real(BASE), real(MMLORA)),
    Claim("real>forest", "Real tile: GoPT with height beats a random forest on single pixels with height.", "ours",
          weighted("mIoU", (1.0, real(BASE))), absolute=FOREST["optical+dsm"]),
)  # fmt: skip

UNTESTED = (
    {
        "claim": "Every number of the paper's tables: mIoU 54.3 on NYUDv2, 52.3 on SUN RGB-D, 81.5 on PST900, as "
        "tables of later papers have them.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: none of these data sets is used, and the encoder is a small one.",
    },
)


def read(line: Line, score: str) -> float | None:
    """Read a score of a line: mIoU, or that with a sensor missing or spoiled."""
    found: float | None = line["scores"]["mIoU"] if score == "mIoU" else line["also"].get(score)
    return found


def _miou(line: Line) -> float:
    return float(line["scores"]["mIoU"])


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "n": len(lines),
        "mIoU": spread([_miou(x) for x in lines]) | values_by_seed(lines, _miou),
        "OA": spread([x["scores"]["OA"] for x in lines]),
        "per_class": {
            name: mean_of([x["scores"]["per_class"][name] or 0.0 for x in lines], 4)
            for name in first["scores"]["per_class"]
        },
        "tuning": first.get("tuning"),
        "head": first.get("head"),
        "cpu_seconds": mean_of([x["cpu_seconds"] for x in lines], 1),
        "also": {
            how: spread([x["also"][how] for x in lines])
            | values_by_seed(lines, lambda x, how=how: x["also"][how])
            for how in first["also"]
        },
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    return {
        **summed_up(lines, CLAIMS, UNTESTED, read, _row),
        "random_forest_on_the_real_tile": FOREST,
    }
