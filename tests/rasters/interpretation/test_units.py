"""Units of length as files spell them."""

from __future__ import annotations

import pytest

from mfnet_lite.rasters.interpretation.units import metres_per_unit


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        ("m", 1),
        ("Metre", 1),
        ("cm", 0.01),
        ("mm", 0.001),
        ("ft", 0.3048),
        ("foot", 0.3048),
        ("US survey foot", 1200 / 3937),
        ("us-ft", 1200 / 3937),
        ("ftUS", 1200 / 3937),
    ],
)
def test_known_units(unit, metres):
    assert metres_per_unit(unit) == metres


@pytest.mark.parametrize("unit", ["", "kelvin", "reflectance", "degree", "dB"])
def test_other_quantities_are_no_lengths(unit):
    assert metres_per_unit(unit) is None
