"""Where the boxes and arrows of a layered drawing lie: storeys, order within a storey, positions.

Arrows lead downwards. One that passes a storey gets a narrow slot of its own there, so that it never runs behind a
box. The order within the storeys is the one with the fewest crossings that exchanging neighbours finds; boxes then lie
as near to the middle of their neighbours as their order allows. Boxes without arrows stand beside the ground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations, product

WIDTH, GAP, SLOT = 142, 26, 30
"""Width of a box, space between boxes, width of what an arrow needs to pass a storey."""
SWEEPS = 24
MOST_ORDERS = 120
"""Storeys with at most so many orders are tried in all of them."""
STRAIGHT = (1, 2, 8)
"""How strongly an arrow pulls its ends together where none, one or both of them are slots; long ones get straight."""

Node = str | tuple[str, str, int]
"""A box, or the slot of an arrow (from, to) in a storey."""


@dataclass(frozen=True)
class Drawing:
    """A layered drawing.

    Attributes:
        storey: Storey of each box; 0 is the ground.
        x: Middle of each box.
        ways: Positions of each arrow from storey to storey, from its box down to the other.
        width: Of the whole.
        crossings: How often arrows cross.
    """

    storey: dict[str, int]
    x: dict[str, float]
    ways: dict[tuple[str, str], list[float]]
    width: float
    crossings: int


def storeys_of(arrows: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Put each box one storey above the highest that it points to.

    Example:
        >>> storeys_of({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()})
        {'c': 0, 'b': 1, 'a': 2}
    """
    found: dict[str, int] = {}

    def visit(name: str) -> int:
        if name not in found:
            found[name] = max((1 + visit(other) for other in sorted(arrows[name])), default=0)
        return found[name]

    for name in sorted(arrows):
        visit(name)
    return found


def draw(arrows: Mapping[str, frozenset[str]]) -> Drawing:
    """Lay out boxes and arrows.

    Args:
        arrows: Names that a box points to, by its own name; without circles.
    """
    storey = storeys_of(arrows)
    rows: list[list[Node]] = [[] for _ in range(1 + max(storey.values()))]
    pointed_at = frozenset().union(*arrows.values())
    alone = [name for name in sorted(storey) if not arrows[name] and name not in pointed_at]
    for name in sorted(storey):
        if name not in alone:
            rows[storey[name]].append(name)
    links: list[tuple[Node, Node]] = []  # upper and lower, of neighbouring storeys
    paths: dict[tuple[str, str], list[Node]] = {}
    for upper in sorted(arrows):
        for lower in sorted(arrows[upper]):
            between = range(storey[upper] - 1, storey[lower], -1)
            path: list[Node] = [upper, *((upper, lower, level) for level in between), lower]
            for slot, level in zip(path[1:-1], between, strict=True):
                rows[level].append(slot)
            paths[upper, lower] = path
            links += pairwise(path)
    rows = _ordered(rows, links)
    x = _positions(rows, links)
    for name in alone:  # beside the ground
        ground = [x[node] for node in rows[0]]
        x[name] = max(ground, default=-WIDTH - GAP) + WIDTH + GAP
        rows[0].append(name)
    left = min(x[node] - _wide(node) / 2 for row in rows for node in row)
    right = max(x[node] + _wide(node) / 2 for row in rows for node in row)
    x = {node: value - left for node, value in x.items()}
    return Drawing(
        storey,
        {name: x[name] for name in storey},
        _ways(paths, x),
        right - left,
        _crossings(rows, links),
    )


def _wide(node: Node) -> int:
    return WIDTH if isinstance(node, str) else SLOT


