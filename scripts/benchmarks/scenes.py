"""Measure the map of a scene beside the sliding-window loops that users know.

    python -m scripts.benchmarks.scenes --authors PATH     2,000 pixels square, and how memory grows; minutes
    python -m scripts.benchmarks.scenes --smoke            a small scene, seconds; nothing is written

The peers are MONAI's ``sliding_window_inference``, TerraTorch's ``tiled_inference`` and the test loop of MFNet's
authors (PATH is a checkout of https://github.com/sstary/SSRS or its git directory); those that are not here are left
out. Every way reads the same GeoTIFFs, runs the same network over windows of the same size and overlap, and writes a
class map; ours writes it window by window. Three networks: one convolution of a pixel's own values, for which nothing
but the loop costs, a narrow U-Net, and a U-Net of usual width, for which the network is what costs. One process runs
the ways in turn; what counts is the median over the turns of the ratio within a turn, in CPU seconds of one thread,
so that other work on the machine does little harm. Memory is the growth of the peak resident size, in a fresh process
for each way and size (Linux).
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from torch import Tensor, nn

from mfnet_lite import predict_scene
from mfnet_lite.nets import build_model
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit, versions
from mfnet_lite.world import make_scene
from scripts.benchmarks import peer_loops
from scripts.benchmarks.common import (
    RESULTS,
    added_memory,
    now,
    one_thread,
    run_module,
    working_tree,
)
from scripts.benchmarks.large_scene import CLASSES, write_large
from scripts.benchmarks.peer_loops import Task

OURS = "ours"
WINDOW, STRIDE, BATCH = 256, 128, 8
LOOP = "one convolution"
NETWORKS: dict[str, dict[str, int]] = {
    LOOP: {},
    "narrow U-Net": {"width": 4, "depth": 2},
    "U-Net": {},
}
"""Options of the U-Nets."""
MEMORY_NETWORK = "narrow U-Net"
NEEDED = 2.0
"""Times as many windows per second as the best peer that are the project's goal."""

Way = Callable[[Task], object]


def ours(task: Task) -> None:
    """The library, every window weighted alike."""
    predict_scene(
        task.model, task.paths, task.out, scaling="minmax", window=task.window, stride=task.stride,
        batch=task.batch, blend="sum", device="cpu", progress=False,
    )  # fmt: skip


def ways(authors: Path | None) -> dict[str, Way]:
    """Return what is compared: ours, and the peers that are here."""
    found: dict[str, Way] = {OURS: ours}
    for name, call in (("MONAI", peer_loops.monai), ("TerraTorch", peer_loops.terratorch)):
        if peer_loops.released(name.lower()):
            found[name] = call
    if authors is not None:
        found["authors"] = peer_loops.authors(authors)
    return found


class Pointwise(nn.Module):
    """One convolution of a pixel's own values: a network that costs next to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(4, len(CLASSES), kernel_size=1)

    def forward(self, sample: Mapping[str, Tensor]) -> Tensor:
        """Return logits (batch, classes, h, w)."""
        logits: Tensor = self.head(torch.cat([sample["optical"], sample["dsm"]], dim=1))
        return logits


class Centred(nn.Module):
    """A network with random weights whose classes are equally strong on average: its map is not all one class."""

    def __init__(self, net: nn.Module, example: dict[str, Tensor]) -> None:
        super().__init__()
        self.net = net.eval()
        with torch.no_grad():
            logits = self.net(example)
        mean, deviation = (f(logits, (0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, sample: Mapping[str, Tensor]) -> Tensor:
        """Return logits (batch, classes, h, w) of mean 0 and deviation 1 on the example."""
        logits: Tensor = (self.net(sample) - self.mean) / self.deviation
        return logits


@functools.cache
def network(name: str) -> nn.Module:
    """A network with random weights."""
    torch.manual_seed(0)
    scene = make_scene(0, WINDOW)
    example = {
        "optical": torch.from_numpy(scene.optical[None, :3].astype(np.float32) / 255),
        "dsm": torch.from_numpy(minmax(scene.dsm)[None, None]),
    }
    return Centred(_network(name), example).eval()


def minmax(values: np.ndarray) -> np.ndarray:
    """Scale to [0, 1]."""
    low, high = values.min(), values.max()
    return ((values - low) / (high - low)).astype(np.float32)


def _network(name: str) -> nn.Module:
    if name == LOOP:
        return Pointwise()
    return build_model("unet", {"optical": 3, "dsm": 1}, len(CLASSES), **NETWORKS[name])  # type: ignore[arg-type]


def task(folder: Path, net: str, out: Path) -> Task:
    """Describe one map."""
    paths = {name: folder / f"{name}.tif" for name in ("optical", "dsm")}
    return Task(paths, out, network(net), len(CLASSES), WINDOW, STRIDE, BATCH)


def windows(size: int) -> int:
    """How many windows cover the scene."""
    along = -(-max(size - WINDOW, 0) // STRIDE) + 1
    return along * along


def agreement(compared: dict[str, Way], folder: Path, net: str) -> dict[str, float]:
    """Share of pixels that have our class."""
    maps = {}
    for name, way in compared.items():
        way(task(folder, net, folder / "map.tif"))
        with rasterio.open(folder / "map.tif") as file:
            maps[name] = file.read(1)
    seen = maps[OURS] != 255  # peers know no pixels without data
    return {name: round(float(np.mean(m[seen] == maps[OURS][seen])), 4) for name, m in maps.items()}


def seconds(compared: dict[str, Way], folder: Path, net: str, turns: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each turn."""
    found: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(turns):
        for name, way in compared.items():
            begin = time.process_time()
            way(task(folder, net, folder / "map.tif"))
            found[name].append(round(time.process_time() - begin, 3))
        print({name: times[-1] for name, times in found.items()}, flush=True)
    return found


