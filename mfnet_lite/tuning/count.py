"""How many weights a tuned network has, how many were injected, and how many train."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from torch import nn

from mfnet_lite.tuning.bookkeeping import original_name, wrapper_names
from mfnet_lite.tuning.inject import injected_modules

__all__ = ["Count", "CountRow", "count"]


@dataclass(frozen=True)
class CountRow:
    """Numbers of weights of one part of a network.

    Attributes:
        name: The part.
        base: Weights it had before anything was injected, whether they train or not.
        added: Weights of its injected modules.
        trained: Weights that training changes, of either kind.
    """

    name: str
    base: int
    added: int
    trained: int

    @property
    def total(self) -> int:
        """All weights."""
        return self.base + self.added

    @property
    def percent(self) -> float:
        """Share of all weights that train, in percent; 0 for a part without weights."""
        return 100 * self.trained / self.total if self.total else 0.0


@dataclass(frozen=True)
class Count(CountRow):
    """Numbers of weights of a network, and of its parts.

    Attributes:
        rows: One per part, in the order of the network; shared weights count where they come first.
    """

    rows: tuple[CountRow, ...] = ()

    def __str__(self) -> str:
        """A table of plain text."""
        head = ("", "base", "added", "trained", "percent")
        lines = [head, *(_cells(row) for row in (*self.rows, self))]
        wide = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join(
            f"{line[0]:<{wide[0]}}"
            + "".join(f"  {t:>{w}}" for t, w in zip(line[1:], wide[1:], strict=True))
            for line in lines
        )


def _cells(row: CountRow) -> tuple[str, ...]:
    numbers = (f"{number:,}" for number in (row.base, row.added, row.trained))
    return (row.name, *numbers, f"{row.percent:.2f} %")


def count(model: nn.Module, depth: int = 1) -> Count:
    """Count the weights of a network: base, added, trained.

    A weight that two modules share counts once. Buffers (running means, fixed tables) are no weights.

    Args:
        model: Any network, with or without injected modules; it may be on the device ``meta``.
        depth: How deep the parts of the table are: 0 gives the total alone, 1 the network's children,
            2 their children; wrappers do not count as a level.

    Returns:
        The numbers; ``print`` shows them as a table.

    Raises:
        ValueError: If ``depth`` is negative.

    Example:
        >>> from mfnet_lite.tuning.adapter import attach_adapters
        >>> net = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2))
        >>> print(count(attach_adapters(net, ["0"])))
               base  added  trained  percent
        0        72     42       42  36.84 %
        2        18      0        0   0.00 %
        total    90     42       42  31.82 %
    """
    if depth < 0:
        raise ValueError(f"depth must be 0 or more, got {depth}.")
    seen: set[int] = set()
    wrapped = wrapper_names(model)
    total = Counter[str]()
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, module, injected in injected_modules(model):
        part = ".".join(original_name(name, wrapped).split(".")[:depth])
        for parameter in module._parameters.values():
            if parameter is None or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            for sums in (total, parts[part]):
                sums["added" if injected else "base"] += parameter.numel()
                sums["trained"] += parameter.numel() if parameter.requires_grad else 0
    rows = tuple(
        CountRow(part or "(itself)", n["base"], n["added"], n["trained"])
        for part, n in parts.items()
    )
    return Count("total", total["base"], total["added"], total["trained"], rows if depth else ())
