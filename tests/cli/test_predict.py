"""What ``predict`` says of lines for ``dataset.json``, which it reads from no folder."""

from __future__ import annotations

import pytest

from mfnet_lite.cli.predict import _with_option

ADDED = "; predict reads it from the file given with --dataset-json"


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ('a.tif is uint16; write "image_scale": 10000 in dataset.json', True),
        ("dataset.json has no classes; name them", False),  # the file itself
        ("d/dataset.json is no JSON; correct it", False),
        ("a.tif: write it in a dataset.json for it (--dataset-json)", False),
        ("a.tif is damaged; copy it again", False),
    ],
)
def test_the_option_is_named_where_a_line_is_asked_for(text, added):
    assert _with_option(text) == text + ADDED * added
