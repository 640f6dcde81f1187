"""Values of a JSON file against the types of a dataclass: what fits, and what is said of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from mfnet_lite.utils.typed_fields import check_fields, fits_type

CASES: list[tuple[Any, Any, bool]] = [
    (1, int, True), (True, int, False), (1.5, int, False), ("1", int, False), (None, int, False),
    (1, float, True), (1.5, float, True), (False, float, False), (float("nan"), float, True),
    ("a", str, True), (None, str | None, True), (3, str | None, False), (True, bool, True), (0, bool, False),
    ([1, 2], tuple[int, ...], True), ([1, "b"], tuple[int, ...], False), ("ab", tuple[str, ...], False),
    ([1, 2, 3], tuple[int, int, int], True), ([1, 2], tuple[int, int, int], False), ([], list[str], True),
    ({"a": 1}, dict[str, int], True), ({"a": "b"}, dict[str, int], False), ([], dict[str, int], False),
    ("last", Literal["last", "best"], True), ("first", Literal["last", "best"], False), (object(), Any, True),
]  # fmt: skip


@pytest.mark.parametrize(("value", "hint", "fits"), CASES, ids=range(len(CASES)))
def test_what_fits_a_type(value, hint, fits):
    assert fits_type(value, hint) is fits


@dataclass
class Settings:
    steps: int
    bands: tuple[int, ...] = ()
    scale: float | None = None


def test_the_field_and_what_was_found_are_named():
    check_fields(Settings, {"steps": 1, "bands": [1, 2], "scale": None, "unknown": "x"})
    with pytest.raises(ValueError, match=r"^steps is 'ten', expected a whole number$"):
        check_fields(Settings, {"steps": "ten"})
    with pytest.raises(ValueError, match=r"^scale is \[\], expected a number or null$"):
        check_fields(Settings, {"scale": []})
    with pytest.raises(ValueError, match=r"^bands is 'x+…, expected a list of whole numbers$"):
        check_fields(Settings, {"bands": "x" * 500})
