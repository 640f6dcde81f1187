"""The static slider: whole, self-contained, accessible, repeatable."""

from __future__ import annotations

import base64
import html
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mfnet_lite.plotting import show_image, static_slider

FRAMES = [np.full((8, 12, 3), value, np.uint8) for value in (0, 120, 250)]
LABELS = ["rank 1", 'rank "2"', "rank <4>"]


class Tags(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def make(**changes: object) -> str:
    settings: dict = {
        "frames": FRAMES,
        "labels": LABELS,
        "title": "rank",
        "alt": "predicted masks",
    } | changes
    return static_slider(**settings).html


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = make()
    assert not re.search(r"https?:|src=\"(?!data:)|href=|<script|<link|@import", text)


@pytest.mark.parametrize(("encoding", "tolerance"), [("png", 0), ("webp", 3), ("jpeg", 3)])
def test_frames_survive(encoding: str, tolerance: int) -> None:
    images = Tags(make(encoding=encoding)).named("img")
    for image, frame in zip(images, FRAMES, strict=True):
        head, data = image["src"].split(",", 1)
        assert head == f"data:image/{encoding};base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as rgb:
            shown = np.asarray(rgb.convert("RGB")).astype(int)
        assert np.abs(shown - frame).max() <= tolerance


def test_only_the_first_frame_is_visible_and_each_has_its_own_alt_text() -> None:
    images = Tags(make()).named("img")
    assert ["hidden" in image for image in images] == [False, True, True]
    assert [image["alt"] for image in images] == [f"predicted masks ({label})" for label in LABELS]


def test_it_may_start_with_another_frame() -> None:
    tags = Tags(make(start=2))
    assert ["hidden" in image for image in tags.named("img")] == [True, True, False]
    (field,) = tags.named("input")
    assert (field["value"], field["aria-valuetext"]) == ("2", LABELS[2])
    assert f">{html.escape(LABELS[2])}</output>" in make(start=2)


@pytest.mark.parametrize("start", [-1, 3])
def test_a_start_that_is_no_frame_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match=f"expected start from 0 to 2, got {start}"):
        make(start=start)


def test_input_is_labelled_keyboard_ready_and_speaks() -> None:
    tags = Tags(make())
    (field,) = tags.named("input")
    (label,) = tags.named("label")
    (output,) = tags.named("output")
    assert (field["type"], field["min"], field["max"], field["step"]) == ("range", "0", "2", "1")
    assert field["aria-valuetext"] == "rank 1"
    assert label["for"] == field["id"] == output["for"]
    assert "aria-valuetext" in field["oninput"]
    assert tags.tags[0][1]["aria-labelledby"] == label["id"]


def test_ids_come_from_the_content() -> None:
    ids = [
        re.findall(r'<input id="([^"]+)"', text)[0]
        for text in (make(), make(), make(title="other"))
    ]
    assert ids[0] == ids[1] != ids[2]
    assert make() == make()


def test_figures_and_band_first_images_are_frames_too() -> None:
    figure = show_image(np.zeros((3, 4, 4), np.uint8))
    text = static_slider([figure, np.zeros((1, 6, 6))], ["a", "b"], "what", "a figure").html
    first, second = Tags(text).named("img")
    assert int(first["width"]) > 100
    assert (second["width"], second["height"]) == ("6", "6")
    # a figure has two pixels for each that it is shown at
    own = round(figure.get_figwidth() * figure.dpi)
    assert int(first["width"]) == 2 * own
    assert f"max-width:{own}px" in first["style"]


def test_a_twenty_frame_slider_stays_small() -> None:
    ramp = np.linspace(0, 255, 200 * 200).reshape(200, 200)
    frames = [
        np.repeat(((ramp + 9 * k) % 256).astype(np.uint8)[..., None], 3, axis=2) for k in range(20)
    ]
    assert len(make(frames=frames, labels=[str(k) for k in range(20)])) < 200_000


@pytest.mark.parametrize(
    "changes", [{"frames": [], "labels": []}, {"labels": ["one"]}, {"title": " "}, {"alt": ""}]
)
def test_incomplete_sliders_are_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        make(**changes)
