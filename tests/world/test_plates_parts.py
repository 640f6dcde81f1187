from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.world.plates.lettering import (
    DIGITS,
    LETTERS,
    STROKES,
    STYLES,
    plate_texture,
    random_text,
)
from mfnet_lite.world.plates.plate_parts import draw_vehicle
from mfnet_lite.world.plates.polygon_canvas import (
    Canvas,
    contains,
    disc,
    homography,
    rounded,
    turned,
)
from mfnet_lite.world.plates.street import draw_lights, draw_posts, noise, paint_street
from mfnet_lite.world.plates.view import View

VIEWS = st.builds(
    View,
    focal=st.floats(1.0, 2.5),
    height=st.floats(0.5, 4.0),
    pitch=st.floats(-0.1, 0.6),
    roll=st.floats(-0.4, 0.4),
)
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)


@given(view=VIEWS, row=st.integers(0, 31), column=st.integers(0, 31))
def test_ground_is_the_inverse_of_projecting(view: View, row: int, column: int) -> None:
    x, z, azimuth, slope = (raster[row, column] for raster in view.ground(32))
    if slope < -0.02 and 0.5 < z < 300 and abs(x) < 300:
        seen = view.project(np.array([[x, 0.0, z]]))[0]
        np.testing.assert_allclose(seen, [(column + 0.5) / 32, (row + 0.5) / 32], atol=2e-3)
        assert azimuth == pytest.approx(x / z, abs=1e-3)


def test_projection_by_hand() -> None:
    # Straight ahead and level: x/z and the fall below the camera over z, times the focal length.
    seen = View(focal=1.5, height=2.0, pitch=0.0).project(np.array([[1.0, 1.0, 6.0]]))
    np.testing.assert_allclose(seen, [[0.5 + 1.5 / 6, 0.5 + 1.5 / 6]])
    # Looking at the foot of something 45 degrees below puts it in the middle.
    seen = View(height=2.0, pitch=np.pi / 4).project(np.array([[0.0, 0.0, 2.0]]))
    np.testing.assert_allclose(seen, [[0.5, 0.5]])


@given(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8))
def test_homography_maps_the_corners(shifts: list[float]) -> None:
    end = 10 * SQUARE + 10 * np.reshape(shifts, (4, 2))
    a, b, c, d, e, f, g, h = homography(SQUARE, end)
    for (x, y), wanted in zip(SQUARE, end, strict=True):
        w = g * x + h * y + 1
        np.testing.assert_allclose(
            [(a * x + b * y + c) / w, (d * x + e * y + f) / w], wanted, atol=1e-8
        )


def test_contains_counts_centres() -> None:
    assert contains(4 * SQUARE + 1, 6, 6).sum() == 16
    assert contains(4 * SQUARE + 0.6, 6, 6).sum() == 16  # centres 1.5 … 4.5 lie between 0.6 and 4.6
    diamond = np.array([(3, 0), (6, 3), (3, 6), (0, 3)], float)
    assert contains(diamond, 6, 6).sum() == pytest.approx(18, abs=6)


def test_turned_and_rounded() -> None:
    assert not turned(SQUARE)
    assert turned(SQUARE[::-1])
    soft = rounded(SQUARE, 0.25)
    assert soft.shape == (20, 2)
    assert np.linalg.norm(soft - 0.5, axis=1).max() < np.sqrt(0.5)
    np.testing.assert_allclose(np.linalg.norm(disc(2.0, 7), axis=1), 2.0)


def test_canvas_hides_numbers_and_glare_behind_what_is_in_front() -> None:
    canvas = Canvas(View(focal=1.0, height=0.0, pitch=0.0), 40)
    wall = np.array([(-1, -1, 4), (1, -1, 4), (1, 1, 4), (-1, 1, 4)], float)
    lamp, door = canvas.new("lamp"), canvas.new("door")
    canvas.light = np.zeros(3, np.float32)
    canvas.paint(wall, (1.0, 1.0, 1.0), None, lamp, emit=0.8)
    assert canvas.rgb[20, 20].tolist() == pytest.approx([0.8] * 3)  # shines in the dark
    assert canvas.glow[20, 20].tolist() == pytest.approx([0.5] * 3)
    canvas.paint(wall * (0.5, 1, 1), (1.0, 0.0, 0.0), None, door)
    assert canvas.ids[20, 20] == door
    assert canvas.ids[20, 11] == lamp
    assert canvas.rgb[20, 20].max() == 0
    assert canvas.glow[20, 20].max() == 0
    assert canvas.glow[20, 11].max() > 0
    far = wall + np.array((9, 0, 0))
    before = canvas.rgb.copy()
    canvas.paint(far, (1, 1, 1), None, door)  # outside the image: nothing happens
    assert (canvas.rgb == before).all()


