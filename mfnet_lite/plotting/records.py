"""Measured records: a file of results beside a notebook, as figures and tables of a chapter need it.

Experiments write ``results/NAME.json`` with the keys ``question``, ``data``, ``settings``, ``rule``,
``multiplicity``, ``claims``, ``rows`` and ``provenance``, and a ``remark`` where the code has changed since. A row is
one configuration, named by the settings in which it departs from the usual ones; its scores are fractions of 1 with
one value per seed.

A notebook may stand alone, as in Colab. Then the record is empty, says so where its tables would stand, and the
chapter goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mfnet_lite.utils.counted_nouns import with_plain_counts
from mfnet_lite.utils.student_intervals import by_chance

__all__ = ["Record", "read_record"]

Row = Mapping[str, Any]

JUDGED = ("holds", "does not hold here")
WITHOUT_NUMBER = ("not tested here", "not decided here")
"""Verdicts of which the sentence says why there is none."""


@dataclass(frozen=True)
class Record:
    """One file of results; false where the file was not found.

    Attributes:
        path: Where the file is expected.
        facts: Its content as it is, empty where it was not found.
    """

    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.facts)

    @property
    def rows(self) -> Mapping[str, Row]:
        """Rows by their names."""
        found: Mapping[str, Row] = self.facts.get("rows", {})
        return found

    @property
    def claims(self) -> list[Mapping[str, Any]]:
        """Claims that have a verdict, numbered from 1 in the order of the file."""
        return [claim for claim in self.facts.get("claims", []) if claim["verdict"] in JUDGED]

    @property
    def absent(self) -> str:
        """What to do where the file is not here; empty where it is."""
        if self:
            return ""
        return (
            f"{self.path.as_posix()} is not beside this notebook (Colab fetches the notebook alone); "
            "clone the repository and open the chapter there to see what was measured."
        )

    def row(self, **settings: Any) -> Row:
        """Return the row whose settings are the usual ones but for these.

        The usual value of a setting is that of the rows whose names leave it out.

        Args:
            **settings: Names and values as the file has them; several sensors may be joined by ``+``.

        Returns:
            The row; empty where the file has none like it.

        Raises:
            ValueError: If the file knows no setting of that name.
        """
        usual = self._usual()
        wanted = dict(usual)
        for name, value in settings.items():
            if self and name not in usual:
                raise ValueError(
                    f"expected a setting of {self.path.name}, one of {', '.join(usual)}, got {name!r}"
                )
            several = isinstance(usual.get(name), list) and isinstance(value, str)
            wanted[name] = value.split("+") if several else value
        for row in self.rows.values():
            if usual | row["run"] == wanted:  # early rows lack settings that came later
                return row
        return {}

    def _usual(self) -> dict[str, Any]:
        """Return the usual value of every setting."""
        usual: dict[str, Any] = {}
        for name, row in self.rows.items():
            departs = {word.split("=")[0] for word in name.split()}
            for setting, value in row["run"].items():
                if setting not in departs:
                    usual.setdefault(setting, value)
        every = {setting for row in self.rows.values() for setting in row["run"]}
        return usual | dict.fromkeys(sorted(every - usual.keys()))

    def scores(self, *keys: str, **settings: Any) -> dict[int, float]:
        """Return one score of a row, in points, by seed.

        Args:
            *keys: The score's name, or the names that lead to it, from the outside in.
            **settings: Of the row, as :meth:`row` takes them.

        Returns:
            Seed → points (hundredths); empty where the file has no such row or score.
        """
        row = self.row(**settings)
        entry: Any = row
        for key in keys:
            entry = entry.get(key) or {}
        values = entry.get("values", {})
        by_seed = (
            values if isinstance(values, Mapping) else dict(zip(row["seeds"], values, strict=True))
        )
        return {int(seed): 100 * value for seed, value in by_seed.items()}

    def gains(
        self, *keys: str, over: Mapping[str, Any] | None = None, **settings: Any
    ) -> dict[int, float]:
        """Return how far one row is ahead of another with the same seed, in points.

        Args:
            *keys: The score, as :meth:`scores` takes it.
            over: Settings of the row that is subtracted; none for the usual one.
            **settings: Of the row itself.
        """
        ours, theirs = self.scores(*keys, **settings), self.scores(*keys, **(over or {}))
        return {seed: value - theirs[seed] for seed, value in ours.items() if seed in theirs}

    def in_words(self, *keys: str, **settings: Any) -> str:
        """Return mean and standard deviation of one score of a row, for example ``57.3 ± 2.1 (n = 5)``.

        Args:
            *keys: The score, as :meth:`scores` takes it.
            **settings: Of the row.
        """
        values = list(self.scores(*keys, **settings).values())
        if not values:
            return "not measured"
        spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
        return f"{mean(values):.1f}{spread} (n = {len(values)})"

    def provenance(self) -> str:
        """Return runs, steps, dates, hardware, hashes and remark in one line; what to do where the file is not here."""
        if not self:
            return self.absent
        told = self.facts["provenance"]
        steps = self.facts.get("settings", {}).get("steps", told.get("steps"))
        if isinstance(steps, Mapping):
            steps = ", ".join(f"{count} ({name})" for name, count in steps.items())
        hashes = [
            f"{name.removesuffix('_sha256').replace('_', ' ')} {value[:12]}"
            for name, value in told.items()
            if name.endswith("_sha256")
        ]
        return "; ".join(
            [
                f"{told['runs']} runs" + (f" of {steps} steps" if steps else ""),
                " and ".join(told["dates"]),
                with_plain_counts(", ".join(told["hardware"])),
                *hashes,
                *([self.facts["remark"]] if "remark" in self.facts else []),
            ]
        )

    def table(self, without: Sequence[str] = ()) -> str:
        """Return claims and verdicts as a table in Markdown, the rule above it.

        Args:
            without: Names of claims to leave out, for example because another record tells them better. The others
                keep the numbers that they have among all.

        Returns:
            The table, or what to do where the file is not here. A star marks a verdict that one seed decides.

        Raises:
            ValueError: If the file has no claim of such a name.
        """
        if not self:
            return self.absent
        known = [claim.get("name") for claim in self.facts["claims"]]
        if unknown := [name for name in without if name not in known]:
            raise ValueError(
                f"expected names of claims in {self.path.name}, got {', '.join(unknown)}"
            )
        numbered = [(str(number), claim) for number, claim in enumerate(self.claims, start=1)]
        numbered += [("", c) for c in self.facts["claims"] if c["verdict"] in WITHOUT_NUMBER]
        shown = [(k, c) for k, c in numbered if c.get("name") not in without]
        theirs = any("paper" in claim for _, claim in shown)
        lines = ["| | from | claim | " + ("in the paper | " if theirs else "") + "here |"]
        lines += ["|---|---|---|---|" + ("---|" if theirs else "")]
        for number, claim in shown:
            star = " \\*" if claim.get("hangs_on_one_seed") else ""
            cells = [number + star, claim["source"], claim["claim"]]
            cells += [_papers_numbers(claim)] if theirs else []
            lines.append("| " + " | ".join([*cells, with_minus(claim["sentence"])]) + " |")
        return "\n".join([*self._above_the_table([c for _, c in shown]), "", *lines])

    def _above_the_table(self, shown: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return rule, multiplicity and what the star means."""
        judged = [claim for claim in shown if claim["verdict"] in JUDGED]
        held = sum(claim["verdict"] == "holds" for claim in judged)
        lines = [f"Rule: {self.facts['rule']}.", f"{held} of {len(judged)} claims hold."]
        if "multiplicity" in self.facts and len(judged) < len(self.claims):
            intervals = sum("interval" in claim for claim in judged)
            lines.append(_sentence(by_chance(intervals)))
        elif chance := self.facts.get("multiplicity"):
            lines.append(_sentence(chance))
        if any(claim.get("hangs_on_one_seed") for claim in judged):
            lines.append(
                "A star marks a verdict that would be another one without one of the seeds."
            )
        told = (*JUDGED, *WITHOUT_NUMBER)
        if waiting := sum(claim["verdict"] not in told for claim in self.facts["claims"]):
            lines.append(f"Claims planned and not measured yet: {waiting}.")
        return lines


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _papers_numbers(claim: Mapping[str, Any]) -> str:
    """Return the two numbers of the paper that a claim compares, and their difference."""
    if "paper" not in claim:
        return "–"
    better, worse = claim["paper"]
    return with_minus(f"{better - worse:+.1f} ({better} − {worse})")


