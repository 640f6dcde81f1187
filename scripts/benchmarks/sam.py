"""Measure our SAM beside the official one.

    python -m scripts.benchmarks.sam [--out OUT.json]

Attention (one window and one global block of ViT-B at 256 and 1024 pixels, the whole small encoder)
and automatic masks. Times: official and ours take turns in one process on one thread; CPU seconds, so
that other work on the machine does not count. Memory: peak resident size above what the process held
before, one process per variant.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn

from mfnet_lite.sam import (
    TINY,
    build_sam,
    fuse_attention,
    generate_masks,
    load_sam,
    official_generator,
)
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit
from mfnet_lite.world import make_scene
from scripts.benchmarks.common import RESULTS, ROOT, added_memory, now, one_thread, run_module

VARIANTS = ("official", "ours")
POINTS = 16
KEPT = 0.8  # share of masks dropped by predicted IoU, by a threshold at this quantile

Case = Callable[[str], Callable[[], object]]


def attention(batch: int, side: int, grad: bool = False) -> Case:
    """One ViT-B attention over ``batch`` grids of side × side tokens, random weights."""

    def make(variant: str) -> Callable[[], Tensor]:
        torch.manual_seed(0)
        module = Attention(768, 12, use_rel_pos=True, input_size=(side, side))
        nn.init.normal_(module.rel_pos_h, 0, 0.1)
        nn.init.normal_(module.rel_pos_w, 0, 0.1)
        return _call(module, torch.randn(batch, side, side, 768), variant, grad)

    return make


def small_encoder(batch: int, grad: bool = False) -> Case:
    """The whole encoder of the small SAM, random weights."""

    def make(variant: str) -> Callable[[], Tensor]:
        encoder = build_sam(TINY, seed=0).image_encoder
        torch.manual_seed(0)
        for block in encoder.blocks:
            nn.init.normal_(block.attn.rel_pos_h, 0, 0.1)
            nn.init.normal_(block.attn.rel_pos_w, 0, 0.1)
        return _call(encoder, torch.randn(batch, 3, 256, 256), variant, grad)

    return make


def _call(module: nn.Module, x: Tensor, variant: str, grad: bool) -> Callable[[], Tensor]:
    if variant == "ours":
        fuse_attention(module)

    def call() -> Tensor:
        with torch.set_grad_enabled(grad):
            out = module(x)
            if grad:
                out.square().mean().backward()
        return out.detach()

    return call


def masks(size: int) -> Case:
    """Automatic masks of a made scene of size × size pixels, by the packaged small SAM."""

    def make(variant: str) -> Callable[[], list]:
        sam = load_sam("tiny")
        optical = make_scene(0, size=size).optical[:3]
        image = np.ascontiguousarray(np.moveaxis(optical, 0, -1))
        options = {
            "points_per_side": POINTS,
            "stability_score_thresh": 0.0,
            "pred_iou_thresh": float(os.environ["IOU_THRESHOLD"]),
        }
        if variant == "ours":
            return lambda: generate_masks(sam, image, **options)
        generator = official_generator(sam, **options)
        return lambda: generator.generate(image)

    return make


CASES: dict[str, tuple[Case, int]] = {
    "ViT-B window attention, 256 px (4 windows of 14 × 14)": (attention(4, 14), 9),
    "ViT-B global attention, 256 px (16 × 16)": (attention(1, 16), 9),
    "ViT-B window attention, 1024 px (25 windows of 14 × 14)": (attention(25, 14), 5),
    "ViT-B global attention, 1024 px (64 × 64)": (attention(1, 64), 3),
    "ViT-B global attention, 1024 px, with gradients": (attention(1, 64, grad=True), 2),
    "small encoder, 256 px": (small_encoder(1), 7),
    "small encoder, 256 px, batch of 4, with gradients": (small_encoder(4, grad=True), 3),
    "automatic masks, 256 px": (masks(256), 2),
    "automatic masks, 1024 px": (masks(1024), 1),
}


def difference(official: object, ours: object) -> dict[str, float]:
    """Say how far the two answers are from each other."""
    if isinstance(official, Tensor) and isinstance(ours, Tensor):
        return {"largest_difference": (official - ours).abs().max().item()}
    pairs = list(zip(official, ours, strict=True))
    unions = [
        (
            (a["segmentation"] & b["segmentation"]).sum(),
            (a["segmentation"] | b["segmentation"]).sum(),
        )
        for a, b in pairs
    ]
    return {
        "masks": len(pairs),
        "smallest_iou": min((float(i / u) for i, u in unions if u), default=1.0),
    }


def measure(name: str, variant: str) -> dict:
    """Measure one case in this process: times of both, or memory of one."""
    torch.set_num_threads(1)
    case, repeats = CASES[name]
    if variant != "both":
        call = case(variant)
        return {"bytes": added_memory(call)}
    calls = {v: case(v) for v in VARIANTS}
    answers = {v: call() for v, call in calls.items()} if repeats > 1 else {}
    seconds: dict[str, list[float]] = {v: [] for v in VARIANTS}
    for _ in range(repeats):
        for v, call in calls.items():
            begin = time.process_time()
            answers[v] = call()
            seconds[v].append(time.process_time() - begin)
    return {
        **{
            v: {"cpu_seconds_min": min(s), "cpu_seconds_median": statistics.median(s)}
            for v, s in seconds.items()
        },
        "repeats": repeats,
        **difference(answers["official"], answers["ours"]),
    }


def threshold() -> float:
    """Return the predicted IoU below which most masks of the 256-pixel scene lie."""
    optical = make_scene(0, size=256).optical[:3]
    records = generate_masks(
        load_sam("tiny"),
        np.ascontiguousarray(np.moveaxis(optical, 0, -1)),
        points_per_side=POINTS,
        pred_iou_thresh=-1.0,
        stability_score_thresh=0.0,
        box_nms_thresh=1.0,
    )
    return float(np.quantile([r["predicted_iou"] for r in records], KEPT))


def main() -> None:
    """Run every case and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS / "sam_benchmark.json", help="file of results"
    )
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*options.case)))
        return
    os.environ["IOU_THRESHOLD"] = str(threshold())
    os.environ["OMP_NUM_THREADS"] = "1"
    results = {}
    for name in CASES:
        row = {}
        for variant in ("both", *VARIANTS):
            found = json.loads(run_module("scripts.benchmarks.sam", ["--case", name, variant]))
            row.update(found) if variant == "both" else row[variant].update(found)
        official, ours = row["official"], row["ours"]
        row["time_ratio"] = ours["cpu_seconds_min"] / official["cpu_seconds_min"]
        row["memory_ratio"] = ours["bytes"] / max(official["bytes"], 1)
        results[name] = row
        print(
            f"{name}: time {row['time_ratio']:.2f} of {official['cpu_seconds_min']:.3f} s, "
            f"memory {row['memory_ratio']:.2f} of {official['bytes'] / 1e6:.0f} MB",
            flush=True,
        )
    provenance = {
        "script": "scripts/benchmarks/sam.py",
        "commit": commit(ROOT),
        "time": now(),
        "hardware": one_thread(),
        "torch": torch.__version__,
        "data": "random tensors; automatic masks: our own made scene 0",
        "weights": "attention: random, seed 0; automatic masks: sam_tiny as packaged",
        "sam_tiny_sha256": _tiny_digest(),
        "automatic_masks": {
            "points_per_side": POINTS,
            "pred_iou_thresh": float(os.environ["IOU_THRESHOLD"]),
            "stability_score_thresh": 0.0,
        },
        "seconds": "CPU seconds of the process, so that other work on the machine does not count",
        "bytes": "peak resident size above that before the call, one process per variant",
    }
    write_text(
        options.out, json.dumps({"provenance": provenance, "results": results}, indent=1) + "\n"
    )


def _tiny_digest() -> str:
    from importlib import resources

    card = resources.files("mfnet_lite") / "weights" / "sam_tiny.json"
    return json.loads(card.read_text())["sha256"]


if __name__ == "__main__":
    main()
