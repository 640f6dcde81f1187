"""Real tiles that no training saw, and how classes of the world are compared with theirs.

A model that was trained on the world's six classes is scored on the classes that both have. Images are resampled to
the world's pixels. Vaihingen's and IGN's bands are near infrared, red and green, where the model expects red, green
and blue: for it another camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.rasters import WholeTiles, open_dataset
from mfnet_lite.scenes import predict_array
from mfnet_lite.utils.labels import IGNORE_INDEX as NONE


@dataclass(frozen=True)
class RealTiles:
    """Tiles of a data set.

    Attributes:
        folder: Its name among the real data.
        gsd: Metres per pixel.
        classes: The classes compared.
        labels: Label of the tile → compared class.
        world: The world's class, in its order (impervious, building, low vegetation, tree, car, clutter) → compared
            class; one beyond the last is an answer that is always wrong.
        side: Side of the middle part that is scored, pixels; 0 for all.
    """

    folder: str
    gsd: float
    classes: tuple[str, ...]
    labels: Mapping[int, int]
    world: tuple[int, int, int, int, int, int]
    side: int = 0


TILES: dict[str, RealTiles] = {
    "Vaihingen": RealTiles(
        "vaihingen_tile",
        0.09,
        ("impervious surfaces", "building", "low vegetation", "tree", "car"),
        {1: 0, 2: 1, 3: 2, 4: 3, 5: 4},
        (0, 1, 2, 3, 4, 5),
    ),
    "LoveDA": RealTiles(
        "loveda",
        0.3,
        ("building", "road", "plants"),
        {2: 0, 3: 1, 6: 2, 7: 2},  # neither background nor water nor bare soil
        (1, 0, 2, 2, 1, 3),  # cars stand on roads
        side=256,
    ),
    "IGN": RealTiles(
        "ign_ortho_lidar",
        0.2,
        ("ground", "building", "vegetation or other"),
        {0: 0, 1: 1, 2: 2},
        (0, 1, 0, 2, 2, 2),
    ),
}


def real_scores(
    model: nn.Module, root: Path, gsd: float, window: int, stride: int
) -> dict[str, float]:
    """Score a model of the world's six classes on the real tiles.

    Args:
        model: Maps ``{"optical": …}`` to logits of the world's classes.
        root: Folder of the real data.
        gsd: Metres per pixel of the training.
        window: Side of the windows.
        stride: Their distance.

    Returns:
        mIoU over the compared classes, by data set; none where the folder is not there.
    """
    found = {}
    for name, tiles in TILES.items():
        if (root / tiles.folder).is_dir():
            found[name] = _score(model, root / tiles.folder, tiles, gsd, window, stride)
    return found


def _score(
    model: nn.Module, folder: Path, tiles: RealTiles, gsd: float, window: int, stride: int
) -> float:
    """Return the mIoU on one data set."""
    data = open_dataset(folder, sensors=("optical",))
    whole: Any = WholeTiles(data.tiles("test"), ("optical",), "robust")
    names = (*tiles.classes, "none of them")
    matrix = ConfusionMatrix(len(names))
    # labels beyond the table are not compared
    table = torch.full((NONE + 1,), NONE)
    for label, compared in tiles.labels.items():
        table[label] = compared
    world = torch.tensor(tiles.world)
    for index in range(len(whole)):
        sample: dict[str, Tensor] = whole[index]
        image, label = sample["optical"][:3], table[sample["label"].long()]
        if tiles.side:
            top, left = ((n - tiles.side) // 2 for n in label.shape)
            cut = (..., slice(top, top + tiles.side), slice(left, left + tiles.side))
            image, label = image[cut], label[cut]
        size = [max(1, round(n * tiles.gsd / gsd)) for n in label.shape]
        seen = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        logits = predict_array(model, {"optical": seen}, window=window, stride=stride)
        # scored on the tile's own pixels
        logits = F.interpolate(logits[None], label.shape, mode="bilinear", align_corners=False)[0]
        matrix.update(world[logits.argmax(dim=0)], label)
    scores = matrix.scores().as_dict(names)
    ious = [scores["per_class"][name]["IoU"] or 0.0 for name in tiles.classes]
    return round(sum(ious) / len(ious), 5)
