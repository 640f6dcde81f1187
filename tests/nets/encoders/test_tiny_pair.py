"""The small pair: the packaged file, what it knows, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from mfnet_lite.nets.encoders import tiny_pair
from mfnet_lite.nets.encoders.tiny_pair import (
    METADATA_KEY,
    SmallPairConfig,
    load_tiny_pair,
)
from mfnet_lite.world import make_scene
from mfnet_lite.world.caption_words import HELD_OUT_CLASS_NAMES, class_phrases

CLASSES = [["roof", "house"], ["grass", "lawn"], ["tree"]]


@pytest.fixture(scope="module")
def pair():
    return load_tiny_pair("tiny")


def normalised(scene, pair):
    image = torch.from_numpy(scene.optical[:3].copy()).float() / 255
    return ((image - pair.image.mean) / pair.image.std)[None]


@pytest.mark.parametrize("size", [(8, 8), (40, 64)])
def test_any_multiple_of_eight(pair, size):
    logits = pair(torch.rand(2, 3, *size), CLASSES)
    assert logits.shape == (2, 3, size[0] // 8, size[1] // 8)
    assert logits.abs().max() <= pair.scale
    tokens, grid = pair.image.embed(torch.rand(1, 3, *size)), (size[0] // 8, size[1] // 8)
    assert pair.visual(tokens, grid).shape == (1, 1 + grid[0] * grid[1], pair.joint)


def test_it_is_frozen_in_training_mode_too(pair):
    assert not pair.train().training
    assert not any(p.requires_grad for p in pair.parameters())
    assert not any(module.training for module in pair.train().modules())


def test_prompts_get_gradients(pair):
    prompts = torch.zeros(4, pair.text.width, requires_grad=True)
    pair.classes(CLASSES, prompts).square().sum().backward()
    assert prompts.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("words", "least"),
    [
        (class_phrases(), 0.6),
        (class_phrases(held_out=True), 0.45),
        ([list(names) for names in HELD_OUT_CLASS_NAMES], 0.4),
    ],
)
def test_words_find_things_in_scenes_it_never_saw(pair, words, least):
    right, all_pixels = 0, 0
    for seed in (980_001, 980_002):
        scene = make_scene(seed, size=192)
        found = pair(normalised(scene, pair), words)
        labels = torch.nn.functional.interpolate(found, (192, 192), mode="bilinear").argmax(1)[0]
        right += int((labels == torch.from_numpy(scene.label).long()).sum())
        all_pixels += labels.numel()
    assert right / all_pixels > least


def test_files_are_small(pair):
    del pair
    folder = tiny_pair._packaged_tiny().parent
    assert sum(p.stat().st_size for p in folder.glob("vision_language*")) < 12e6


def test_a_file_loads_like_the_packaged_one(pair, tmp_path):
    source = tiny_pair._packaged_tiny()
    facts = json.loads(source.with_suffix(".json").read_text())
    assert SmallPairConfig.from_json(json.dumps(facts["config"])) == pair.config
    tensors = load_file(source)
    path = tmp_path / "own.safetensors"
    save_file(tensors, path, metadata={METADATA_KEY: pair.config.to_json()})
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(load_tiny_pair(path)(images, CLASSES), pair(images, CLASSES))
    save_file(tensors, path)
    with pytest.raises(ValueError, match="has no metadata"):
        load_tiny_pair(path)
    tensors.pop("project.weight")
    save_file(tensors, path, metadata={METADATA_KEY: pair.config.to_json()})
    with pytest.raises(ValueError, match=r"project\.weight is lacking or too many"):
        load_tiny_pair(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read: expected a whole safetensors file"):
        load_tiny_pair(path)


def test_unknown_names_are_refused():
    with pytest.raises(FileNotFoundError, match="neither a known vision-language pair"):
        load_tiny_pair("huge")


def test_a_changed_packaged_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(tiny_pair.resources, "files", lambda name: tmp_path)
    with pytest.raises(FileNotFoundError, match="install mfnet-lite again"):
        load_tiny_pair("tiny")
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "vision_language_tiny.safetensors").write_bytes(b"other")
    (folder / "vision_language_tiny.json").write_text('{"size": 5, "sha256": "0"}')
    with pytest.raises(ValueError, match="has SHA-256"):
        load_tiny_pair("tiny")
