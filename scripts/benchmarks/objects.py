"""Measure the object loss beside a loop over objects, and beside the authors' own class.

    python -m scripts.benchmarks.objects [--authors PATH] [--out OUT.json]      batch 10, 256 pixels, 48 objects
    python -m scripts.benchmarks.objects --smoke                                small, seconds; nothing is written

PATH is a checkout of https://github.com/sstary/SSRS or its git directory; of it one class is read and run, with
the word 'cuda' in it replaced by the device. What is timed is a forward and a backward pass. The variants take
turns in one process on one thread, and what counts is the median over the rounds of the ratio within a round, in
CPU seconds, so that other work on the machine does no harm. Values and gradients are compared in the same process.
Memory is the growth of the peak resident size in a fresh process per variant.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses import object_consistency
from mfnet_lite.losses.object_consistency import OFFICIAL
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit
from scripts.benchmarks.common import RESULTS, ROOT, added_memory, now, run_module

FILE = "SAM_RS/utils.py"
AUTHORS, LOOP, OURS = "authors", "loop", "ours"
NEEDED = 20.0
"""Times faster than a loop that is the project's goal."""

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        authors: A checkout of the authors' repository, or its git directory.
        batch: Images of a batch.
        size: Side of an image in pixels.
        rounds: How often the variants take turns.
        smoke: Whether memory is left out.
    """

    authors: Path | None
    batch: int
    size: int
    rounds: int
    smoke: bool = False


def loop(
    logits: Float[Tensor, "batch classes height width"], objects: Int[Tensor, "batch height width"]
) -> Float[Tensor, ""]:
    """The authors' loss from its formula (SAM_RS/utils.py, class ObjectLoss), one object after the other."""
    total = logits.new_zeros(())
    for k in range(1, min(int(objects.max()) + 1, 50)):
        mask = (objects == k)[:, None].to(logits.dtype)
        count = mask.sum(dim=(2, 3), keepdim=True)
        mean = (logits * mask).sum(dim=(2, 3), keepdim=True) / count.clamp(min=1)
        total = total + (count / (count + 1) * (logits - mean) * mask).square().mean()
    return total


def ours(logits: Tensor, objects: Tensor) -> Tensor:
    """The library's loss, with the authors' weights."""
    return object_consistency(logits, objects, **OFFICIAL)


def authors(path: Path, device: str = "cpu") -> tuple[Loss, str]:
    """Run the authors' class and nothing else of their file.

    Args:
        path: a checkout, or a git directory.
        device: where it shall compute.

    Returns:
        The loss, and the commit it comes from.

    Raises:
        FileNotFoundError: If the path holds no such file.
    """
    git = ["git", "-C", str(path)]
    shown = subprocess.run(
        [*git, "show", f"HEAD:{FILE}"], capture_output=True, text=True, check=False
    )
    if shown.returncode:
        raise FileNotFoundError(
            f"{path} holds no {FILE}: expected a checkout of sstary/SSRS or its git directory; clone it "
            "and give its path"
        )
    tree = ast.parse(shown.stdout)
    (found,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "ObjectLoss")
    for node in ast.walk(found):
        if isinstance(node, ast.Constant) and node.value == "cuda":
            node.value = device
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "F": F}
    exec(compile(ast.Module([found], []), FILE, "exec"), names)
    return names["ObjectLoss"](), commit(path)


