"""From lines of results to verdicts on claims; the rule stands here before the runs are made.

A claim is a weighted sum of scores, mostly one configuration minus another, seed by seed: same data, same order,
same initial weights. It *holds* if the whole 95 % interval of Student's t of the mean lies above the margin that the
claim needs (0 without one; negative where a small loss is allowed), and *does not hold here* otherwise; the sentence
beside it says whether the difference was too small to tell, stays below the margin, or went the other way. With five
seeds the interval reaches 2.78 standard errors to both sides, with three 4.30. Fewer than three seeds give no verdict.
A verdict also says whether it would be another one without one of the seeds.

Of claims none of which is true, one in forty holds by chance.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mfnet_lite.utils.student_intervals import by_chance, interval
from scripts.experiments.planning import PlannedRun

FEWEST = 3
"""Seeds below which there is no verdict."""

Line = dict[str, Any]
Score = str | tuple[str, str]
"""Name of a score in a line of results; with the stage of the training it was measured after, where there are
several."""
Read = Callable[[Line, Any], float | None]
"""Reads a score from a line; None where the line does not have it."""
Rows = Mapping[str, Mapping[int, Line]]
"""Lines by the name of their configuration and by their seed."""


class Term(NamedTuple):
    """One summand of a claim.

    Attributes:
        weight: What the score is multiplied by.
        run: A configuration; its seed is without meaning.
        score: Which of its scores.
    """

    weight: float
    run: PlannedRun
    score: Score


@dataclass(frozen=True)
class Claim:
    """One claim, as a weighted sum of scores whose mean must exceed a margin.

    Attributes:
        name: Short name.
        claim: The sentence that is tested.
        source: ``"paper"`` for a claim of the system's authors, ``"ours"`` for one of this project.
        terms: What is summed.
        margin: What the mean must exceed.
        absolute: A number that is subtracted from the sum as well: a score measured elsewhere, or a limit.
    """

    name: str
    claim: str
    source: str
    terms: tuple[Term, ...]
    margin: float = 0.0
    absolute: float = 0.0

    @property
    def rows(self) -> set[str]:
        """Names of the configurations that the claim needs."""
        return {term.run.row for term in self.terms}


def weighted(score: Score, *terms: tuple[float, PlannedRun]) -> tuple[Term, ...]:
    """Return the terms of a claim whose summands are one and the same score.

    Args:
        score: Which score.
        *terms: Weight and configuration of each summand.
    """
    return tuple(Term(weight, run, score) for weight, run in terms)


def versus(
    name: str,
    claim: str,
    source: str,
    better: PlannedRun,
    worse: PlannedRun,
    *,
    score: Score,
    worse_score: Score | None = None,
    margin: float = 0.0,
) -> Claim:
    """Claim that one configuration beats another.

    Args:
        name: Short name.
        claim: The sentence that is tested.
        source: ``"paper"`` or ``"ours"``.
        better: The configuration that is claimed to be better.
        worse: The one it is compared with.
        score: What they are compared by.
        worse_score: Score of ``worse``, where it is another one.
        margin: What the mean difference must exceed.
    """
    terms = (Term(1.0, better, score), Term(-1.0, worse, worse_score or score))
    return Claim(name, claim, source, terms, margin)


def by_row(lines: Sequence[Line]) -> dict[str, dict[int, Line]]:
    """Sort lines by configuration and seed; of two lines of one run the later counts.

    Example:
        >>> lines = [{"row": "a", "seed": 1, "n": 0}, {"row": "a", "seed": 0}, {"row": "a", "seed": 1}]
        >>> by_row(lines)
        {'a': {0: {'row': 'a', 'seed': 0}, 1: {'row': 'a', 'seed': 1}}}
    """
    rows: dict[str, dict[int, Line]] = {}
    for line in lines:
        rows.setdefault(line["row"], {})[line["seed"]] = line
    return {row: dict(sorted(seeds.items())) for row, seeds in rows.items()}


def differences(claim: Claim, rows: Rows, read: Read) -> dict[int, float]:
    """Sum the terms of a claim for each seed that has a value in all of them; NaN is none.

    Args:
        claim: What is summed.
        rows: Lines, as :func:`by_row` gives them.
        read: Reads a score from a line.

    Returns:
        Seed → weighted sum, less the claim's absolute number.
    """
    summands = [
        {
            seed: term.weight * value
            for seed, line in rows.get(term.run.row, {}).items()
            if (value := read(line, term.score)) is not None and not math.isnan(value)
        }
        for term in claim.terms
    ]
    seeds = set.intersection(*(set(values) for values in summands))
    return {
        seed: sum(values[seed] for values in summands) - claim.absolute for seed in sorted(seeds)
    }


def judge(found: Sequence[float], margin: float = 0.0) -> dict[str, Any]:
    """Give the verdict on paired differences by their interval of Student's t.

    Args:
        found: One difference per seed, as fractions of 1.
        margin: What the whole interval must exceed.

    Returns:
        Mean, standard deviation, interval, verdict, whether it hangs on one seed, and a sentence.

    Raises:
        ValueError: If a difference is no finite number.

    Example:
        >>> judge([0.02, 0.03, 0.04])["verdict"], judge([0.01, 0.03, 0.05])["verdict"]
        ('holds', 'does not hold here')
    """
    if not all(map(math.isfinite, found)):
        raise ValueError(
            f"expected finite differences, got {list(found)}; leave out the seeds without a score"
        )
    if len(found) < FEWEST:
        return not_measured(len(found))
    low, high = interval(found)
    holds = low > margin
    points = (
        f"{100 * statistics.mean(found):+.1f} points ({in_points(low)} to {in_points(high)}) "
        f"over {len(found)} seeds"
    )
    others = [[*found[:i], *found[i + 1 :]] for i in range(len(found))]
    return {
        "n": len(found),
        "difference": round(statistics.mean(found), 5),
        "standard_deviation": round(statistics.stdev(found), 5),
        "interval": [round(low, 5), round(high, 5)],
        "margin": margin,
        "verdict": "holds" if holds else "does not hold here",
        "hangs_on_one_seed": any((interval(rest)[0] > margin) != holds for rest in others),
        "sentence": _sentence(holds, high, points, margin),
    }


def in_points(share: float) -> str:
    """Write an end of an interval in points, with as many digits as tell on which side of 0 it lies.

    Example:
        >>> in_points(0.0811), in_points(-0.00042), in_points(0.0)
        ('+8.1', '-0.04', '+0.0')
    """
    digits = next((n for n in (1, 2, 3) if round(100 * share, n)), 1)
    return f"{100 * share:+.{digits}f}"


def how_missed(high: float, margin: float) -> str:
    """Say in a word why a claim does not hold.

    Args:
        high: Upper end of the interval.
        margin: What the interval had to exceed.

    Returns:
        ``"open"``: the interval reaches the margin; ``"below"`` it; ``"turned"``: also below 0.

    Example:
        >>> how_missed(0.08, 0.05), how_missed(0.02, 0.05), how_missed(-0.01, 0.05)
        ('open', 'below', 'turned')
    """
    if high >= margin:
        return "open"
    return "turned" if high < 0 else "below"


def _sentence(holds: bool, high: float, points: str, margin: float) -> str:
    """Say a verdict in words; ``high`` is the upper end of the interval."""
    need = f", {100 * margin:.0f} were needed" if margin else ""
    if holds:
        return f"Holds: {points}{need}."
    why = {
        "open": "too small to tell from chance",
        "below": "which it stays below",
        "turned": "the other way round",
    }[how_missed(high, margin)]
    return f"Does not hold here: {points}{need}, {why}."


def not_measured(seeds: int) -> dict[str, Any]:
    """Return the verdict on too few seeds."""
    return {"n": seeds, "verdict": "not measured", "sentence": "Not measured yet."}


def heading(claim: Claim) -> dict[str, str]:
    """Return the words of a claim, as the file of results begins with them."""
    return {"name": claim.name, "claim": claim.claim, "source": claim.source}


def judged(claim: Claim, rows: Rows, read: Read) -> dict[str, Any]:
    """Return the verdict on a claim from the lines of all configurations.

    Args:
        claim: What is judged.
        rows: Lines, as :func:`by_row` gives them.
        read: Reads a score from a line.
    """
    return judge(list(differences(claim, rows, read).values()), claim.margin)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and standard deviation of a score over the seeds, None where there are too few.

    Example:
        >>> spread([0.25, 0.75]), spread([0.5])
        ({'mean': 0.5, 'std': 0.35355}, {'mean': 0.5, 'std': None})
    """
    return {
        "mean": round(statistics.mean(values), 5) if values else None,
        "std": round(statistics.stdev(values), 5) if len(values) > 1 else None,
    }


