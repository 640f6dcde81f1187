"""Measuring the vision-language pair: areas under curves by hand, tiles, the most frequent class, tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.world import CLASSES
from scripts.pretraining.evaluate_vision_language import (
    IGNORE,
    REAL,
    Case,
    Seen,
    area_under_curve,
    curves_table,
    fit_probe,
    majority,
    probed,
    real_cases,
    table,
    tiles,
    world_cases,
)


def test_area_under_the_curve_by_hand():
    values = torch.tensor([0.9, 0.8, 0.3, 0.1])
    assert area_under_curve(values, torch.tensor([True, True, False, False])) == 1
    assert area_under_curve(values, torch.tensor([False, False, True, True])) == 0
    assert area_under_curve(values, torch.tensor([True, False, True, False])) == 0.75


def seen(label, features):
    return Seen(features, torch.zeros(1, *features.shape[1:]), label)


def test_the_most_frequent_class_and_a_linear_map():
    label = torch.zeros(16, 16, dtype=torch.long)
    label[:, 12:] = 1
    label[0] = IGNORE
    features = torch.zeros(2, 16, 16)
    features[0, :, 12:] = 1.0
    case = [seen(label, features)]
    assert majority(case, 2) == {"accuracy": 0.75, "mIoU": 0.375}
    assert probed(fit_probe(case, 2), case, 2) == {"accuracy": 1.0, "mIoU": 1.0}


def test_tiles_are_cut_to_multiples_of_eight():
    case = Case(torch.zeros(3, 270, 300), torch.zeros(270, 300, dtype=torch.long))
    sizes = [tuple(tile.label.shape) for tile in tiles(case)]
    assert sizes == [(256, 256), (256, 40), (8, 256), (8, 40)]
    assert [tuple(tile.image.shape[1:]) for tile in tiles(case)] == sizes


def test_scenes_know_the_kind_of_every_pixel():
    (case,) = world_cases(3, 1)
    assert case.image.shape == (3, 256, 256)
    assert "street" in np.array(case.kinds)
    assert int(case.label.max()) < len(CLASSES)


def test_real_classes_have_words_of_every_sort():
    for classes in REAL.values():
        for entry in classes:
            assert entry.training
            assert entry.held_out
            assert entry.unseen
            assert not set(entry.training) & {*entry.held_out, *entry.unseen}


def test_labels_of_real_tiles_are_mapped(tmp_path):
    for folder, name in (("vaihingen_tile", "a.png"), ("loveda", "2.png")):
        (tmp_path / folder / "image").mkdir(parents=True)
        (tmp_path / folder / "label").mkdir()
        picture = np.zeros((100, 100, 3), np.uint8)
        picture[..., 0], picture[..., 1] = 200, 100
        Image.fromarray(picture).save(tmp_path / folder / "image" / name)
        label = np.full((100, 100), 1, np.uint8)
        label[:50], label[50:, :50] = 0, 5
        Image.fromarray(label).save(tmp_path / folder / "label" / name)
    found = real_cases(tmp_path)
    assert sorted(found) == ["LoveDA", "Vaihingen"]
    (case,) = found["Vaihingen"]
    assert case.label.shape == (36, 36)  # from 0.09 to 0.25 m
    assert case.label.unique().tolist() == [0, 4, IGNORE]
    assert case.image[:, 5, 5].tolist() == pytest.approx([100 / 255, 0, 0], abs=0.01)
    (case,) = found["LoveDA"]
    assert case.label.unique().tolist() == [3, IGNORE]  # background does not count


def test_tables_show_what_was_measured():
    both = {"accuracy": 0.5, "mIoU": 0.25}
    text = table({"clear": {"training names": both, "chance": {"accuracy": 1 / 6}}})
    assert "| training names | 50.0 / 25.0 |" in text
    assert "| *chance* | 16.7 |" in text
    assert "| held-out names | – |" in text
    curves = curves_table({"hedge": {"pixels": 300, "held-out names": 0.75}})
    assert "| hedge | – | 0.750 |" in curves
