"""Damages of files: how bytes get lost on disks, wires and in editors, drawn by Hypothesis.

Every damage is small and dumb: cut off, flipped, overwritten, shifted bytes, values of another kind in a JSON file.
Nothing here carries code or aims at any reader.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Damage:
    """One damage of some bytes.

    Attributes:
        kind: ``cut``, ``flip``, ``zeros``, ``noise``, ``lost`` or ``doubled``.
        place: Where, as a share of the length, 0 to 1.
        span: Of how many bytes; of a flip which bit.
        noise: Bytes that overwrite others.
    """

    kind: str
    place: float
    span: int
    noise: bytes = b""

    def apply(self, whole: bytes) -> bytes:
        """Return damaged bytes.

        Args:
            whole: Those of the file.
        """
        at = min(int(self.place * len(whole)), max(len(whole) - 1, 0))
        if self.kind == "cut":
            return whole[:at]
        if self.kind == "flip":
            bit = 1 << self.span % 8
            return whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
        end = min(at + self.span, len(whole))
        if self.kind == "zeros":
            return whole[:at] + bytes(end - at) + whole[end:]
        if self.kind == "noise":
            return whole[:at] + self.noise[: end - at] + whole[min(at + len(self.noise), end) :]
        if self.kind == "lost":
            return whole[:at] + whole[end:]
        return whole[:end] + whole[at:]


def damages(head: float = 0.0) -> st.SearchStrategy[Damage]:
    """Draw damages.

    Args:
        head: Share of the file in which half of them lie; headers are small and matter most.
    """
    place = st.floats(0, 1, exclude_max=True)
    places = place | st.floats(0, head) if head else place
    kinds = st.sampled_from(["cut", "flip", "flip", "flip", "zeros", "noise", "lost", "doubled"])
    return st.builds(Damage, kinds, places, st.integers(1, 600), st.binary(min_size=1, max_size=40))


STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 7, 2.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, "", "text", "\u0000", [], {},
    [[]], [1, 2, 3], ["a", "a"], {"a": 1}, [None], "../../outside",
)  # fmt: skip
"""Values of other kinds and sizes than a reader hopes for."""


@dataclass(frozen=True)
class JsonDamage:
    """One value of a JSON file that is another, or gone.

    Attributes:
        place: Which value, as a share of all of them.
        value: What stands there instead.
        gone: Whether the value is left out altogether.
    """

    place: float
    value: Any
    gone: bool

    def apply(self, whole: bytes) -> bytes:
        """Return the file with the value exchanged.

        Args:
            whole: Bytes of the JSON file.
        """
        content = json.loads(whole)
        places = list(_places(content))
        holder, key = places[min(int(self.place * len(places)), len(places) - 1)]
        if self.gone:
            del holder[key]
        else:
            holder[key] = self.value
        return json.dumps(content).encode()


def json_damages() -> st.SearchStrategy[JsonDamage | Damage]:
    """Draw damages of JSON files: values of another kind, keys that are gone, and damaged bytes."""
    values = st.builds(
        JsonDamage,
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(STRANGE),
        st.sampled_from([False, False, False, True]),
    )
    return values | values | values | damages()


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every value of a JSON file with what holds it, from the outside in."""
    found: list[tuple[Any, Any]] = []
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        found.append((content, key))
        if isinstance(value, dict | list):
            found += _places(value)
    return found
