from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

import mfnet_lite
from mfnet_lite.sam import TINY, build_sam, checkpoints, find_checkpoint, load_sam
from mfnet_lite.sam.build import METADATA_KEY
from mfnet_lite.sam.checkpoints import REGISTRY
from mfnet_lite.sam.download import RemoteFile

SMALL = replace(TINY, image_size=64, depth=2, global_blocks=(1,), window=3)


@pytest.fixture(scope="module")
def small():
    return build_sam(SMALL, seed=0)


@pytest.fixture
def small_file(small, tmp_path):
    path = tmp_path / "small.pth"
    torch.save(small.state_dict(), path)
    return path


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_loads_a_file_exactly(small, small_file):
    sam = load_sam(small_file)
    assert type(sam) is Sam
    assert same(sam, small)
    assert not sam.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in sam.parameters())
    assert torch.equal(sam.pixel_mean, small.pixel_mean)
    assert torch.equal(sam.pixel_std, small.pixel_std)
    assert not any(t.is_meta for t in [*sam.parameters(), *sam.buffers()])


def test_loads_safetensors_half_precision_and_wrapped(small, tmp_path):
    half = {k: t.half() for k, t in small.state_dict().items()}
    save_file(half, tmp_path / "half.safetensors", metadata={METADATA_KEY: SMALL.to_json()})
    sam = load_sam(str(tmp_path / "half.safetensors"))
    key = "image_encoder.neck.0.weight"
    assert torch.equal(sam.state_dict()[key], half[key].float())
    torch.save({"model": small.state_dict(), "step": 3}, tmp_path / "wrapped.pth")
    assert same(load_sam(tmp_path / "wrapped.pth"), small)


def test_another_input_size(small_file):
    sam = load_sam(small_file, image_size=96)
    assert sam.image_encoder.img_size == 96
    assert sam.prompt_encoder.input_image_size == (96, 96)
    assert sam.prompt_encoder.mask_input_size == (48, 48)
    with torch.no_grad():
        assert sam.image_encoder(torch.zeros(1, 3, 96, 96)).shape == (1, 128, 12, 12)
    with pytest.raises(ValueError, match="multiple of the patch size 8, got 100; use 96"):
        load_sam(small_file, image_size=100)
    with pytest.raises(ValueError, match="multiple of the patch size 8, got 0"):
        load_sam(small_file, image_size=0)


def test_old_global_tables_beside_a_resized_grid(small, tmp_path):
    # Fine-tuned copies exist whose absolute table alone was resized.
    state = load_state(small)
    state["image_encoder.pos_embed"] = torch.zeros(1, 12, 12, 192)
    torch.save(state, tmp_path / "mixed.pth")
    sam = load_sam(tmp_path / "mixed.pth")
    assert sam.image_encoder.img_size == 96
    assert sam.image_encoder.blocks[1].attn.rel_pos_h.shape == (23, 32)


def load_state(sam):
    return dict(sam.state_dict())


def test_predictor_works_on_the_loaded_model(small_file):
    predictor = SamPredictor(load_sam(small_file))
    predictor.set_image(np.full((50, 80, 3), 90, dtype=np.uint8))
    masks, iou, low = predictor.predict(np.array([[20, 30]]), np.array([1]))
    assert masks.shape == (3, 50, 80)
    assert iou.shape == (3,)
    assert low.shape == (3, 32, 32)


def test_tiny_ships_with_the_package():
    sam = mfnet_lite.load_sam("tiny")
    assert sam.image_encoder.img_size == 256
    assert sum(p.numel() for p in sam.parameters()) == 3_846_912
    assert sam.image_encoder.pos_embed.abs().max() > 0  # trained, not fresh


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda w, _: w.unlink(), FileNotFoundError, "is missing from this installation"),
        (lambda _, c: c.unlink(), FileNotFoundError, "is missing from this installation"),
        (lambda w, _: w.write_bytes(b"123"), ValueError, "has 3 bytes where 4 are expected"),
        (lambda w, _: w.write_bytes(b"1235"), ValueError, "has SHA-256 .* is expected; install"),
    ],
)
def test_damaged_installation(tmp_path, monkeypatch, spoil, error, message):
    folder = tmp_path / "weights"
    folder.mkdir()
    weights, card = folder / "sam_tiny.safetensors", folder / "sam_tiny.json"
    weights.write_bytes(b"1234")
    digest = hashlib.sha256(b"1234").hexdigest()
    card.write_text(json.dumps({"sha256": digest, "size": 4}))
    monkeypatch.setattr(checkpoints.resources, "files", lambda _: tmp_path)
    assert find_checkpoint("tiny") == weights
    spoil(weights, card)
    with pytest.raises(error, match=message):
        find_checkpoint("tiny")


def test_official_names_are_registered_with_full_digests():
    assert set(REGISTRY) == {"vit_b", "vit_l", "vit_h"}
    for name, remote in REGISTRY.items():
        assert remote.name.startswith(f"sam_{name}_")
        assert len(bytes.fromhex(remote.sha256)) == 32


def test_cached_file_is_used_and_verified(small_file, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv(checkpoints.CACHE_VARIABLE, str(cache))
    content = small_file.read_bytes()
    remote = RemoteFile(
        "http://127.0.0.1:9/x.pth", hashlib.sha256(content).hexdigest(), len(content)
    )
    monkeypatch.setattr(checkpoints, "REGISTRY", {"vit_b": remote})
    (cache / "x.pth").write_bytes(content)
    assert load_sam("vit_b").image_encoder.img_size == 64
    (cache / "x.pth").write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"x\.pth has \d+ bytes where \d+ are expected; delete it"):
        load_sam("vit_b")
    (cache / "x.pth").unlink()
    with pytest.raises(ConnectionError, match=r"could not download http://127\.0\.0\.1:9/x\.pth"):
        load_sam("vit_b")


def test_unknown_names_and_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'vit_x' is neither a known model \(tiny, vit_b"):
        load_sam("vit_x")
    with pytest.raises(FileNotFoundError, match="is a folder; give the checkpoint file itself"):
        load_sam(tmp_path)


class Hostile:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_damaged_and_foreign_files(small, small_file, tmp_path, capsys):
    def refuse(path, message):
        with pytest.raises(ValueError, match=message) as caught:
            load_sam(path)
        text = str(caught.value)
        assert path.name in text
        assert "\n" not in text

    content = small_file.read_bytes()
    cut = tmp_path / "cut.pth"
    cut.write_bytes(content[: len(content) // 2])
    refuse(cut, "is damaged|truncated or no checkpoint; fetch or copy it again")
    save_file(small.state_dict(), tmp_path / "a.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((tmp_path / "a.safetensors").read_bytes()[:-100])
    refuse(cut, "cannot be read: expected a whole safetensors file, found .* copy or save it again")
    empty = tmp_path / "empty.pth"
    empty.touch()
    refuse(empty, "truncated or no checkpoint|other than plain tensors")

    hostile = tmp_path / "hostile.pth"
    torch.save({"x": Hostile()}, hostile)
    refuse(hostile, "other than plain tensors")
    hostile.write_bytes(pickle.dumps(Hostile()))
    refuse(hostile, "other than plain tensors")
    assert "must not run" not in capsys.readouterr().out

    other = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), other)
    refuse(other, "not a SAM with a ViT")
    torch.save([1, 2], other)
    refuse(other, "holds no state dict of tensors")

    state = load_state(small)
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, other)
    refuse(other, r"does not fit a SAM of its own sizes: Missing key\(s\).*iou_token")


def test_a_device_that_is_not_here_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        load_sam("no such file", device="gpu")
