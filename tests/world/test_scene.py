from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mfnet_lite.world import CLASSES, DOMAINS, NODATA, Scene, make_scene
from mfnet_lite.world.config import BUILDING, TREE

DIGEST = """
import hashlib, numpy as np
from mfnet_lite.world import make_scene
s = make_scene(17, size=80)
parts = [getattr(s, n) for n in ("optical", "dsm", "dtm", "dsm_valid", "label", "instances", "sar", "thermal")]
print(hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest())
"""


def digest(scene: Scene) -> str:
    names = ("optical", "dsm", "dtm", "dsm_valid", "label", "instances", "sar", "thermal")
    parts = [np.ascontiguousarray(getattr(scene, name)).tobytes() for name in names]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(3, size=256)


def test_same_seed_same_bytes_here_and_in_another_process() -> None:
    first = digest(make_scene(17, size=80))
    assert first == digest(make_scene(17, size=80))
    assert first != digest(make_scene(18, size=80))
    other = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == first


def test_old_seeds_keep_their_meaning() -> None:
    # Recorded once; a change here means that every stored figure and number changes as well.
    scene = make_scene(3, size=64)
    counts = np.bincount(scene.label.ravel(), minlength=6)
    assert counts == pytest.approx([2788, 542, 653, 42, 71, 0], abs=3)
    assert scene.sun_azimuth == pytest.approx(207.48696898820123)
    assert scene.dtm.mean() == pytest.approx(254.98602, abs=1e-3)
    means = scene.optical.mean(axis=(1, 2))
    assert means == pytest.approx([110.270, 111.505, 106.398, 117.384], abs=0.1)


@settings(max_examples=12, deadline=None)
@given(st.integers(33, 130), st.integers(0, 10**6), st.sampled_from(DOMAINS))
def test_shapes_types_and_ranges(size: int, seed: int, domain: str) -> None:
    scene = make_scene(seed, size=size, domain=domain)
    square = (size, size)
    assert scene.optical.shape == (4, *square)
    assert scene.optical.dtype == np.uint8
    for name in ("dsm", "dtm", "sar", "thermal", "shadow", "height"):
        raster = getattr(scene, name)
        assert raster.shape == square, name
        assert raster.dtype == np.float32, name
        assert np.isfinite(raster).all(), name
    assert scene.label.dtype == np.uint8
    assert scene.label.max() < len(CLASSES)
    assert scene.instances.dtype == np.int32
    assert scene.dsm_valid.dtype == bool
    assert (scene.dsm[~scene.dsm_valid] == NODATA).all()
    assert (scene.dsm[scene.dsm_valid] > scene.dtm[scene.dsm_valid] - 2).all()
    assert scene.height.min() >= 0
    assert scene.height.max() < 40
    assert -45 < scene.sar.min() <= scene.sar.max() < 25
    assert 255 < scene.thermal.min() <= scene.thermal.max() < 345
    assert 0 <= scene.sun_azimuth < 360
    assert 10 <= scene.sun_elevation <= 90
    assert (scene.gsd, scene.seed) == (0.25, seed)


def test_every_class_of_a_town_is_there() -> None:
    shares = sum(np.bincount(make_scene(k, size=192).label.ravel(), minlength=6) for k in range(6))
    shares = shares / shares.sum()
    assert (shares > [0.2, 0.1, 0.12, 0.05, 0.008, 0.003]).all()
    assert (shares < [0.6, 0.35, 0.5, 0.3, 0.08, 0.2]).all()


def test_instances_are_objects_of_one_class_each(scene: Scene) -> None:
    listed = {o.id: o for o in scene.objects}
    assert set(np.unique(scene.instances)) - {0} == set(listed)
    for o in scene.objects:
        inside = scene.instances == o.id
        assert set(np.unique(scene.label[inside])) == {o.label}
        row0, row1, col0, col1 = o.box
        assert inside[row0:row1, col0:col1].sum() == o.pixels == inside.sum()
    assert {"house", "crown", "car", "lawn"} <= {o.kind for o in scene.objects}
    # Buildings, trees and cars are objects everywhere; only streets are background.
    assert not np.isin(scene.label[scene.instances == 0], (BUILDING, TREE, 4)).any()


def test_height_tells_roofs_and_crowns_from_the_ground(scene: Scene) -> None:
    assert np.percentile(scene.height[scene.label == BUILDING], 1) > 1.5
    assert np.percentile(scene.height[scene.label == TREE], 5) > 2
    assert np.percentile(scene.height[scene.label == 2], 99) < 2
    assert scene.height[scene.label == 0].max() == 0


def test_shadowed_streets_are_darker(scene: Scene) -> None:
    street = scene.label == 0
    dark, light = street & (scene.shadow > 0.9), street & (scene.shadow < 0.1)
    assert dark.any()
    assert scene.optical[:3, dark].mean() < 0.6 * scene.optical[:3, light].mean()


