"""Batches of the vision-language pair: crops, maps of kinds and regions belong together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.world.caption_words import KIND_WORDS
from scripts.pretraining.pair_batches import (
    IGNORE,
    KINDS,
    Batches,
    cut,
    kind_map,
    make_batch,
    names_of,
    photometric,
)
from scripts.pretraining.town_scenes import load_town, save_town, training_scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    for seed in (1, 2):
        save_town(folder / f"{seed}.npz", training_scene(seed, size=96))
    return folder


@pytest.fixture(scope="module")
def towns(folder):
    return [load_town(path) for path in sorted(folder.glob("*.npz"))]


def test_kinds_agree_with_classes(towns):
    view = cut(towns[0], 64, np.random.default_rng(0))
    kinds = kind_map(view)
    labels = np.array([KIND_WORDS[kind].label for kind in KINDS])
    named = kinds != IGNORE
    assert named.mean() > 0.5
    assert np.array_equal(labels[kinds[named]], view.label[named])


def test_a_batch_belongs_together(towns):
    batch = make_batch(towns, 3, 32, np.random.default_rng(1))
    assert batch.images.shape == (3, 3, 32, 32)
    assert (batch.images.min() >= 0, batch.images.max() <= 1) == (True, True)
    assert batch.kinds.shape == batch.classes.shape == (3, 16, 16)
    assert not (batch.classes == 5).any()
    assert len(batch.captions) == 3
    count = len(batch.phrases)
    assert count == len(batch.names) == len(batch.labels) == len(batch.owners) == len(batch.shares)
    assert batch.shares.shape[1] == 16
    assert (batch.shares.sum(dim=1) > 0).all()
    for name, label in zip(batch.names, batch.labels, strict=True):
        assert not name or KIND_WORDS[name].label == label


def test_the_kinds_of_a_region_are_where_it_is(towns):
    """At half resolution a named region of a kind covers pixels of this kind."""
    batch = make_batch(towns, 4, 48, np.random.default_rng(2))
    for owner, share, name in zip(batch.owners, batch.shares, batch.names, strict=True):
        if name:
            patches = share.reshape(6, 6).repeat_interleave(4, 0).repeat_interleave(4, 1)
            covered = batch.kinds[owner][patches > 0.9]
            assert not len(covered) or (covered == KINDS.index(name)).float().mean() > 0.5


def test_light_changes_and_place_does_not(towns):
    rng = np.random.default_rng(3)
    changed = photometric(towns[0].rgb, rng)
    assert changed.dtype == np.float32
    plain = towns[0].rgb.astype(np.float32).mean(axis=2).ravel()
    assert np.corrcoef(plain, changed.mean(axis=2).ravel())[0, 1] > 0.8


def test_a_step_does_not_depend_on_where_the_run_began(folder):
    whole = list(Batches(folder, 0, 3, 2, 32, seed=4))
    rest = list(Batches(folder, 2, 3, 2, 32, seed=4))
    assert len(whole) == 3
    assert torch.equal(whole[2].images, rest[0].images)
    assert whole[2].captions == rest[0].captions
    assert whole[1].captions != whole[2].captions


def test_no_scenes_are_said_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no scenes"):
        Batches(tmp_path, 0, 1, 1, 32, seed=0)


def test_names_are_those_of_the_training():
    assert "lawn" in names_of("lawn")
    assert not set(names_of("lawn")) & set(KIND_WORDS["lawn"].held_out)
