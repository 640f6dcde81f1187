"""What the tests of shared scenes run in each process: ``two_processes_scenes.py IN OUT JOB [RANK CALLS]``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch
from torch import nn

import mfnet_lite.scenes.masks as scene_masks
from mfnet_lite.rasters import open_folder
from mfnet_lite.sam import ObjectSettings, build_sam
from mfnet_lite.scenes.mask_dataset import mask_tiles
from mfnet_lite.scenes.masks import mask_scene
from mfnet_lite.scenes.predict import predict_scene
from tests.small_sam import SMALL

LOOSE = ObjectSettings(
    points_per_side=2, pred_iou_thresh=-1.0, stability_score_thresh=0.0, min_area=1
)
"""Keeps masks of a network that has learnt nothing."""

CALLS = {"predict": 0, "masks": 0}


def count(job: str) -> None:
    """Note a piece of work; hang at the one that the command line names."""
    rank = os.environ.get("RANK", "0")
    if sys.argv[3:] == [job, rank, str(CALLS[job])]:
        (Path(sys.argv[2]) / "hangs").touch()
        time.sleep(600)
    CALLS[job] += 1


class Conv(nn.Module):
    """Three classes from one convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
        count("predict")
        return self.conv(torch.cat([sample["optical"], sample["dsm"]], dim=1))


def predict(source: Path, out: Path) -> Path:
    paths = {"optical": source / "optical.tif", "dsm": source / "dsm.tif"}
    return predict_scene(
        Conv(),
        paths,
        out / "map.tif",
        scaling="minmax",
        classes=["a", "b", "c"],
        palette=[(255, 255, 255), (0, 0, 255), (0, 255, 0)],
        confidence=out / "sure.tif",
        device="cpu",
        panel=256,
        progress=False,
        window=48,
        stride=40,
    )


def masks(source: Path, out: Path) -> int:
    sam, find = build_sam(SMALL, seed=0), scene_masks.find_objects

    def counted(*arguments):
        count("masks")
        return find(*arguments)

    scene_masks.find_objects = counted
    done = mask_scene(
        sam, source / "small.tif", out / "masks", LOOSE, tile=64, overlap=16, progress=False
    )
    tiles = open_folder(source / "world", ["optical"], val_fraction=0.0).tiles("train")
    mask_tiles(sam, tiles, out / "dataset", LOOSE, progress=False)
    scene_masks.find_objects = find
    return done.total


def main(source: Path, out: Path) -> None:
    if not (out / "map.tif").exists():
        predict(source, out)
    total = masks(source, out)
    note = out / f"calls{os.environ.get('RANK', '')}"
    note.write_text(f"{CALLS['predict']} {CALLS['masks']} {total}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
