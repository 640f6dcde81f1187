"""Claims about SAM-CD, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The rule of the verdicts is in claims.py; scores are compared with the same pairs, crops and order. The score is F1 of
the changed class unless a term names another. A claim's absolute number is named in the file of results as the limit
that the difference is counted from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.experiments import claims
from scripts.experiments.claims import (
    FEWEST,
    Claim,
    Line,
    Term,
    by_row,
    heading,
    judged,
    spread,
    values_by_seed,
    weighted,
)
from scripts.experiments.lines import mean_cpu_seconds
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

versus = partial(claims.versus, score="F1")

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
          "paper", weighted("F1", (1.0, with_labels(BASE, 1)), (-1.0, with_labels(UNET, 1)),
                            (-1.0, BASE), (1.0, UNET))),
    versus("tenth = all", "SAM-CD with 10 percent of the labels beats the U-Net with all.", "ours",
           with_labels(BASE, 2), UNET),
    versus("semantic, few", "The semantic branch helps with 5 percent of the labels.", "ours",
           with_labels(BASE, 1), with_labels(NO_SEMANTIC, 1)),
    versus("pretrained", "What the encoder has learnt helps: the small SAM beats random weights.", "paper",
           BASE, RANDOM),
    versus("mended", "Our default beats the authors' wiring.", "ours", BASE, OFFICIAL),
    Claim("calmer", "The constraint lowers false alarms: fewer pixels called changed where season, sun and "
          "cars changed and no building did.", "paper",
          weighted(NOTHING, (1.0, NO_CONSTRAINT), (-1.0, BASE))),
    Claim("pseudo", "Pseudo-change costs: the same network is better where the second date has the light "
          "and season of the first.", "ours", (Term(1.0, BASE, CALM), Term(-1.0, BASE, "F1"))),
    versus("seen", "A network trained without pseudo-change is worse where there is some.", "ours",
           BASE, replace(BASE, pseudo=0.0)),
    Claim("seen, U-Net", "The U-Net loses more than SAM-CD by training without pseudo-change.", "ours",
          weighted("F1", (1.0, UNET), (-1.0, replace(UNET, pseudo=0.0)),
                   (-1.0, BASE), (1.0, replace(BASE, pseudo=0.0)))),
    Claim("order", "The authors' wiring depends on the order of the dates: more than 1 percent of the pixels "
          "change class when they are swapped.", "ours", weighted(DIFFERS, (1.0, OFFICIAL)), absolute=0.01),
    Claim("order, score", "Swapping the dates costs the authors' wiring F1.", "ours",
          (Term(1.0, OFFICIAL, "F1"), Term(-1.0, OFFICIAL, SWAPPED))),
    versus("symmetric", "Symmetric fusion beats concatenation.", "ours", BASE, UNSYMMETRIC),
    Claim("twice", "One image given twice: our default calls fewer than 0.5 percent of the pixels changed "
          "(points below that limit).", "ours",
          weighted(TWICE, (-1.0, BASE)), absolute=-0.005),
    Claim("twice, official", "One image given twice: the authors' wiring calls fewer than 0.5 percent of the pixels "
          "changed (points below that limit).", "ours", weighted(TWICE, (-1.0, OFFICIAL)), absolute=-0.005),
    *(claim for data in REAL for claim in (
        versus(f"{data} forest", f"Real tiles, {data}: SAM-CD beats a random forest on the same division.",
               "ours", on(data, BASE), on(data, replace(BASE, model="forest"))),
        versus(f"{data} unet", f"Real tiles, {data}: SAM-CD beats the U-Net.", "ours",
               on(data, BASE), on(data, UNET)),
        versus(f"{data} semantic", f"Real tiles, {data}: the semantic branch helps.", "ours",
               on(data, BASE), on(data, NO_SEMANTIC)),
    )),
)  # fmt: skip


def value(line: Line, score: str) -> float | None:
    """Read a score of a line; a changed class that was never called has precision, and so F1, of 0."""
    if score == "F1":
        return float(line["scores"]["F1"] or 0.0)
    found = line["also"].get(score)
    return None if found is None else float(0.0 if found != found else found)


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    scores = {name: spread([x["scores"][name] or 0.0 for x in lines]) for name in first["scores"]}
    scores["F1"] |= values_by_seed(lines, lambda x: value(x, "F1") or 0)
    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "n": len(lines),
        **scores,
        "trained": first.get("trained"),
        "cpu_seconds": mean_cpu_seconds(lines),
        "also": {
            name: spread([value(x, name) or 0.0 for x in lines])
            | values_by_seed(lines, lambda x, name=name: value(x, name) or 0.0)
            for name in first["also"]
        },
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines; a row of fewer seeds than a verdict needs is left out.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    rows = by_row(lines)
    verdicts = [
        heading(c) | judged(c, rows, value) | ({"limit": abs(c.absolute)} if c.absolute else {})
        for c in CLAIMS
    ]
    return {
        **claims.rule(verdicts),
        "claims": verdicts,
        "rows": {
            row: _row(list(seeds.values())) for row, seeds in rows.items() if len(seeds) >= FEWEST
        },
        "random_forest_elsewhere": FOREST,
    }