def test_the_sun_can_be_set() -> None:
    scene = make_scene(3, size=64, sun_azimuth=-90.0, sun_elevation=30.0)
    assert (scene.sun_azimuth, scene.sun_elevation) == (270.0, 30.0)


def _rough(image: np.ndarray) -> float:
    fine = image.astype(float) - ndimage.uniform_filter(image.astype(float), (0, 3, 3))
    return float(fine.var())


def test_noise_raises_local_variance_and_nothing_else() -> None:
    quiet, usual, loud = (make_scene(9, size=96, noise=k) for k in (0.0, 1.0, 4.0))
    assert _rough(quiet.optical) < _rough(usual.optical) < _rough(loud.optical)
    assert quiet.sar.std() < usual.sar.std() < loud.sar.std()
    for field in ("label", "instances", "dtm", "dsm"):
        assert np.array_equal(getattr(quiet, field), getattr(loud, field))


def test_density_only_adds_buildings() -> None:
    masks = [make_scene(4, size=192, density=d).label == BUILDING for d in (0.0, 0.4, 0.8, 1.0)]
    shares = [mask.mean() for mask in masks]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[3] > shares[1]
    # Only a container put on a firm's new yard may hide a few pixels of what stood before.
    assert (masks[1] & ~masks[3]).mean() < 0.005


def test_vegetation_and_traffic_and_relief_are_monotone() -> None:
    def share(label: int, **parameters: float) -> float:
        return float((make_scene(3, size=192, **parameters).label == label).mean())

    assert (
        share(TREE, vegetation=0.0) == 0 < share(TREE, vegetation=0.5) < share(TREE, vegetation=1.0)
    )
    assert share(4, traffic=0.0) == 0 < share(4, traffic=0.4) < share(4, traffic=1.0)
    assert np.ptp(make_scene(3, size=192, relief=0.0).dtm) < 1e-3
    assert np.ptp(make_scene(3, size=192).dtm) > 0.5


def test_a_parameter_of_appearance_leaves_geometry_alone() -> None:
    a = make_scene(6, size=96)
    for parameters in (
        {"ambiguity": 0.0},
        {"domain": "haze"},
        {"season": "winter"},
        {"dsm_error": 3.0},
    ):
        b = make_scene(6, size=96, **parameters)
        assert np.array_equal(a.label, b.label), parameters
        assert np.array_equal(a.height, b.height), parameters
        assert np.array_equal(a.instances, b.instances), parameters


def test_ambiguity_brings_colours_of_roofs_and_streets_together() -> None:
    def contrast(ambiguity: float) -> float:
        gaps = []
        for seed in range(4):
            s = make_scene(seed, size=160, ambiguity=ambiguity, noise=0.0)
            red = s.optical[0].astype(float) - s.optical[2]
            lit = s.shadow < 0.1
            roof, street = (red[lit & (s.label == k)].mean() for k in (BUILDING, 0))
            gaps.append(roof - street)
        return float(np.mean(gaps))

    assert contrast(0.0) > 3 * contrast(1.0)
    assert contrast(0.0) > contrast(0.7) > contrast(1.0)


def test_domains_change_the_image_as_named() -> None:
    views = {d: make_scene(5, size=96, domain=d) for d in DOMAINS}
    assert views["night"].optical.mean() < 0.5 * views["clear"].optical.mean()
    assert views["haze"].optical[:3].std() < 0.7 * views["clear"].optical[:3].std()
    assert not np.array_equal(views["other_camera"].optical, views["clear"].optical)
    assert views["night"].thermal.mean() < views["clear"].thermal.mean()


def test_dsm_errors_can_be_switched_off_and_grow() -> None:
    perfect = make_scene(2, size=128, dsm_error=0.0)
    assert perfect.dsm_valid.all()
    assert np.allclose(perfect.dsm - perfect.dtm, perfect.height, atol=1e-4)
    errors, holes = [], []
    for level in (0.5, 1.0, 2.0):
        s = make_scene(2, size=128, dsm_error=level)
        valid = s.dsm_valid
        errors.append(np.abs(s.dsm - s.dtm - s.height)[valid].mean())
        holes.append((~valid).mean())
    assert errors == sorted(errors)
    assert holes == sorted(holes)
    assert 0.002 < holes[1] < 0.12


def test_another_pixel_size_covers_another_extent() -> None:
    scene = make_scene(1, size=64, gsd=0.5)
    assert scene.gsd == 0.5
    assert scene.optical.shape == (4, 64, 64)


def test_faults_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="size must be at least 32 pixels, got 16"):
        make_scene(0, size=16)
    with pytest.raises(ValueError, match=r"ambiguity must lie in \[0, 1\], got 2"):
        make_scene(0, size=64, ambiguity=2)
    with pytest.raises(TypeError, match="no parameter named darkness"):
        make_scene(0, size=64, darkness=1)


def test_the_scene_documents_every_field() -> None:
    assert Scene.__doc__ is not None
    for field in fields(Scene):
        assert f"{field.name}:" in Scene.__doc__
