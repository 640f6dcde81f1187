"""The small EarthGPT of the package: verified, after its first stage, and of its own encoders alone."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from mfnet_lite.nets import earthgpt_weights
from mfnet_lite.nets.earthgpt import EarthGPTConfig, Example
from mfnet_lite.nets.earthgpt_tiny import load_tiny_earthgpt
from mfnet_lite.nets.earthgpt_weights import tiny_earthgpt_hash
from tests.packaged import skip_without_package

pytest.importorskip("transformers")
skip_without_package()


def test_it_begins_after_the_first_stage_and_is_tuned_by_few_numbers():
    model = load_tiny_earthgpt()
    assert not any(p.requires_grad for p in model.parameters())
    assert sum(p.numel() for p in model.language.parameters()) == 857_216
    before = model.language.network.lm_head.weight.clone()
    assert model.language.network.lm_head.weight is model.language.network.model.embed_tokens.weight
    names = model.start_stage(2)
    assert sum(dict(model.named_parameters())[name].numel() for name in names) == 10_624
    assert torch.equal(
        model.language.network.lm_head.weight.float(), before
    )  # bfloat16 holds it exactly


def test_it_answers_in_words_and_of_the_image():
    model = load_tiny_earthgpt()
    generator = torch.Generator().manual_seed(0)
    noise = (
        torch.rand(2, 3, 128, 128, generator=generator)
        * torch.tensor([0.2, 1.0])[:, None, None, None]
    )
    question = "Which land cover takes up most of it? Use the optical image and reply briefly."
    examples = [Example([(question, None)], (image,)) for image in model.features(noise)]
    answers = model.answer(examples, 16)
    assert all(answer.replace(" ", "").isalpha() for answer in answers)
    losses = [float(model.loss([Example([(question, "water")], each.images)])) for each in examples]
    assert losses[0] != pytest.approx(losses[1], abs=1e-3)


def test_it_may_go_on_with_the_first_stage():
    model = EarthGPTConfig(weights="tiny").open()
    assert "perception.projection.weight" in model.start_stage(1)
    with pytest.raises(ValueError, match="stage 0"):
        load_tiny_earthgpt().start_stage(0)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    source = earthgpt_weights._packaged()[0]
    for name in (source.name, source.with_suffix(".json").name):
        shutil.copy(source.with_name(name), folder / name)
    monkeypatch.setattr(earthgpt_weights, "_folder", lambda: folder)
    return folder


def test_other_options_other_encoders_and_damage_are_refused(copied):
    with pytest.raises(ValueError, match="were trained with grid=8, got 4"):
        EarthGPTConfig(weights="tiny", grid=4).open()
    with pytest.raises(
        ValueError, match="were trained with cnn='tf_efficientnet_lite0', got 'none'"
    ):
        EarthGPTConfig(weights="tiny", cnn="none").open()
    card = copied / "earthgpt_tiny.json"
    facts = json.loads(card.read_text())
    card.write_text(json.dumps(facts | {"perception": "0" * 64}))
    with pytest.raises(ValueError, match="belong to other encoders: expected SHA-256 000000000000"):
        load_tiny_earthgpt()
    card.write_text(json.dumps(facts))
    file = copied / "earthgpt_tiny.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"earthgpt_tiny\.safetensors"):
        tiny_earthgpt_hash()
    file.unlink()
    with pytest.raises(FileNotFoundError, match="is missing from this installation"):
        load_tiny_earthgpt()
