"""Palettes: the right colour at the right class, and apart for every kind of colour vision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.plotting import palettes
from mfnet_lite.plotting.palettes import BINARY, CHANGE, ERRORS, ISPRS, Palette

OFFICIAL = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0))


@pytest.mark.parametrize(
    "palette", [ISPRS, BINARY, CHANGE, ERRORS], ids=["isprs", "binary", "change", "errors"]
)
def test_palettes_stay_apart_for_every_kind_of_vision(palette: Palette) -> None:
    assert min(palettes.separation(palette).values()) > 30


def test_official_isprs_colours_merge_and_ours_are_much_better() -> None:
    official = palettes.separation(Palette(ISPRS.names, OFFICIAL))
    assert official["protanopia"] == pytest.approx(
        8.263, abs=0.01
    )  # cyan against white, computed once by hand below
    ours = palettes.separation(ISPRS)
    assert all(ours[kind] > official[kind] for kind in ours)


def test_every_class_colour_is_visible_on_white_and_on_black() -> None:
    lab = palettes.perceived([*ISPRS.colours, (255, 255, 255), (0, 0, 0)])
    classes, white, black = lab[:-2], lab[-2], lab[-1]
    assert (
        np.linalg.norm(classes[1:] - white, axis=1).min() > 25
    )  # the streets are meant to be nearly white
    assert np.linalg.norm(classes - black, axis=1).min() > 40


def test_lab_of_known_colours() -> None:
    lab = palettes.perceived([(255, 255, 255), (0, 0, 0), (255, 0, 0)])
    np.testing.assert_allclose(lab, [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]], atol=0.02)


def test_greys_look_the_same_to_everybody() -> None:
    grey = [(v, v, v) for v in (0, 64, 128, 255)]
    for kind in palettes.DEFICIENCIES:
        np.testing.assert_allclose(
            palettes.perceived(grey, kind), palettes.perceived(grey), atol=0.05
        )


def test_unknown_deficiency_is_refused() -> None:
    with pytest.raises(ValueError, match="'xyz'"):
        palettes.perceived([(0, 0, 0)], "xyz")


def test_paint_places_colours_and_ignored_pixels() -> None:
    image = ISPRS.paint(np.array([[1, 4], [255, 0]], dtype=np.uint8))
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == list(ISPRS.colours[1])
    assert image[0, 1].tolist() == list(ISPRS.colours[4])
    assert image[1, 0].tolist() == list(ISPRS.ignored)


@pytest.mark.parametrize("value", [-1, 6, 254])
def test_paint_refuses_strange_labels(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        ISPRS.paint(np.array([[0, value]]))


def test_palette_refuses_missing_colours() -> None:
    with pytest.raises(ValueError, match="2 names and 1 colours"):
        Palette(("a", "b"), ((0, 0, 0),))


def test_hex() -> None:
    assert CHANGE.hex(1) == "#cc3311"


@given(st.integers(1, 300))
def test_instance_colours_never_meet_the_background_or_the_next_number(count: int) -> None:
    colours = palettes.instance_palette(count).astype(int)
    assert colours.shape == (count + 1, 3)
    assert (np.abs(colours[1:] - colours[0]).sum(axis=1) > 40).all()
    if count > 1:
        assert (np.abs(np.diff(colours[1:], axis=0)).sum(axis=1) > 60).all()
