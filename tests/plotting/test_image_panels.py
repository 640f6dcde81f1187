"""Images are drawn as what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.plotting import ISPRS, show_images


def test_photographs_grey_maps_and_classes() -> None:
    classes = torch.tensor([[1, 3], [255, 1]])
    figure = show_images({"photo": np.zeros((4, 2, 2)), "grey": np.eye(2), "map": classes})
    photo, grey, drawn = (ax.images[0].get_array() for ax in figure.axes)
    assert photo.shape == grey.shape == (2, 2, 3)
    assert grey[0, 0].tolist() == [255, 255, 255]
    assert drawn[0, 1].tolist() == list(ISPRS.colours[3])
    listed = [text.get_text() for text in figure.legends[0].get_texts()]
    assert listed == [ISPRS.names[1], ISPRS.names[3], "no class"]
    grey = figure.legends[0].get_patches()[-1].get_facecolor()[:3]
    assert [round(255 * value) for value in grey] == drawn[1, 0].tolist()


def test_pixels_that_were_not_measured_have_a_colour() -> None:
    values = np.array([[0.0, np.nan], [0.5, 1.0]])
    for stretch in (False, True):
        drawn = show_images({"heights": values}, stretch=stretch).axes[0].images[0].get_array()
        assert drawn[0, 1].tolist() == [213, 94, 0]
        assert drawn[0, 0].tolist() == [0, 0, 0]


def test_grey_maps_are_stretched_on_request_only() -> None:
    values = np.linspace(5.0, 9.0, 16).reshape(4, 4)
    drawn = show_images({"decibels": values}, stretch=True).axes[0].images[0].get_array()
    assert (drawn.min(), drawn.max()) == (0, 255)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        show_images({"decibels": values})
    assert not show_images({"grey": values / 9}).legends