def memory(way: Way, folder: Path, small: Path) -> int:
    """Bytes that a way adds to this process; what a first map loads is not counted."""
    net = MEMORY_NETWORK
    way(task(small, net, small / "map.tif"))
    return added_memory(lambda: way(task(folder, net, folder / "map.tif")))


def row(times: dict[str, list[float]], name: str, size: int) -> dict[str, Any]:
    """Sum up one way."""
    ratios = [a / b for a, b in zip(times[name], times[OURS], strict=True)]
    return {
        "seconds": times[name],
        "windows_per_second": round(windows(size) / statistics.median(times[name]), 1),
        "times_ours": round(statistics.median(ratios), 2),
        "times_ours_spread": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def provenance(authors: Path | None) -> dict[str, Any]:
    """Say where the figures come from."""
    return {
        "script": "scripts/benchmarks/scenes.py --authors PATH",
        "commit": working_tree(),
        "time": now(),
        "hardware": one_thread(),
        "versions": versions()
        | {name: peer_loops.released(name) for name in ("monai", "terratorch")},
        "authors": "https://github.com/sstary/SSRS, MFNet/train.py, test",
        "authors_commit": None if authors is None else commit(authors),
        "seconds": "CPU seconds of one thread",
        "bytes": "growth of the peak resident size, narrow U-Net, fresh process each",
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--authors", type=Path, help="a checkout of sstary/SSRS")
    parser.add_argument("--size", type=int, default=2000, help="side of the scene that is timed")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 4000, 6000])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "scenes_benchmark.json")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    compared = ways(args.authors)
    if args.alone:
        small, folder = args.folder.parent / "small", args.folder
        print(memory(compared[args.alone], folder, small))
        return
    size, turns, sizes = (args.size, args.turns, args.sizes)
    if args.smoke:
        size, turns, sizes = 300, 1, [300]
    with tempfile.TemporaryDirectory() as root:
        folders = {n: Path(root) / str(n) for n in sorted({size, *sizes})}
        for n, folder in (*folders.items(), (300, Path(root) / "small")):
            folder.mkdir()
            write_large(folder, n, quiet=True)
        speed = {}
        for net in NETWORKS:
            same = agreement(compared, folders[size], net)
            times = seconds(compared, folders[size], net, turns)
            speed[net] = {
                name: row(times, name, size) | {"same_class": same[name]} for name in compared
            }
        words = [] if args.authors is None else ["--authors", str(args.authors)]
        grown = {
            name: {
                str(n): int(
                    run_module(
                        "scripts.benchmarks.scenes",
                        ["--alone", name, "--folder", str(folders[n]), *words],
                    )
                )
                for n in sizes
            }
            for name in compared
        }
    best = {
        net: min(r["times_ours"] for name, r in rows.items() if name != OURS)
        for net, rows in speed.items()
        if len(rows) > 1
    }
    content = {
        "question": "What does the map of a scene cost beside the loops that users know?",
        "setting": {
            "size": size, "window": WINDOW, "stride": STRIDE, "batch": BATCH, "turns": turns,
            "windows": windows(size), "networks": NETWORKS, "needed": NEEDED,
        },
        "speed": speed,
        "times_faster_than_the_best_peer": best,
        "added_bytes": grown,
        "provenance": provenance(args.authors),
    }  # fmt: skip
    if not args.smoke:
        write_text(args.out, json.dumps(content, indent=1) + "\n")
    for net, rows in speed.items():
        for name, found in rows.items():
            print(f"{net}: {name} {found['windows_per_second']} windows/s, {found['times_ours']} x our time, "
                  f"{100 * found['same_class']:.1f} % same class")  # fmt: skip
    for name, by_size in grown.items():
        print(name, {n: f"{b / 2**20:.0f} MiB" for n, b in by_size.items()})


if __name__ == "__main__":
    main()