def with_minus(text: str) -> str:
    """Write numbers below zero with a minus sign, and what is rounded to nothing as +0.0.

    Args:
        text: A sentence with numbers as Python writes them.

    Example:
        >>> with_minus("Holds: -0.0 points (-1.1 to +1.1) over 5 seeds, -2 were needed.")
        'Holds: +0.0 points (−1.1 to +1.1) over 5 seeds, −2 were needed.'
    """
    zero = re.sub(r"(?<![\w-])-(0\.0+)(?!\d)", r"+\1", text)
    return re.sub(r"(?<![\w-])-(?=\d)", "−", zero)


def read_record(name: str, folder: str | Path = "results") -> Record:
    """Read a file of results from beside the notebook.

    Args:
        name: Name of the file without ``.json``.
        folder: Where it is, relative to the notebook.

    Returns:
        The record, which is empty and false where the file is not there.

    Raises:
        ValueError: If the file is no JSON object, or an empty one.

    Example:
        >>> record = read_record("mfnet_experiments", "nowhere")
        >>> bool(record), record.scores("mIoU", model="unet")
        (False, {})
    """
    path = Path(folder, f"{name}.json")
    if not path.exists():
        return Record(path)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: expected JSON, got something else ({error}); fetch the file anew"
        ) from error
    if not isinstance(facts, dict) or not facts:
        raise ValueError(f"{path}: expected an object with results, got none; fetch the file anew")
    return Record(path, facts)
