"""EarthGPT of the smallest sizes, and dialogues about images that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mfnet_lite.language.instructions import Dialogue, Exchange, Sensor
from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig, Example
from mfnet_lite.nets.encoders.plain_vit import SamViT
from mfnet_lite.nets.encoders.visual_perception import VisualPerception
from mfnet_lite.rasters import write_raster
from mfnet_lite.sam import SamConfig, build_sam
from tests.language.small_models import small_model

SIDE = 64
TOKENS = 4
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
"""Of the language model that runs of tests have in place of ``"tiny"``."""


def small_earthgpt(**options: Any) -> EarthGPT:
    """Four visual tokens of three blocks of a small SAM, and a language model of two blocks."""
    torch.manual_seed(0)
    sam = build_sam(SamConfig(image_size=SIDE, width=16, depth=3, heads=2, global_blocks=(1,)))
    language = small_model()
    perception = VisualPerception(SamViT(sam), None, language.width, grid=(2, 2))
    return EarthGPT(
        perception, language, EarthGPTConfig(**{"half": False, "image_size": SIDE} | options)
    )


def pictures(count: int, seed: int = 0) -> Tensor:
    """Images that differ."""
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def examples(model: EarthGPT) -> list[Example]:
    """Dialogues with two images, one, and none; with one turn, two and three."""
    one, two, three = model.features(pictures(3))
    return [
        Example([("is it a ship", "yes"), ("where", "[0.5]")], [one, two]),
        Example([("what is it", "large ships")], [three]),
        Example([("is it", "no"), ("a", "b"), ("is it a", "ship")]),
    ]


def asked(about: Sequence[Example]) -> list[Example]:
    """The same with the last answer left open."""
    return [Example([*each.turns[:-1], (each.turns[-1][0], None)], each.images) for each in about]


def train(model: EarthGPT, about: Sequence[Example], steps: int = 2, lr: float = 0.05) -> None:
    """Take a few steps on all dialogues at once."""
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=lr, weight_decay=0.1
    )
    for _ in range(steps):
        optimiser.zero_grad()
        model.loss(about).backward()
        optimiser.step()


def write_dialogues(root: Path, count: int = 5) -> list[Dialogue]:
    """Write small images of three sensors and sizes, and ask about them; the last two share one image."""
    rng = np.random.default_rng(0)
    sensors: tuple[Sensor, ...] = ("optical", "sar", "infrared")
    dialogues = []
    for number in range(count):
        sensor = sensors[number % 3]
        rows, cols = 24 + number, 32 - 3 * number
        name = f"{sensor}/{number}.tif"
        if sensor == "optical":
            array = rng.integers(0, 256, (3, rows, cols), dtype=np.uint8)
        else:
            array = rng.normal(-12 if sensor == "sar" else 285, 4, (1, rows, cols))
            array = array.astype(np.float32)
        write_raster(root / name, array)
        said = (
            Exchange("classification", "what is it", "ship" if number % 2 else "plane"),
            Exchange("vqa", "is it a ship", "yes" if number % 2 else "no"),
            Exchange("grounding", "where is it", f"[0.{number}0,0.10,0.90,0.95]"),
            Exchange("captioning", "describe it", f"a {sensor} image of {number} ships"),
        )
        dialogues.append(Dialogue(name, sensor, said[: 2 + number % 3], (cols, rows)))
    last = dialogues[-1]
    return [*dialogues, Dialogue(last.image, last.sensor, last.exchanges[:1], last.size)]