def values_by_seed(lines: Sequence[Line], read: Callable[[Line], float]) -> dict[str, Any]:
    """Return a score of every seed, as the rows of a file of results hold it.

    Args:
        lines: Of one configuration.
        read: Reads the score from a line.
    """
    return {"values": {str(line["seed"]): round(read(line), 5) for line in lines}}


def mean_of(values: Sequence[float], digits: int) -> float:
    """Return the rounded mean of some numbers."""
    return round(statistics.mean(values), digits)


def rule(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return how a file of results judges, and how many of its claims would hold by chance.

    Args:
        verdicts: What :func:`judge` gave; a claim that it gave no interval is not counted.
    """
    count = sum("interval" in verdict for verdict in verdicts)
    return {
        "rule": "holds if the 95 % interval of Student's t of the paired differences lies above the margin",
        "multiplicity": by_chance(count),
    }


def summed_up(
    lines: Sequence[Line],
    claims: Sequence[Claim],
    untested: Sequence[Mapping[str, Any]],
    read: Read,
    row: Callable[[Sequence[Line]], dict[str, Any]],
) -> dict[str, Any]:
    """Return rule, verdicts and rows of a file of results.

    Args:
        lines: As an experiment writes them; of two with one key the later counts.
        claims: What is judged.
        untested: Verdicts on what is not.
        read: Reads a score from a line.
        row: Sums up the lines of one configuration.
    """
    rows = by_row(lines)
    verdicts = [heading(c) | judged(c, rows, read) for c in claims]
    return {
        **rule(verdicts),
        "claims": [*verdicts, *untested],
        "rows": {name: row(list(seeds.values())) for name, seeds in rows.items()},
    }
