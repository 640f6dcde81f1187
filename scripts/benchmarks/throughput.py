"""How many windows of a scene MFNet maps in a second, for every size of SAM: what the cost of an area is reckoned from.

    python -m scripts.benchmarks.throughput                 rewrites book/results/throughput.json
    python -m scripts.benchmarks.throughput --device cuda --out OUT.json

Each size maps the same made scene in a process of its own, with random weights, files read and written. On a CPU one
thread works and its CPU seconds count; on a GPU the seconds of the clock. The first window of a scene also pays for
what is set up once, so every size maps the scene twice and the second time counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mfnet_lite.nets import MFNet
from mfnet_lite.sam import build_sam
from mfnet_lite.sam.build import CONFIGS
from mfnet_lite.scenes.predict import predict_scene
from mfnet_lite.scenes.windows import Windows
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import peak_memory
from scripts.benchmarks.common import RESULTS, now, one_thread, run_module, working_tree
from scripts.benchmarks.large_scene import CLASSES, write_large

BACKBONES = tuple(CONFIGS)
SCENE, WINDOWS = 768, Windows(256, stride=256)
"""Pixels along the side of the scene: nine windows without overlap."""


def measure(folder: Path, backbone: str, device: str, windows: Windows = WINDOWS) -> dict[str, Any]:
    """Map the scene of a folder.

    Args:
        folder: What :func:`~scripts.benchmarks.large_scene.write_large` wrote.
        backbone: Size of SAM.
        device: Where.
        windows: Over the scene.

    Returns:
        Weights, windows, seconds, windows per second, peak bytes of this process (of the GPU if there is one).
    """
    sensors = ("optical", "dsm")
    sam = build_sam(CONFIGS[backbone], seed=0)  # random weights: classes do not matter here
    model = MFNet(sam, len(CLASSES), sensors, tuning="mmlora")
    clock: Callable[[], float] = time.process_time if device == "cpu" else time.perf_counter
    paths = {name: folder / f"{name}.tif" for name in sensors}
    seen = 0

    def note(_: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        nonlocal seen
        seen += len(inputs[0]["optical"])

    model.register_forward_pre_hook(note)
    seconds = 0.0
    for turn in range(2):
        seen, begun = 0, clock()
        predict_scene(
            model, paths, folder / f"map{turn}.tif", windows, device=device, progress=False
        )
        seconds = clock() - begun
    on_gpu = torch.cuda.max_memory_allocated() if device == "cuda" else None
    return {
        "weights": sum(p.numel() for p in model.parameters()),
        "windows": seen,
        "seconds": seconds,
        "windows_per_second": seen / seconds,
        "peak_bytes": on_gpu or peak_memory(),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, choices=BACKBONES)
    parser.add_argument("--out", type=Path, default=RESULTS / "throughput.json")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "BACKBONE"), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.child:
        folder, backbone = options.child
        print(json.dumps(measure(Path(folder), backbone, options.device)))
        return
    sizes = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_large(Path(scratch), SCENE, quiet=True)
        for backbone in options.backbones:
            line = ("--device", options.device, "--child", scratch, backbone)
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            sizes[backbone] = json.loads(
                run_module("scripts.benchmarks.throughput", line, **threads)
            )
            print(f"{backbone}: {sizes[backbone]['windows_per_second']:.3f} windows/s", flush=True)
    on_gpu = options.device == "cuda"
    table = {
        "provenance": {
            "script": f"scripts/benchmarks/throughput.py --device {options.device}",
            "commit": working_tree(),
            "time": now(),
            "hardware": torch.cuda.get_device_name() if on_gpu else one_thread(),
            "torch": torch.__version__,
        },
        "setting": {
            "model": "MFNet, MMLoRA of rank 4, random weights, float32",
            "sensors": "image and height map",
            "window": WINDOWS.size,
            "stride": WINDOWS.step,
            "scene": f"{SCENE} x {SCENE} pixels, files read and written",
            "seconds": "of the clock" if on_gpu else "CPU seconds of one thread",
        },
        "results": sizes,
    }
    write_text(options.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
