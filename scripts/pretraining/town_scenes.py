"""Scenes of the world on disk, for the vision-language pair: ``python -m scripts.pretraining.town_scenes OUT``.

What is drawn for each scene: pixel size, ambiguity, season, how densely it is built, planted and driven on, and how
much the sensor's noise is. Not the domain: every scene is clear, so that haze, night and the other camera stay unseen.
A scene depends on its seed alone. Files that are there already are not made again, so the command may be stopped and
started anew, and a training may read what has been made so far.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8
from tqdm import tqdm

from mfnet_lite.utils.files import replacing
from mfnet_lite.world import SEASONS, Scene, make_scene

FIRST_SEED = 20_000_000
"""Of the training's scenes; experiments and evaluations stay far below."""
SIZE = 512


class Town(NamedTuple):
    """What the training needs of a scene."""

    rgb: UInt8[np.ndarray, "size size 3"]
    label: UInt8[np.ndarray, "size size"]
    instances: Int[np.ndarray, "size size"]
    kinds: dict[int, str]
    gsd: float
    season: str


def draw_parameters(seed: int) -> tuple[float, dict[str, Any]]:
    """Draw a scene's pixel size and the world's parameters."""
    rng = np.random.default_rng([seed, 1])
    gsd = round(float(rng.uniform(0.15, 0.5)), 3)
    return gsd, {
        "ambiguity": round(float(rng.uniform()), 3),
        "season": str(rng.choice(SEASONS)),
        "density": round(float(rng.uniform(0.5, 1.0)), 3),
        "vegetation": round(float(rng.uniform(0.2, 0.9)), 3),
        "traffic": round(float(rng.uniform(0.2, 0.9)), 3),
        "noise": round(float(rng.uniform(0.5, 1.5)), 3),
    }


def training_scene(seed: int, size: int = SIZE) -> Scene:
    """Make the scene of a seed."""
    gsd, parameters = draw_parameters(seed)
    return make_scene(seed, size=size, gsd=gsd, **parameters)


def save_town(path: Path, scene: Scene) -> None:
    """Write what the training needs of a scene."""
    with replacing(path) as temporary:
        np.savez(
            temporary,
            rgb=np.ascontiguousarray(np.moveaxis(scene.optical[:3], 0, -1)),
            label=scene.label,
            instances=scene.instances.astype(np.uint16),
            ids=np.array([found.id for found in scene.objects], np.uint16),
            kinds=np.array([found.kind for found in scene.objects], np.str_),
            gsd=scene.gsd,
            season=scene.config.season,
        )


def load_town(path: Path) -> Town:
    """Read what :func:`save_town` wrote."""
    with np.load(path) as file:
        ids, kinds = file["ids"].tolist(), file["kinds"].tolist()
        return Town(
            file["rgb"],
            file["label"],
            file["instances"],
            dict(zip(ids, kinds, strict=True)),
            float(file["gsd"]),
            str(file["season"]),
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the scenes")
    parser.add_argument("--scenes", type=int, default=1200)
    parser.add_argument("--size", type=int, default=SIZE, help="side of a scene, pixels")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first scene")
    arguments = parser.parse_args()
    for seed in tqdm(range(arguments.first, arguments.first + arguments.scenes), desc="scenes"):
        path = arguments.out / f"{seed}.npz"
        if not path.exists():
            save_town(path, training_scene(seed, arguments.size))


if __name__ == "__main__":
    main()
