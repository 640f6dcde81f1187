"""Weights of a fine-tuned SAM as training programs save them.

Situations: facebookresearch/sam3#606 (a fine-tuned file of which nothing is loaded) and
computational-cell-analytics/micro-sam#962 (the state dict under a key of its own).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mfnet_lite import load_sam
from mfnet_lite.sam import TINY, build_sam

SIZES = replace(TINY, image_size=64, depth=2, global_blocks=(1,), window=3)


@pytest.fixture(scope="module")
def sam():
    return build_sam(SIZES, seed=3)


def load(folder: Path, content: object, sam) -> None:
    """Load a file and compare it with the model it was made from."""
    torch.save(content, folder / "sam.pth")
    loaded = load_sam(folder / "sam.pth")
    for name, value in sam.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "net.sam."]
)
@pytest.mark.parametrize(
    "wrapper", [None, "state_dict", "model", "model_state", "model_state_dict"]
)
def test_prefixes_and_wrappers(tmp_path, sam, prefix, wrapper):
    state = {prefix + name: value for name, value in sam.state_dict().items()}
    load(tmp_path, state if wrapper is None else {wrapper: state, "epoch": 3}, sam)


def test_compiled_parts_and_constants(tmp_path, sam):
    state = {
        name.replace("image_encoder.", "image_encoder._orig_mod."): value
        for name, value in sam.state_dict().items()
    }
    load(tmp_path, {**state, "pixel_mean": sam.pixel_mean, "pixel_std": sam.pixel_std}, sam)


def test_what_is_not_one_sam_is_named(tmp_path, sam):
    path, state = tmp_path / "sam.pth", sam.state_dict()
    for content, message in (
        (
            {f"{p}.{n}": v for p in ("student", "teacher") for n, v in state.items()},
            "'student.', 'teacher.'",
        ),
        ({**state, "pixel_mean": torch.tensor([0.485, 0.456, 0.406])}, "its pixel_mean is"),
        (
            {**{f"model.{n}": v for n, v in state.items()}, "head.weight": torch.ones(1)},
            "head.weight",
        ),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=message) as error:
            load_sam(path)
        assert str(path) in str(error.value)
