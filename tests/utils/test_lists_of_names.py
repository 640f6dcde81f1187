"""A string in the place of a list of names is refused wherever lists of names are taken."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.language.class_words import phrases_of_classes
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.nets import MFuserConfig, build_model
from mfnet_lite.rasters import open_dataset
from mfnet_lite.rasters.datasets.tile_reader import TileReader
from mfnet_lite.rasters.readers.isprs import open_vaihingen
from mfnet_lite.rasters.readers.loveda import loveda_folders
from mfnet_lite.scenes.predict import predict_scene
from mfnet_lite.utils.lists_of_names import check_list_of_names


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
