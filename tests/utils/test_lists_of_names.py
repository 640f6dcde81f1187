"""A string in the place of a list of names, and a list in the place of text, are refused wherever either is taken."""

from __future__ import annotations

import re

import pytest
import torch

from mfnet_lite.language.class_words import (
    check_one_for_each,
    phrases_of_classes,
    plain_name,
    read_classes,
    words_of,
)
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.nets import MFuserConfig, build_model
from mfnet_lite.rasters import open_dataset
from mfnet_lite.rasters.datasets.tile_reader import TileReader
from mfnet_lite.rasters.readers.isprs import open_vaihingen
from mfnet_lite.rasters.readers.loveda import loveda_folders
from mfnet_lite.scenes.predict import predict_scene
from mfnet_lite.utils.lists_of_names import check_list_of_names, check_text


def test_what_to_write_is_said():
    check_list_of_names("classes", ["roof"])
    check_list_of_names("classes", ())
    message = r"^classes must be a list of names, got the string 'roof'; write \['roof'\]$"
    with pytest.raises(ValueError, match=message):
        check_list_of_names("classes", "roof")


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("classes", lambda _: phrases_of_classes("roof")),
        ("given", lambda _: check_one_for_each("roof", ["a", "b", "c", "d"])),
        ("classes", lambda _: build_model("mfuser", {"optical": 3}, 4, classes="roof")),
        ("classes", lambda _: MFuserConfig(words="roof")),
        ("classes", lambda _: ConfusionMatrix(4).scores().as_dict("roof")),
        (
            "classes",
            lambda folder: predict_scene(
                torch.nn.Identity(), {}, folder / "map.tif", classes="roof", window=8
            ),
        ),
        ("sensors", lambda _: TileReader("optical")),
        ("sensors", lambda folder: open_dataset(folder, sensors="optical")),
        ("scenes", lambda folder: loveda_folders(folder, "Urban")),
        ("eroded", lambda folder: open_vaihingen(folder, eroded="test")),
    ],
)
def test_a_string_is_no_list_of_names(tmp_path, argument, call):
    (tmp_path / "train" / "image").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"{argument} must be a list of names, got the string"):
        call(tmp_path)


def test_what_text_looks_like_is_said():
    check_text("classes", "roof", "roof, lawn")
    message = r"^classes must be text such as 'roof, lawn', got the list \['roof'\]$"
    with pytest.raises(ValueError, match=message):
        check_text("classes", ["roof"], "roof, lawn")


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (words_of, ["roof", "lawn"]),
        (words_of, None),
        (plain_name, ("roof",)),
        (read_classes, ["roof", "lawn"]),
        (read_classes, ("roof, lawn",)),
        (lambda given: phrases_of_classes([given]), 3),
        (lambda given: phrases_of_classes([("lawn", given)]), 3),
        (lambda given: phrases_of_classes([("lawn", given)]), ["meadow"]),
    ],
)
def test_a_list_or_a_number_is_no_text(call, given):
    found = re.escape(f"got the {type(given).__name__} {given!r}")
    with pytest.raises(ValueError, match=rf"must be text such as '.*', {found}"):
        call(given)
