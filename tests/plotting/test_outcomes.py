"""Outcomes of a binary decision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.plotting import ERRORS, show_outcome


def test_every_outcome_has_its_colour() -> None:
    called, truth = torch.tensor([[0, 1], [1, 0]]).bool(), np.array([[0, 1], [0, 1]])
    figure = show_outcome(called, truth, "errors")
    (ax,) = figure.axes
    shown = np.asarray(ax.images[0].get_array())[..., :3]
    negative, hit, alarm, missed = (np.array(colour) for colour in ERRORS.colours)
    assert np.array_equal(shown, np.array([[negative, hit], [alarm, missed]]))
    assert ax.get_title() == "errors"


def test_maps_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 2\) for the map and \(2, 3\)"):
        show_outcome(np.zeros((2, 2)), np.zeros((2, 3)))
