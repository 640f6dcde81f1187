"""The parts a scene is assembled from: streets, lots, roofs, plants, cars, canvas, colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.buildings import Building, plan_buildings, standing
from mfnet_lite.world.canvas import Canvas, objects_of, smooth_noise
from mfnet_lite.world.cars import Car, paint_car
from mfnet_lite.world.colours import GREENS, LAWNS, confusion, mix, pick
from mfnet_lite.world.config import BUILDING, CAR, IMPERVIOUS, LOW_VEGETATION, TREE
from mfnet_lite.world.roofs import paint_building, roof_shape
from mfnet_lite.world.scene import make_plan
from mfnet_lite.world.streets import Frame, empty_canvas, make_lots, make_streets, paint_streets
from mfnet_lite.world.vegetation import Plant, paint_plant, plan_plants

CONFIG = WorldConfig(relief=0.0)


def bare_canvas(size: int = 64) -> Canvas:
    canvas = empty_canvas(0, size, 0.25, 8, CONFIG)
    canvas.label[:] = LOW_VEGETATION
    canvas.material[:] = 3
    return canvas


def building(roof: str, **change: float) -> Building:
    values = {
        "x": 0.0,
        "y": 0.0,
        "angle": 0.0,
        "length": 10.0,
        "width": 6.0,
        "eave": 4.0,
        "pitch": 0.5,
    }
    chance = np.full(24, 0.5, np.float32)
    return Building(**(values | change), roof=roof, kind="house", lot=0, chance=chance)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, np.pi), st.floats(0, 4.5), st.floats(130, 220), st.floats(0, 6.28),
    st.floats(-90, 90), st.floats(-90, 90),
)  # fmt: skip
def test_street_frame_goes_there_and_back(
    angle: float, bend: float, wavelength: float, phase: float, u: float, v: float
) -> None:
    frame = Frame(angle, bend, wavelength, phase)
    x, y = frame.to_image(u, v)
    back = frame.to_streets(np.float32(x), np.float32(y))
    assert np.allclose(back, (u, v), atol=1e-3)
    # The heading is the direction in which u grows while v stays.
    dx, dy = np.subtract(frame.to_image(u + 0.01, v), frame.to_image(u - 0.01, v))
    assert np.cos(np.arctan2(dy, dx) - frame.heading(u)) > 0.9999


@pytest.mark.parametrize("seed", range(4))
def test_lots_lie_between_streets_and_never_overlap(seed: int) -> None:
    streets = make_streets(seed, 100.0)
    boxes = []
    for lot in make_lots(seed, streets):
        low, high = sorted((lot.front, lot.front + lot.side * lot.depth))
        boxes.append((lot.u0, lot.u1, low, high))
        for at, width in zip(streets.along, streets.width_along, strict=True):
            assert low >= at + width / 2 or high <= at - width / 2
    for k, (a0, a1, b0, b1) in enumerate(boxes):
        for c0, c1, d0, d1 in boxes[:k]:
            assert min(a1, c1) - max(a0, c0) < 1e-6 or min(b1, d1) - max(b0, d0) < 1e-6


def test_streets_cover_the_canvas_and_are_impervious() -> None:
    canvas = empty_canvas(1, 128, 0.25, 8, CONFIG)
    paint_streets(canvas, make_streets(1, 36.0), 1, CONFIG)
    assert (canvas.label == IMPERVIOUS).all()
    assert (canvas.albedo > 0.1).all()
    assert (canvas.albedo < 0.9).all()
    assert canvas.lamps


def test_roof_heights_by_hand() -> None:
    a, b = (
        m.astype(np.float32) for m in np.meshgrid([-4.9, 0.0, 4.9], [-3.0, 0.0, 1.0], indexing="ij")
    )
    gable, _, fall = roof_shape(building("gable"), a, b)
    assert np.allclose(gable, [[4.0, 5.5, 5.0]] * 3)  # 4 m walls, 3 m half width, pitch 1/2
    assert np.allclose(fall, [[0.5, 0.0, -0.5]] * 3)
    hip, _, _ = roof_shape(building("hip"), a, b)
    assert np.allclose(hip, [[4.0, 4.05, 4.05], [4.0, 5.5, 5.0], [4.0, 4.05, 4.05]])
    flat, _, _ = roof_shape(building("flat"), a, b)
    assert np.allclose(flat[1], [4.35, 4.0, 4.0])  # parapet, roof, roof
    assert building("hip").ridge == pytest.approx(5.5)
    assert building("flat").ridge == pytest.approx(4.0)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 6.28), st.sampled_from(["gable", "hip", "flat"]))
def test_a_building_covers_its_area_at_any_angle(angle: float, roof: str) -> None:
    canvas = bare_canvas()
    paint_building(canvas, building(roof, angle=angle), CONFIG)
    pixels = (canvas.label == BUILDING).sum()
    assert pixels * 0.25**2 == pytest.approx(60.0, rel=0.05)
    height = (canvas.top - canvas.dtm)[canvas.label == BUILDING]
    assert height.min() > 3.9
    assert height.max() < 8


def test_a_building_outside_the_canvas_changes_nothing() -> None:
    canvas = bare_canvas()
    before = canvas.albedo.copy()
    paint_building(canvas, building("hip", x=500.0), CONFIG)
    assert np.array_equal(before, canvas.albedo)
    assert canvas.kinds == []


def test_density_is_nested() -> None:
    plan = make_plan(2, 256, 0.25)
    thin, thick = (standing(2, plan.lots, WorldConfig(density=d)) for d in (0.3, 0.7))
    assert thin < thick
    assert len(standing(2, plan.lots, WorldConfig(density=1.0))) == len(plan.lots)
    assert not standing(2, plan.lots, WorldConfig(density=0.0))
    assert plan_buildings(2, plan.streets.frame, plan.lots) is not plan.buildings


def plant(tree: bool, conifer: bool = False) -> Plant:
    return Plant(0.0, 0.0, 3.0, 8.0 if tree else 0.8, tree, conifer, np.full(12, 0.5, np.float32))


def test_crowns_are_high_and_shrubs_low_though_they_look_alike() -> None:
    looks = {}
    for tree in (True, False):
        canvas = bare_canvas()
        paint_plant(canvas, plant(tree), WorldConfig(relief=0.0, ambiguity=1.0))
        mask = canvas.label == (TREE if tree else LOW_VEGETATION)
        mask &= canvas.instances == 1
        height = (canvas.top - canvas.dtm)[mask]
        assert height.max() < 1 if not tree else height.max() > 6
        looks[tree] = (canvas.albedo[mask].mean(axis=0), canvas.clump[mask].max())
    assert np.allclose(looks[True][0], looks[False][0])
    assert looks[True][1] == pytest.approx(looks[False][1])


def test_conifers_are_cones() -> None:
    canvas = bare_canvas()
    paint_plant(canvas, plant(True, conifer=True), CONFIG)
    height = canvas.top - canvas.dtm
    middle = height.shape[0] // 2
    assert height[middle, middle] > height[middle, middle + 6] > height[middle, middle + 10] - 0.5


def test_fewer_plants_are_a_subset() -> None:
    plan = make_plan(1, 128, 0.25)
    few, many = (
        plan_plants(1, plan.streets, plan.lots, WorldConfig(vegetation=v)) for v in (0.2, 0.8)
    )
    places = {(p.x, p.y, p.tree) for p in many}
    assert 0 < len(few) < len(many)
    assert sum((p.x, p.y, p.tree) in places for p in few) == len(few)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 6.28))
def test_a_car_has_the_size_of_a_car(angle: float) -> None:
    canvas = bare_canvas()
    paint_car(canvas, Car(0.0, 0.0, angle, 4.4, 1.8, np.full(8, 0.5, np.float32)), CONFIG)
    assert (canvas.label == CAR).sum() * 0.25**2 == pytest.approx(0.95 * 4.4 * 1.8, rel=0.1)
    assert (canvas.top - canvas.dtm).max() == pytest.approx(1.5)


def test_what_is_lower_stays_hidden() -> None:
    canvas = bare_canvas()
    window = (slice(0, 4), slice(0, 4))
    full, grey = np.ones((4, 4), bool), np.full(4, 0.5, np.float32)
    base = float(canvas.dtm[0, 0])
    canvas.paint(window, full, grey, label=BUILDING, material=6, instance=1, top=base + 5)
    canvas.paint(window, full, grey, label=TREE, material=5, instance=2, top=base + 3)
    assert (canvas.label[window] == BUILDING).all()
    canvas.paint(window, full, grey, label=TREE, material=5, instance=2, top=base + 6)
    assert (canvas.instances[window] == 2).all()
    canvas.paint(window, full, grey, label=IMPERVIOUS, material=0)
    assert np.array_equal(canvas.top[window], canvas.dtm[window])


def test_windows_stop_at_the_edge() -> None:
    canvas = bare_canvas()
    assert canvas.window(1000.0, 0.0, 5.0) is None
    rows, cols = canvas.window(-10.0, 0.0, 2.0) or (slice(0), slice(0))
    assert cols.start == 0
    assert cols.stop > 0
    assert rows.stop - rows.start == pytest.approx(4.0 / 0.25, abs=3)


def test_objects_of_lists_visible_ones_only() -> None:
    instances = np.zeros((5, 6), np.int32)
    instances[1:3, 2:5] = 2
    (found,) = objects_of(instances, [("house", 1, 4.0), ("pool", 5, 0.0)])
    assert (found.id, found.kind, found.box, found.pixels) == (2, "pool", (1, 3, 2, 5), 6)


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.floats(0.3, 25))
def test_noise_has_unit_variance_at_any_width(rows: int, cols: int, sigma: float) -> None:
    noise = smooth_noise(np.random.default_rng(0), (rows, cols), sigma)
    assert noise.shape == (rows, cols)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    assert noise.std() == pytest.approx(1, abs=1e-2)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_confusion_grows_with_ambiguity(a: float, b: float, threshold: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= confusion(low, threshold) <= confusion(high, threshold) <= 1
    assert confusion(0.0, threshold) == 0
    assert confusion(1.0, threshold) == pytest.approx(1)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_colours_stay_reflectances(chance: float, tone: float) -> None:
    colour = pick(GREENS, chance, tone)
    assert colour.shape == (4,)
    assert (colour > 0).all()
    assert (colour < 1).all()
    assert np.allclose(mix(colour, LAWNS[0], 0.0), colour)
    assert np.allclose(mix(colour, LAWNS[0], 1.0), LAWNS[0])
