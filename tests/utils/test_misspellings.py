"""Words close to known ones are told from words of their own."""

from __future__ import annotations

import pytest

from mfnet_lite.utils.misspellings import meant


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("units", "unit"),
        ("Unit", "unit"),
        ("imagescale", "image_scale"),
        ("label_treshold", "label_threshold"),
        ("dms", "dsm"),
        ("dtm", None),  # a sensor of its own
        ("crs", None),
        ("comment", None),
    ],
)
def test_the_word_that_was_meant(word, expected):
    assert meant(word, ("unit", "scale", "image_scale", "label_threshold", "dsm")) == expected
