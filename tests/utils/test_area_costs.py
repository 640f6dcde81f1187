"""Hours and cost of an area, by hand."""

from __future__ import annotations

import pytest

from mfnet_lite.utils.area_costs import estimate_area


def test_one_square_kilometre_by_hand():
    one = estimate_area(1.0, 0.2, 0.5, stride=500, price_per_hour=3.0)
    assert one.pixels == pytest.approx(25e6)
    assert one.windows == pytest.approx(100)
    assert one.device_hours == pytest.approx(200 / 3600)
    assert one.hours == one.device_hours
    assert one.cost == pytest.approx(600 / 3600)
    assert str(one).startswith("estimate: 100 windows, 0.1 device hours")


def test_more_devices_are_faster_and_not_cheaper():
    one = estimate_area(100, 0.2, 2, stride=128, price_per_hour=1)
    four = estimate_area(100, 0.2, 2, stride=128, devices=4, price_per_hour=1, efficiency=0.8)
    assert four.hours == pytest.approx(one.hours / 4 / 0.8)
    assert four.cost == pytest.approx(one.cost / 0.8)
    assert estimate_area(1, 1, 1, stride=1).cost is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gsd": 0}, "gsd must be positive, got 0"),
        ({"windows_per_second": float("nan")}, "windows_per_second must be positive"),
        ({"efficiency": 1.5}, "at most 1"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    given = {"square_kilometres": 1, "gsd": 1, "windows_per_second": 1, "stride": 1} | changes
    with pytest.raises(ValueError, match=words):
        estimate_area(**given)
