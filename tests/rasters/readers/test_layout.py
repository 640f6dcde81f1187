"""What the readers of image layouts share, and that no format takes another one's folders."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.rasters import (
    READERS,
    DatasetInfo,
    LabelCoding,
    Problem,
    SensorInfo,
    Tile,
    detect_kind,
)
from mfnet_lite.rasters.readers.layout import (
    divide,
    folder_named,
    folders_named,
    stated_sensor,
    zeros_note,
)
from mfnet_lite.rasters.scan import lines_of
from mfnet_lite.world import write_isprs, write_plates
from tests.rasters.readers.image_sets import (
    make_mf_street,
    make_nyud,
    make_pst900,
    make_whu_opt_sar,
    save,
    split_channels,
)

INFO = DatasetInfo(("a", "b"), LabelCoding(2), {})


def tile(name: str) -> Tile:
    return Tile(name, {}, None, INFO)


def images(root, *folders: str):
    for folder in folders:
        save(root / folder / "1.png", np.zeros((4, 4, 3), np.uint8))
    return root


MAKERS = {
    "folder": lambda root: images(root, "train/image", "train/sar", "train/label"),
    "pairs": lambda root: images(root, "train/A", "train/B", "train/label"),
    "loveda": lambda root: images(root, "Train/Urban/images_png", "Train/Urban/masks_png"),
    "hunan": lambda root: images(root, "train/s2", "train/topo", "train/lc"),
    "vaihingen": lambda root: write_isprs(root, (1,), 64, quiet=True),
    "plates": lambda root: write_plates(root, 3, 64, quiet=True),
    "mf_street": make_mf_street,
    "pst900": make_pst900,
    "nyud": make_nyud,
    "whu_opt_sar": make_whu_opt_sar,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_is_recognised_by_its_own_reader_alone(tmp_path, kind):
    MAKERS[kind](tmp_path / "data")
    matching = [name for name, reader in READERS.items() if reader.matches(tmp_path / "data")]
    assert matching == [kind]


def test_names_that_two_readers_know(tmp_path):
    assert detect_kind(make_nyud(tmp_path / "sun_rgbd")) == "sunrgbd"
    assert detect_kind(make_whu_opt_sar(tmp_path / "a", optical="image")) == "whu_opt_sar"
    own = images(tmp_path / "b", "image", "sar", "label", "lbl")
    assert detect_kind(own) == "folder"
    street = split_channels(make_mf_street(tmp_path / "c"), tmp_path / "d", ("RGB", "Modal", "Label"))  # fmt: skip
    assert detect_kind(images(street, "HHA")) == "mf_street"


def test_folders_in_whatever_letters(tmp_path):
    for name in ("RGB", "Label"):
        (tmp_path / name).mkdir()
    (tmp_path / "hha").write_text("no folder")
    assert folder_named(tmp_path, ("rgb",)) == tmp_path / "RGB"
    assert folder_named(tmp_path, ("hha", "depth")) is None
    assert folders_named(tmp_path / "no", ("rgb",)) == []
    (tmp_path / "labels").mkdir()
    with pytest.raises(ValueError, match="holds Label/ and labels/: expected one of them"):
        folder_named(tmp_path, ("label", "labels"))


def test_what_dataset_json_says_goes_before_what_the_reader_knows():
    depth = SensorInfo("depth", "Depth", 1, scale=10_000.0, nodata=0.0, kind="other")
    assert stated_sensor(depth, {}) == depth
    said = stated_sensor(depth, {"sensors": {"depth": {"scale": 255, "unit": "mm", "nodata": -1}}})
    assert (said.scale, said.unit, said.nodata, said.kind) == (255.0, "mm", -1.0, "other")
    assert (said.folder, said.bands) == ("Depth", 1)
    stated = {"sensors": {"depth": {"kind": "elevation"}}}
    assert stated_sensor(depth, stated).is_height
    image = SensorInfo("optical", "RGB")
    assert stated_sensor(image, {"image_scale": 1023}).scale == 1023
    assert zeros_note({"depth": said, "optical": image}) == []
    assert "depth: 0 means" in zeros_note({"depth": depth})[0]


def test_lists_divide_and_tell_what_they_share(tmp_path):
    tiles = [tile(name) for name in "abcd"]
    path = {name: tmp_path / f"{name}.txt" for name in ("train", "val", "test")}
    lists = {
        "train": (path["train"], ["a", "b", "a"]),
        "val": (path["val"], ["c"]),
        "test": (path["test"], ["c", "b", "x"]),
    }
    divided = divide(tmp_path, tiles, [], lists)
    assert {s: [t.id for t in part] for s, part in divided.splits.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["c", "b"],
    }
    (absent,) = divided.incomplete["test"]
    assert "lists x, which has no complete set of files" in absent.problem
    assert [str(fault) for fault in divided.faults] == [
        f"{path['test']}: lists 1 tile that train.txt lists, too, such as b; keep each in one of the lists"
    ]
    assert divided.notes == [
        "1 tile in no list is left out",
        "test.txt lists 1 tile that val.txt lists, too, such as c",
    ]
    problem = Problem(tmp_path, "is odd", "")
    whole = divide(tmp_path, tiles, [problem], {})
    assert (list(whole.splits), whole.incomplete) == (["all"], {"all": (problem,)})
    assert "learnt from and scored" in whole.notes[0]


def test_a_list_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes("00001D\r\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"train\.txt is no text in UTF-8"):
        lines_of(path)
