"""Draw the image of the README and the landing page: a scene, its height, the truth, and a prediction.

    python -m scripts.book.readme_image [--steps 300] [--out book/_static/readme.png]

A small U-Net learns from a dozen procedural scenes and is shown on one that it has never seen. Everything follows from
the seeds below; the printed score belongs to this one scene and says nothing about any benchmark.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange

from mfnet_lite.nets import build_model
from mfnet_lite.plotting import ISPRS, legend, panels, show_height, show_image, show_label
from mfnet_lite.world import Scene, make_scene

ROOT = Path(__file__).resolve().parents[2]
TRAIN, SHOWN, SIZE, CROP = range(100, 112), 7, 256, 128


def inputs(scene: Scene) -> dict[str, Tensor]:
    """Both sensors in the network's units: optical in [0, 1], height above ground in units of 30 m."""
    height = np.where(scene.dsm_valid, scene.dsm - scene.dtm, 0.0) / 30
    return {
        "optical": torch.from_numpy(scene.optical.astype(np.float32) / 255),
        "dsm": torch.from_numpy(height.clip(0, 1).astype(np.float32))[None],
    }


def train(steps: int) -> nn.Module:
    """Train the network on random crops of the training scenes."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    scenes = [make_scene(seed=seed, size=SIZE) for seed in TRAIN]
    data = [(inputs(scene), torch.from_numpy(scene.label.astype(np.int64))) for scene in scenes]
    model = build_model("unet", {"optical": 4, "dsm": 1}, len(ISPRS), width=16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in trange(steps, desc="training"):
        crops = []
        for index in rng.integers(len(data), size=4):
            top, left = rng.integers(0, SIZE - CROP + 1, size=2)
            window = (..., slice(top, top + CROP), slice(left, left + CROP))
            crops.append(
                ({name: x[window] for name, x in data[index][0].items()}, data[index][1][window])
            )
        batch = {name: torch.stack([crop[0][name] for crop in crops]) for name in crops[0][0]}
        loss = nn.functional.cross_entropy(
            model(batch), torch.stack([crop[1] for crop in crops]), ignore_index=255
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def main() -> None:
    """Train, predict, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "book" / "_static" / "readme.png")
    options = parser.parse_args()
    model = train(options.steps)
    scene = make_scene(seed=SHOWN, size=SIZE)
    with torch.no_grad():
        predicted = model({name: x[None] for name, x in inputs(scene).items()})[0].argmax(0).numpy()

    figure, (image, height, truth, answer) = panels(
        ["aerial image", "height above ground", "true classes", "predicted classes"],
        columns=2,
        width=4.0,
        dpi=75,
    )
    show_image(scene.optical, ax=image)
    show_height(scene.dsm - scene.dtm, ax=height, valid=scene.dsm_valid)
    show_label(scene.label, ax=truth)
    show_label(predicted, ax=answer)
    shown = np.union1d(np.unique(scene.label), np.unique(predicted))
    legend(figure, ISPRS, [int(value) for value in shown if value < len(ISPRS)])
    options.out.write_bytes(figure.png(128, scale=2))
    counted = scene.label < len(ISPRS)
    print(f"{options.out.name}: {options.out.stat().st_size / 1000:.0f} kB, ", end="")
    print(f"overall accuracy {(predicted == scene.label)[counted].mean():.3f} on scene {SHOWN}")


if __name__ == "__main__":
    main()
