"""A conversation about an image: what is remembered, and where boxes lie on the map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from mfnet_lite.language.generation import GreedyDecoder
from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig
from mfnet_lite.nets.earthgpt_answers import WrittenAnswer
from mfnet_lite.rasters.io import quiet
from mfnet_lite.runs.chat import PIXELS, Chat, crs_member, ring

ROTATED = Affine(6, 8, 1000, 8, -6, 2000)
"""x = 6 col + 8 row + 1000, y = 8 col - 6 row + 2000: turned, pixels of 10 m."""


@pytest.fixture(scope="module")
def model() -> EarthGPT:
    config = EarthGPTConfig(backbone="tiny", cnn="none", image_size=32, grid=1)
    return config.open().eval()


def write(path: Path, **profile: object) -> Path:
    """An image of 200 x 100 pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 100, 200), dtype=np.uint8)
    options = {"driver": "GTiff", "count": 3, "width": 200, "height": 100, "dtype": "uint8"}
    with quiet(), rasterio.open(path, "w", **(options | profile)) as file:
        file.write(pixels)
    return path


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    return write(tmp_path / "placed.tif", crs="EPSG:32633", transform=ROTATED)


class Scripted:
    """Gives the answers of a list, of which "…" at the end says that it is missing, and notes what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.seen = list(answers), []

    def __call__(self, examples, max_new_tokens=0, at_once=0):
        (example,) = examples
        self.seen.append(list(example.turns))
        text = self.answers.pop(0)
        return [WrittenAnswer(text.removesuffix("…"), not text.endswith("…"))]


def scripted(monkeypatch: pytest.MonkeyPatch, model: EarthGPT, *answers: str) -> Scripted:
    found = Scripted(*answers)
    monkeypatch.setattr(model, "written", found)
    return found


def test_boxes_lie_where_the_transform_says(model, placed, monkeypatch):
    """200 x 100 pixels lie on a square of 200 with 50 rows above: (0, .25, .5, .75) is pixels 0 to 100 both ways."""
    scripted(
        monkeypatch,
        model,
        "There is <p>1 roof</p>[0.00,0.25,0.50,0.75].",
        "[0.50,0.25,1.00,0.50,0.50,0.75,0.00,0.50]",
    )
    chat = Chat(model, placed)
    chat.ask("Which  roofs are there?")
    chat.ask("And turned?")
    found = chat.features()
    assert found["crs"] == {
        "type": "name",
        "properties": {"name": "urn:ogc:def:crs:EPSG::32633"},
    }
    upright, turned = found["features"]
    assert upright["geometry"] == {
        "type": "Polygon",
        "coordinates": [
            [[1000, 2000], [1800, 1400], [2400, 2200], [1600, 2800], [1000, 2000]],
        ],
    }
    assert upright["properties"] == {
        "phrase": "roof",
        "question": "Which roofs are there?",
        "turn": 1,
        "text": "There is <p>1 roof</p>[0.00,0.25,0.50,0.75].",
        "coordinates": "EPSG:32633",
    }
    assert turned["geometry"]["coordinates"] == [
        [[1600, 2800], [1400, 1700], [2400, 2200], [2600, 3300], [1600, 2800]]
    ]
    assert (turned["properties"]["phrase"], turned["properties"]["turn"]) == ("", 2)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_a_coordinate_system_boxes_are_in_pixels(model, tmp_path, monkeypatch):
    image = write(tmp_path / "plain.png", driver="PNG")
    scripted(monkeypatch, model, "[0.00,0.25,0.50,0.75]")
    chat = Chat(model, image)
    (box,) = chat.ask("Where?").boxes
    assert box.corners == ((0, 0), (100, 0), (100, 100), (0, 100))
    assert box.inside
    found = chat.features()
    assert "crs" not in found
    (feature,) = found["features"]
    assert feature["properties"]["coordinates"] == PIXELS
    assert feature["geometry"]["coordinates"] == [[[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]]


def test_ground_control_points_are_a_transform_too(model, tmp_path, monkeypatch):
    points = [
        GroundControlPoint(row, col, 500 + 10 * col, 900 - 10 * row)
        for row, col in ((0, 0), (0, 200), (100, 0), (100, 200))
    ]
    image = write(tmp_path / "points.tif", gcps=points, crs="EPSG:32633")
    scripted(monkeypatch, model, "[0.00,0.25,0.50,0.75]")
    chat = Chat(model, image)
    chat.ask("Where?")
    (feature,) = chat.features()["features"]
    corners = feature["geometry"]["coordinates"][0]
    assert np.allclose(corners, [[500, 900], [500, -100], [1500, -100], [1500, 900], [500, 900]])
    assert chat.remarks() == []


def test_ground_control_points_that_no_transform_fits_are_told(model, tmp_path):
    points = [
        GroundControlPoint(50 * r, 100 * c, 500 + 1000 * c, 900 - 500 * r + 30 * (c - 1) ** 2)
        for r in range(3)
        for c in range(3)
    ]
    image = write(tmp_path / "bent.tif", gcps=points, crs="EPSG:32633")
    (remark,) = Chat(model, image).remarks()
    # of 0, 30, 0 in metres the best plane misses 20 at the worst, two pixels
    assert "bent.tif is placed by 9 ground control points" in remark
    assert "up to 2.0 pixels" in remark
    assert "gdalwarp -tps" in remark


def test_rings_are_closed_and_against_the_clock():
    for transform in (None, ROTATED, Affine(10, 0, 0, 0, -10, 0), Affine(0, 1, 0, 1, 0, 0)):
        for corners in ([(0, 0), (2, 0), (2, 1), (0, 1)], [(0, 0), (0, 1), (2, 1), (2, 0)]):
            points = np.array(ring(corners, transform))
            assert (points[0] == points[-1]).all()
            x, y = points.T
            assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84"),
        ("OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84"),
        ("EPSG:25832", "urn:ogc:def:crs:EPSG::25832"),
        ("EPSG:25832+7837", "urn:ogc:def:crs:EPSG::25832"),
    ],
)
def test_names_of_coordinate_systems(crs, name):
    assert crs_member(CRS.from_user_input(crs))["properties"]["name"] == name


def test_a_system_without_authority_is_written_out():
    own = CRS.from_proj4(
        "+proj=tmerc +lat_0=1 +lon_0=2 +k=0.5 +x_0=3 +y_0=4 +ellps=bessel +units=m"
    )
    name = crs_member(own)["properties"]["name"]
    assert CRS.from_wkt(name) == own


def test_the_dialogue_so_far_is_kept(model, placed, monkeypatch):
    heard = scripted(monkeypatch, model, "two", "red", "yes")
    chat = Chat(model, placed)
    assert [chat.ask(text).turn for text in ("How many?", "Which colour?", "Sure?")] == [1, 2, 3]
    assert heard.seen[-1] == [("How many?", "two"), ("Which colour?", "red"), ("Sure?", None)]
    assert not any(reply.remarks() for reply in chat.replies)


def test_what_the_model_cannot_read_is_forgotten_and_said(model, placed, monkeypatch):
    heard = scripted(monkeypatch, model, "two", "red", "yes")
    chat = Chat(model, placed, max_new_tokens=4)
    chat.ask("How many?")
    chat.ask("Which colour?")
    rows, _ = model.packed([chat._example("Sure?", chat.history[1:])])
    limit = (
        rows.ids.shape[1] + 3
    )  # one turn before the question and all but the last token of the answer
    monkeypatch.setattr(model.language.network.config, "max_position_embeddings", limit)
    reply = chat.ask("Sure?")
    assert heard.seen[-1] == [("Which colour?", "red"), ("Sure?", None)]
    assert reply.forgotten == 1
    assert "1 earlier turn is forgotten" in reply.remarks()[0]
    assert chat.history == [("Which colour?", "red"), ("Sure?", "yes")]
    assert [each.turn for each in chat.replies] == [1, 2, 3]
    monkeypatch.setattr(model.language.network.config, "max_position_embeddings", 9)
    with pytest.raises(ValueError, match="the language model reads 9: ask in fewer words"):
        chat.ask("Sure?")
    assert len(chat.replies) == 3


def test_nothing_malformed_is_lost(model, placed, monkeypatch):
    scripted(
        monkeypatch, model, "<p>2 roofs</p>[0.10,0.30,0.20,0.40;0.1,0.3,0.2,1.4", "", "[0,0,1,1]"
    )
    chat = Chat(model, placed)
    first = chat.ask("Where?")
    assert len(first.boxes) == 1
    assert [fault.kind for fault in first.faults] == ["truncated", "count"]
    assert any(
        "malformed (truncated): the bracket is not closed in '0.1,0.3,0.2,1.4'" in remark
        for remark in first.remarks()
    )
    assert chat.ask("And?").remarks() == ["answer 2 is malformed (empty): nothing was answered"]
    whole = chat.ask("All of it?")
    assert not whole.boxes[0].inside
    assert whole.remarks() == ["answer 3: 1 of 1 box reaches beyond the image"]
    assert len(chat.features()["features"]) == 2


def test_an_answer_without_its_end(model, placed, monkeypatch):
    scripted(monkeypatch, model, "one two three four…", "one two three four")
    chat = Chat(model, placed, max_new_tokens=4)
    cut = chat.ask("Say?")
    assert cut.cut_off
    assert "its end may be missing" in cut.remarks()[-1]
    whole = chat.ask("Say?")  # the end token is the last that it may have, and no word
    assert not whole.cut_off
    assert not any("its end may be missing" in remark for remark in whole.remarks())


@pytest.mark.parametrize(("allowed", "cut_off"), [(1, True), (2, True), (3, False), (4, False)])
def test_an_answer_broken_off_at_a_space(model, placed, monkeypatch, allowed, cut_off):
    """The token of the space is gone from the text, but it was written."""
    tokens = [*model.language.encode("a ")[:2], model.language.eos]
    assert model.language.decode(tokens[:2]) == "a "

    def written(self, prompts, max_new_tokens):
        return [self._ended(tokens[:max_new_tokens])]

    monkeypatch.setattr(GreedyDecoder, "written", written)
    reply = Chat(model, placed, max_new_tokens=allowed).ask("Say?")
    assert (reply.text, reply.cut_off) == ("a", cut_off)


def test_a_real_answer_needs_no_script(model, placed):
    reply = Chat(model, placed, max_new_tokens=3).ask("What is it?")
    assert "<|" not in reply.text


def test_faults(model, placed, tmp_path):
    with pytest.raises(ValueError, match="an answer needs at least 1 token, got 0"):
        Chat(model, placed, 0)
    with pytest.raises(FileNotFoundError, match=r"none\.tif does not exist"):
        Chat(model, tmp_path / "none.tif")
    with pytest.raises(ValueError, match="a question is empty"):
        Chat(model, placed).ask("  ")
