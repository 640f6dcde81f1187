"""Pairs of open_clip by name: where the weights come from, what a file does not say, and the mistakes."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError

import pytest
import torch
from safetensors.torch import save_file

from mfnet_lite.nets.encoders import open_vision_language
from mfnet_lite.nets.encoders.open_vision_language import (
    load_vision_language,
    vision_language_pairs,
)
from tests.small_open_clip import CONFIGS, make_known, small_model, write_tokenizer

open_clip = pytest.importorskip("open_clip")
factory = pytest.importorskip("open_clip.factory")
pytest.importorskip("transformers")

OPENAI = {"mean": (0.48, 0.46, 0.41), "std": (0.27, 0.26, 0.28), "quick_gelu": True}
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


@pytest.fixture(autouse=True)
def tags(monkeypatch) -> dict[str, dict]:
    """The published weights that open_clip lists of the small models; a test adds its own."""
    make_known(monkeypatch)
    listed: dict[str, dict] = {}
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda name: list(listed))
    for module in (open_clip, factory):
        monkeypatch.setattr(module, "get_pretrained_cfg", lambda name, tag: listed.get(tag, {}))
    return listed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clip.safetensors"
    save_file(small_model("tiny-clip").state_dict(), path)
    return path


def image() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def embedding(pair) -> torch.Tensor:
    tokens = pair.image.embed(image())
    for number in range(pair.image.depth):
        tokens = pair.image.block(number, tokens, (4, 4))
    return pair.visual(tokens, (4, 4))[:, 0]


@torch.no_grad()
@pytest.mark.parametrize("name", ["tiny-clip", "tiny-eva", "tiny-siglip"])
def test_a_file_gives_the_model_back(name, tmp_path) -> None:
    model, path = small_model(name), tmp_path / "weights.safetensors"
    save_file(model.state_dict(), path)
    write_tokenizer(tmp_path)  # beside the file: for SigLIP
    torch.manual_seed(3)
    before = torch.get_rng_state()
    pair = load_vision_language(f"open_clip:{name}@{path}")
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(embedding(pair), model.encode_image(image()), atol=1e-5, rtol=1e-5)
    assert pair.text(["a road"]).shape == (1, pair.joint)
    assert pair.scale == pytest.approx(float(model.logit_scale.exp()))
    assert pair.shift == (0 if model.logit_bias is None else pytest.approx(float(model.logit_bias)))


@torch.no_grad()
@pytest.mark.parametrize("name", ["tiny-clip", "tiny-eva"])
def test_files_of_earlier_releases_and_of_training(name, tmp_path) -> None:
    """The text side at the top level, names behind ``module.``, scales of one dimension, numbers beside."""
    model, path = small_model(name), tmp_path / "weights.pt"
    state = {k.removeprefix("text."): v for k, v in model.state_dict().items()}
    state["logit_scale"] = state["logit_scale"].reshape(1)
    numbers = {"context_length": torch.tensor(12), "vocab_size": torch.tensor(49408)}
    torch.save({"state_dict": {f"module.{k}": v for k, v in (state | numbers).items()}}, path)
    pair = load_vision_language(f"open_clip:{name}@{path}")
    torch.testing.assert_close(embedding(pair), model.encode_image(image()), atol=1e-5, rtol=1e-5)


def test_a_name_that_is_not_clear_asks_for_the_tag(tags, file) -> None:
    tags.update(openai=OPENAI, laion={**OPENAI, "quick_gelu": False}, half=HALF)
    with pytest.raises(
        ValueError, match=r"differ in activation .*:tiny-clip:TAG@FILE with one of openai, laion"
    ):
        load_vision_language(f"open_clip:tiny-clip@{file}")
    quick, plain, half = (
        load_vision_language(f"open_clip:tiny-clip:{tag}@{file}")
        for tag in ("openai", "laion", "half")
    )
    assert not torch.allclose(embedding(quick), embedding(plain), atol=1e-3)
    assert torch.equal(embedding(plain), embedding(half))
    assert half.image.mean.flatten().tolist() == [0.5] * 3
    torch.testing.assert_close(quick.image.mean.flatten(), torch.tensor(OPENAI["mean"]))


def test_statistics_are_those_of_the_published_weights(tags, tmp_path) -> None:
    """open_clip itself normalises for CLIP whatever is loaded from a file."""
    tags.update(webli=HALF)
    path = tmp_path / "siglip.safetensors"
    save_file(small_model("tiny-siglip").state_dict(), path)
    write_tokenizer(tmp_path)
    assert (
        load_vision_language(f"open_clip:tiny-siglip@{path}").image.std.flatten().tolist()
        == [0.5] * 3
    )


@torch.no_grad()
def test_published_weights_are_fetched_with_their_activation(tags, file, monkeypatch) -> None:
    tags.update(openai=OPENAI)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda config: str(file))
    fetched = load_vision_language("open_clip:tiny-clip:openai")
    assert torch.equal(
        embedding(fetched), embedding(load_vision_language(f"open_clip:tiny-clip@{file}"))
    )


def test_a_failed_download_is_one_sentence(tags, monkeypatch) -> None:
    def offline(config):
        raise OSError("no\nnetwork")

    tags.update(openai=OPENAI)
    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(ConnectionError, match=r"tiny-clip:openai@FILE$") as caught:
        load_vision_language("open_clip:tiny-clip:openai")
    assert "\n" not in str(caught.value)


def test_what_was_fetched_may_be_broken(tags, file, monkeypatch) -> None:
    tags.update(openai=OPENAI)
    file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.setattr(open_clip, "download_pretrained", lambda config: str(file))
    with pytest.raises(
        ValueError, match=r"clip.safetensors, fetched for the weights openai .* delete it"
    ):
        load_vision_language("open_clip:tiny-clip:openai")


def test_nothing_is_fetched_for_a_model_that_cannot_be_used(tags, monkeypatch) -> None:
    monkeypatch.setitem(CONFIGS["tiny-clip"]["vision_cfg"], "pool_type", "avg")
    tags.update(openai=OPENAI)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda config: pytest.fail("fetched"))
    with pytest.raises(ValueError, match="read at its class token"):
        load_vision_language("open_clip:tiny-clip:openai")


def test_a_tokenizer_that_is_not_here(tmp_path, monkeypatch) -> None:
    path = tmp_path / "siglip.safetensors"
    save_file(small_model("tiny-siglip").state_dict(), path)

    def offline(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr(open_clip.tokenizer, "HFTokenizer", offline)
    with pytest.raises(
        ConnectionError, match=r"no-such-tokenizer of tiny-siglip is not on this machine"
    ):
        load_vision_language(f"open_clip:tiny-siglip@{path}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ValueError, match="transformers cannot read a tokenizer there"):
        load_vision_language(f"open_clip:tiny-siglip@{path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:", "expected open_clip:ViT-B-16"),
        ("open_clip:tiny-clip", "expected open_clip:ViT-B-16"),
        ("open_clip:tiny-clip:", "expected open_clip:ViT-B-16"),
        ("open_clip:tiny-clip@", "expected open_clip:ViT-B-16"),
        ("open_clip:ViT-none@x.pt", "open_clip has no model 'ViT-none'"),
        ("open_clip:tiny-clip:none", "lists no weights 'none' of tiny-clip, only none"),
        ("open_clip:coca_ViT-B-32@FILE", "has others; choose another"),
    ],
)
def test_wrong_names(name, message, file) -> None:
    with pytest.raises(ValueError, match=message):
        load_vision_language(name.replace("FILE", str(file)))


def test_wrong_files(file, tmp_path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"none\.pt does not exist: .* behind open_clip:NAME@"
    ):
        load_vision_language(f"open_clip:tiny-clip@{tmp_path / 'none.pt'}")
    with pytest.raises(ValueError, match=r"does not fit open_clip's tiny-eva: .* lacks"):
        load_vision_language(f"open_clip:tiny-eva@{file}")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read: expected a whole safetensors file"):
        load_vision_language(f"open_clip:tiny-clip@{broken}")
    torch.save({"code": print}, tmp_path / "code.pt")
    with pytest.raises(ValueError, match="other than plain tensors"):
        load_vision_language(f"open_clip:tiny-clip@{tmp_path / 'code.pt'}")


def test_without_open_clip(monkeypatch) -> None:
    assert vision_language_pairs()["open_clip:NAME"].startswith("here, open_clip_torch ")

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(open_vision_language, "version", absent)
    assert (
        vision_language_pairs()["open_clip:NAME"] == 'not here, pip install "mfnet-lite[language]"'
    )
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ImportError, match="need the package open_clip_torch"):
        load_vision_language("open_clip:tiny-clip:openai")