def problem(batch: int, size: int, classes: int = 6, across: int = 7) -> tuple[Tensor, Tensor]:
    """Logits and ``across ** 2 - 1`` objects in each image."""
    index = torch.arange(batch * classes * size * size, dtype=torch.float64)
    logits = torch.sin(0.1 * index).reshape(batch, classes, size, size).float()
    side = -(-size // across)
    y, x = torch.meshgrid(torch.arange(size) // side, torch.arange(size) // side, indexing="ij")
    return logits, (y * across + x).expand(batch, -1, -1).contiguous()


def step(loss: Loss, logits: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient."""
    x = logits.detach().requires_grad_()
    value = loss(x, objects)
    value.backward()
    assert x.grad is not None
    return value.detach(), x.grad


def cpu_seconds(loss: Loss, logits: Tensor, objects: Tensor, times: int = 1) -> tuple[float, float]:
    """CPU seconds of a forward pass, and of a forward and backward pass."""
    x = logits.detach().requires_grad_()
    forward = both = 0.0
    for _ in range(times):
        begun = time.process_time()
        value = loss(x, objects)
        forward += time.process_time() - begun
        value.backward()
        both += time.process_time() - begun
        del value
    return forward / times, both / times


def variants(path: Path | None) -> dict[str, Loss]:
    """What is compared."""
    found: dict[str, Loss] = {LOOP: loop, OURS: ours}
    return ({AUTHORS: authors(path)[0]} if path is not None else {}) | found


def measure(setting: Setting) -> dict[str, Any]:
    """Compare numbers, then take turns."""
    logits, objects = problem(setting.batch, setting.size)
    losses = variants(setting.authors)
    value, gradient = step(ours, logits, objects)
    numbers = {}
    for name, loss in losses.items():
        other, slope = step(loss, logits, objects)
        numbers[name] = {
            "loss": round(other.item(), 6),
            "difference": abs((other - value).item()),
            "gradient_difference": (slope - gradient).abs().max().item(),
            "largest_gradient": slope.abs().max().item(),
        }
    rounds = []
    for _ in range(setting.rounds):
        rounds.append({
            name: cpu_seconds(loss, logits, objects, times=10 if name == OURS else 1)
            for name, loss in losses.items()
        })  # fmt: skip
        print(
            {name: [round(t, 3) for t in times] for name, times in rounds[-1].items()}, flush=True
        )
    rows = {}
    for name in losses:
        forward, both = ([r[name][k] for r in rounds] for k in (0, 1))
        rows[name] = {
            "forward_seconds": round(statistics.median(forward), 4),
            "forward_and_backward_seconds": round(statistics.median(both), 4),
            "times_ours_forward": round(
                statistics.median(r[name][0] / r[OURS][0] for r in rounds), 1
            ),
            "times_ours": round(statistics.median(r[name][1] / r[OURS][1] for r in rounds), 1),
            "times_ours_spread": [
                round(f(r[name][1] / r[OURS][1] for r in rounds), 1) for f in (min, max)
            ],
            "memory_mib": None if setting.smoke else memory(name, setting),
            **numbers[name],
        }
    return rows


def memory(name: str, setting: Setting) -> float:
    """Return the mebibytes that one variant adds to the peak of a fresh process."""
    words = ["--alone", name, "--batch", str(setting.batch), "--size", str(setting.size)]
    if setting.authors is not None:
        words += ["--authors", str(setting.authors)]
    return round(float(run_module("scripts.benchmarks.objects", words)), 1)


def alone(name: str, setting: Setting) -> float:
    """Mebibytes that one variant adds to the peak of this process (Linux)."""
    logits, objects = problem(setting.batch, setting.size)
    small = problem(1, 16)
    loss = variants(setting.authors)[name]
    step(loss, *small)  # what the library itself loads at first use
    return added_memory(lambda: step(loss, logits, objects)) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--authors", type=Path, help="a checkout of sstary/SSRS, or its git directory"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "objects_benchmark.json")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    setting = Setting(args.authors, args.batch, args.size, args.rounds, args.smoke)
    if args.smoke:
        setting = replace(setting, batch=2, size=64, rounds=2)
    if args.alone:
        print(alone(args.alone, setting))
        return
    rows = measure(setting)
    content = {
        "question": "How much faster is the object loss without a loop over objects?",
        "setting": {
            "batch": setting.batch, "classes": 6, "pixels": setting.size, "objects": 48,
            "rounds": setting.rounds, "dtype": "float32", "needed": NEEDED,
        },
        "rows": rows,
        "provenance": {
            "command": "python -m scripts.benchmarks.objects --authors PATH",
            "commit": commit(ROOT, short=True),
            "authors": "https://github.com/sstary/SSRS, SAM_RS/utils.py, class ObjectLoss",
            "authors_commit": None if args.authors is None else authors(args.authors)[1],
            "time": now(),
            "hardware": f"{platform.machine()} CPU, 1 thread",
            "torch": torch.__version__,
            "python": platform.python_version(),
            "load_average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        },
    }  # fmt: skip
    if not args.smoke:
        write_text(args.out, json.dumps(content, indent=1) + "\n")
    for name, row in rows.items():
        print(f"{name:8s} {row['forward_and_backward_seconds']:.3f} s, {row['times_ours']:.1f} x ours, "
              f"{row['memory_mib']} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
