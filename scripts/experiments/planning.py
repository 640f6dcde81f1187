"""What the plans of all experiments share: one training with a name, and the order of trainings.

A plan is a table of groups. Each group is a question with its configurations and runs seed by seed, so that a
stopped evening still leaves complete pairs. Configurations that several questions share are trained once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar


@dataclass(frozen=True)
class PlannedRun:
    """One training; everything it depends on is a field.

    Attributes:
        seed: Of the data, their order and the initial weights; configurations are compared seed by seed.
    """

    seed: int

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that are not at their default, without the seed."""
        default = asdict(type(self)(0))
        return {k: v for k, v in asdict(self).items() if k != "seed" and v != default[k]}

    @property
    def row(self) -> str:
        """Name of the configuration without its seed; fields at their default are left out."""
        return " ".join(f"{k}={v}" for k, v in self.changed_fields().items()) or "default"

    @property
    def key(self) -> str:
        """Name of the run."""
        return f"{self.row} seed={self.seed}"


Run = TypeVar("Run", bound=PlannedRun)


def planned(
    groups: Mapping[str, Sequence[Run]], seeds: Sequence[int], only: str = ""
) -> Iterator[tuple[str, Run]]:
    """Yield group and run in the order in which they are trained; a run that two groups share comes once.

    Args:
        groups: Configurations by question, the most important question first.
        seeds: Seeds of every configuration.
        only: Part of a group's name; the other groups are left out.

    Example:
        >>> groups = {"first": (PlannedRun(0),), "second": (PlannedRun(0),)}
        >>> [(group, run.key) for group, run in planned(groups, (0, 1))]
        [('first', 'default seed=0'), ('first', 'default seed=1')]
    """
    seen: set[str] = set()
    for group, runs in groups.items():
        if only not in group:
            continue
        for seed in seeds:
            for run in (replace(r, seed=seed) for r in runs):
                if run.key not in seen:
                    seen.add(run.key)
                    yield group, run