def _crossings(rows: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    """Count the pairs of links between the same two storeys that cross."""
    at = {node: (level, k) for level, row in enumerate(rows) for k, node in enumerate(row)}
    ends = sorted((at[upper][0], at[upper][1], at[lower][1]) for upper, lower in links)
    return sum(a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for a, b in combinations(ends, 2))


def _ordered(rows: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> list[list[Node]]:
    """Sort every storey for few crossings; of orders with equally many, for short arrows."""

    def cost(order: Sequence[Sequence[Node]]) -> tuple[int, float]:
        x = _spaced(order)
        return _crossings(order, links), sum((x[a] - x[b]) ** 2 for a, b in links)

    best, least = rows, cost(rows)
    starts = [rows, [row[::-1] for row in rows], [_middle_out(row) for row in rows]]
    starts += [_combed(start, links, down) for start in starts for down in (True, False)]
    for start in starts:
        order, value = start, cost(start)
        for _ in range(SWEEPS):
            before = value
            for level in range(len(order)):
                for other in _neighbours(order[level]):
                    trial = [*order[:level], other, *order[level + 1 :]]
                    if (found := cost(trial)) < value:
                        order, value = trial, found
            if value == before:
                break
        if value < least:
            best, least = order, value
    return best


def _combed(
    rows: list[list[Node]], links: Sequence[tuple[Node, Node]], down: bool
) -> list[list[Node]]:
    """Sort storey after storey by the middle of the neighbours in the storey before."""
    ends = [(upper, lower) if down else (lower, upper) for upper, lower in links]
    order = list(rows)
    levels = range(len(rows))
    for level in list(reversed(levels))[1:] if down else levels[1:]:
        x = _spaced(order)
        middle = {}
        for node in order[level]:
            before = [x[a] for a, b in ends if b == node]
            middle[node] = sum(before) / len(before) if before else x[node]
        order[level] = sorted(order[level], key=middle.__getitem__)
    return order


def _middle_out(row: list[Node]) -> list[Node]:
    return row[::2][::-1] + row[1::2]


def _neighbours(row: list[Node]) -> list[list[Node]]:
    """Return the orders to try: all of a short row, moves of single nodes in a long one."""
    count = 1
    for k in range(2, len(row) + 1):
        count *= k
    if count <= MOST_ORDERS:
        return [list(order) for order in permutations(row)]
    found = []
    for start, end in product(range(len(row)), repeat=2):
        if start != end:
            other = [node for node in row if node != row[start]]
            found.append([*other[:end], row[start], *other[end:]])
    return found


def _spaced(rows: Sequence[Sequence[Node]]) -> dict[Node, float]:
    """Place the nodes of each storey side by side, storeys above each other's middle."""
    x: dict[Node, float] = {}
    for row in rows:
        at = -sum(_wide(node) + GAP for node in row) / 2
        for node in row:
            x[node] = at + (_wide(node) + GAP) / 2
            at += _wide(node) + GAP
    return x


def _positions(
    rows: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]
) -> dict[Node, float]:
    """Move every node towards the middle of its neighbours, as far as the order of its storey allows."""
    near: dict[Node, list[tuple[Node, int]]] = {node: [] for row in rows for node in row}
    for upper, lower in links:
        slots = (not isinstance(upper, str)) + (not isinstance(lower, str))
        near[upper].append((lower, STRAIGHT[slots]))
        near[lower].append((upper, STRAIGHT[slots]))
    x = _spaced(rows)
    for _ in range(SWEEPS):
        for row in (*rows, *reversed(rows)):
            wished = [
                sum(x[other] * pull for other, pull in near[node])
                / sum(pull for _, pull in near[node])
                for node in row
            ]
            x |= zip(row, _apart(row, wished), strict=True)
    return x


def _apart(row: Sequence[Node], wished: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wished ones at which no two nodes overlap (least squares)."""
    offsets, at = [], 0.0
    for k, node in enumerate(row):
        at += (_wide(row[k - 1]) + _wide(node)) / 2 + GAP if k else 0.0
        offsets.append(at)
    pools: list[tuple[float, int]] = []  # mean and size of groups that touch each other
    for value in (w - o for w, o in zip(wished, offsets, strict=True)):
        mean, size = value, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        pools.append((mean, size))
    starts = [mean for mean, size in pools for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _ways(
    paths: Mapping[tuple[str, str], Sequence[Node]], x: Mapping[Node, float]
) -> dict[tuple[str, str], list[float]]:
    """Spread the ends of arrows along the edges of their boxes, in the order of where they lead."""
    ways = {arrow: [x[node] for node in path] for arrow, path in paths.items()}
    for end, inner in ((0, 1), (-1, -2)):
        at_box: dict[str, list[tuple[str, str]]] = {}
        for arrow in paths:
            at_box.setdefault(arrow[end], []).append(arrow)
        for box, several in at_box.items():
            several.sort(key=lambda arrow: x[paths[arrow][inner]])
            step = min(26.0, (WIDTH - 40) / max(1, len(several) - 1))
            for k, arrow in enumerate(several):
                ways[arrow][end] = x[box] + step * (k - (len(several) - 1) / 2)
    return ways
