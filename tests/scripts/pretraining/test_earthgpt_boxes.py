"""Where things are: what a step sees, and that a stopped training goes on as if nothing had happened."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from scripts.pretraining import earthgpt, earthgpt_boxes
from scripts.pretraining.earthgpt_boxes import Recipe, prepare
from tests.packaged import skip_without_package


def test_the_rate_rises_and_falls():
    recipe = Recipe(steps=100, rate=1.0, warmup=10)
    assert recipe.rate_at(0) == 0.1
    assert recipe.rate_at(9) == recipe.rate_at(10) == 1.0
    assert recipe.rate_at(55) == pytest.approx(0.5)
    assert recipe.rate_at(99) < 0.001


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A smoke run of everything before, in a folder."""
    pytest.importorskip("transformers")
    skip_without_package()
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earthgpt, "CROPS", 1)
        earthgpt.main([str(out), "--smoke", "--device", "cpu"])
        earthgpt_boxes.main([str(out), "--smoke"])
    return out


def lessons_of(out, recipe):
    _, model = earthgpt_boxes.load_earthgpt(out / "tiny")
    home, seen = earthgpt_boxes.dialogues_of_split(out / "optical_boxes")
    features = earthgpt_boxes.ImageFeatures(model, home, seen)
    _, read = earthgpt_boxes.dialogues_of_split(out / "text")
    return model, earthgpt_boxes.Lessons(recipe, seen, features, read, model.config.grid)


def test_a_step_holds_whole_dialogues_words_alone_and_single_questions(trained):
    recipe = Recipe(steps=10, whole=2, located=5, blind=1)
    _, lessons = lessons_of(trained, recipe)
    talks, single = lessons.of(3)
    assert [len(each.images) for each in talks] == [1, 1, 0]
    assert len(single) == 5
    assert all(len(each.turns) == 1 and len(each.images[0]) <= 64 for each in single)
    again = lessons.of(3)
    assert [each.turns for each in again[0]] == [each.turns for each in talks]
    assert all(torch.equal(a.images[0], b.images[0]) for a, b in zip(again[1], single, strict=True))


def test_everything_trains_but_the_encoders(trained):
    model, _ = lessons_of(trained, Recipe())
    optimisers = prepare(model)
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    frozen = {name for name, _ in model.named_parameters()} - names
    assert all(n.startswith(("perception.vit.", "perception.scales.")) for n in frozen)
    counted = sum(p.numel() for o in optimisers for g in o.param_groups for p in g["params"])
    assert counted == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_a_stopped_training_ends_with_the_same_weights(trained, tmp_path):
    recipe = Recipe(steps=4, warmup=1, whole=1, located=2, blind=1, save_every=2)
    ends = []
    for name, stops in (("whole", [None]), ("stopped", [2, None])):
        for stop in stops:
            model, lessons = lessons_of(trained, recipe)
            summary = earthgpt_boxes.train(model, lessons, tmp_path / name, until=stop)
        assert summary["steps"] == 4
        ends.append(load_file(tmp_path / name / "model.safetensors"))
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
    assert not any(key.startswith(("perception.vit.", "perception.scales.")) for key in ends[0])
