"""A package that carries weights, made for a test: the names of the reference implementation, random values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from mfnet_lite.nets.encoders import packaged_weights
from mfnet_lite.utils.hashes import sha256_of

NAME = "tf_efficientnet_lite0"
GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "efficientnet_lite0.json").read_text(encoding="utf-8")
)


def made_state(seed: int = 0) -> dict[str, Tensor]:
    """Random tensors by the reference implementation's names, in its order and with its shapes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = timm.create_model(NAME)
        shapes = net.state_dict().values()
        # both implementations register the same layers in the same order
        return {
            name: torch.rand_like(value) + 0.5 if value.is_floating_point() else value.clone()
            for name, value in zip(GOLDEN["tensors"], shapes, strict=True)
        }


def made_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor] | None = None
) -> Path:
    """Put a package with such weights onto the path, and let the library know it; its code must not run."""
    real = packaged_weights.PACKAGED[NAME]
    package = folder / "made_weights_of_a_test"
    file = package / "models" / "made.pth"
    file.parent.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "raise AssertionError('the code of the package was run')\n"
    )
    torch.save(made_state() if state is None else state, file)
    entry = replace(
        real,
        file=replace(
            real.file,
            package=package.name,
            path="models/made.pth",
            sha256=sha256_of(file),
            size=file.stat().st_size,
        ),
    )
    monkeypatch.setitem(packaged_weights.PACKAGED, NAME, entry)
    monkeypatch.syspath_prepend(folder)
    return file