def test_paste_keeps_the_texture_upright() -> None:
    canvas = Canvas(View(focal=1.0, height=0.0, pitch=0.0), 64)
    texture = np.zeros((20, 40, 3), np.float32)
    texture[:10, 20:] = 1  # white in the upper right quarter
    corners = np.array([(-1, 0.5, 3), (1, 0.5, 3), (1, -0.5, 3), (-1, -0.5, 3)], float)
    pixels = canvas.paste(corners, texture, 1, np.ones(3, np.float32))
    np.testing.assert_allclose(pixels[0], [32 - 64 / 3, 32 - 32 / 3], atol=1e-6)
    assert canvas.rgb[26, 45].min() > 0.9
    assert canvas.rgb[26, 18].max() < 0.1
    assert canvas.rgb[38, 45].max() < 0.1
    assert (canvas.ids == 1).sum() == pytest.approx((128 / 3) * (64 / 3), rel=0.05)


def test_every_letter_has_strokes_on_the_grid() -> None:
    assert set(LETTERS + DIGITS + "- ") == set(STROKES)
    for letter in LETTERS + DIGITS:
        points = STROKES[letter].replace("|", " ").split()
        assert all(p[0] in "01234" and p[1] in "0123456" for p in points)
    assert len({STROKES[c] for c in LETTERS + DIGITS}) == 36


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_texture_of_each_style(style) -> None:
    text = random_text(np.random.default_rng(1), style.pattern)
    clean = plate_texture(style, text, 48)
    assert clean.shape == (48, round(48 * style.width / style.height), 3)
    distance_ground = np.abs(clean - np.float32(style.ground)).sum(axis=2)
    distance_ink = np.abs(clean - np.float32(style.ink)).sum(axis=2)
    assert (distance_ground < 0.05).mean() > 0.35
    assert 0.05 < (distance_ink < 0.05).mean() < 0.5
    dirty = plate_texture(style, text, 48, dirt=1.0)
    assert 0.02 < np.abs(dirty - clean).mean() < 0.4
    other = plate_texture(style, "", 48)
    assert np.abs(other - clean).mean() > 0.02


def test_night_is_dark_except_near_lamps() -> None:
    rng = np.random.default_rng(3)
    lights = draw_lights(rng, night=True)
    (x, z), *_ = lights.lamps
    assert lights.at(x, z).mean() > 2 * np.mean(lights.ambient)
    assert (draw_lights(rng, night=False).at(0.0, 5.0) == 1).all()
    assert sum(post.kind == "lamp" for post in draw_posts(rng, lights, 0.0, 0.0)) == len(
        lights.lamps
    )


def test_street_has_a_horizon() -> None:
    rng = np.random.default_rng(0)
    canvas = Canvas(View(pitch=0.0), 128)
    paint_street(canvas, rng, draw_lights(rng, night=False), 0.0, 0.0)
    assert canvas.rgb[:8].mean() > canvas.rgb[-8:].mean() + 0.1
    assert np.isfinite(canvas.rgb).all()
    assert abs(noise(rng, 9, 64).mean()) < 0.5


def test_plate_hangs_on_the_seen_end() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        car = draw_vehicle(rng, 1.0, 6.0, 0.3, night=False)
        corners = car.plate_corners()
        middle = corners.mean(axis=0)
        assert car.shape.clear < middle[1] < car.shape.belt
        assert np.linalg.norm(middle[[0, 2]] - (car.x, car.z)) < 0.5 * car.shape.width
        assert np.linalg.norm(corners[1] - corners[0]) == pytest.approx(car.style.width)
        assert np.linalg.norm(corners[3] - corners[0]) == pytest.approx(car.style.height)
        low, high = car.hull().min(axis=0), car.hull().max(axis=0)
        assert ((corners >= low - 0.02) & (corners <= high + 0.02)).all()
