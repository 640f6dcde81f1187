"""Scenes for the vision-language pair: clear ones of many kinds, and that they come back from disk as they were."""

from __future__ import annotations

import numpy as np

from scripts.pretraining.town_scenes import draw_parameters, load_town, save_town, training_scene


def test_every_season_and_pixel_size_but_no_other_domain():
    drawn = [draw_parameters(seed) for seed in range(200)]
    sizes = [gsd for gsd, _ in drawn]
    assert min(sizes) < 0.18
    assert max(sizes) > 0.47
    assert {p["season"] for _, p in drawn} == {"spring", "summer", "autumn", "winter"}
    assert all("domain" not in p and "haze" not in p for _, p in drawn)
    assert drawn[7] == draw_parameters(7)


def test_a_scene_comes_back_as_it_was(tmp_path):
    scene = training_scene(5, size=64)
    save_town(tmp_path / "5.npz", scene)
    town = load_town(tmp_path / "5.npz")
    assert np.array_equal(np.moveaxis(town.rgb, -1, 0), scene.optical[:3])
    assert np.array_equal(town.label, scene.label)
    assert np.array_equal(town.instances, scene.instances)
    assert town.kinds == {found.id: found.kind for found in scene.objects}
    assert (town.gsd, town.season) == (scene.gsd, scene.config.season)
