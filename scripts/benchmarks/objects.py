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
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses import object_consistency
from mfnet_lite.losses.object_consistency import OFFICIAL
from mfnet_lite.utils.files import write_text

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "book" / "results" / "objects_benchmark.json"
FILE = "SAM_RS/utils.py"
AUTHORS, LOOP, OURS = "authors", "loop", "ours"
NEEDED = 20.0
"""Times faster than a loop that the project asks of itself."""

Loss = Callable[[Tensor, Tensor], Tensor]


def loop(
    logits: Float[Tensor, "batch classes height width"], objects: Int[Tensor, "batch height width"]
) -> Float[Tensor, ""]:
    """The authors' loss from its formula (fact sheet of SAM_RS, section 4), one object after the other."""
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
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return names["ObjectLoss"](), head.stdout.strip()


def problem(batch: int, size: int, classes: int = 6, across: int = 7) -> tuple[Tensor, Tensor]:
    """Logits and ``across ** 2 - 1`` objects in each image, as of the fact sheet's number O7."""
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


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Compare numbers, then take turns."""
    logits, objects = problem(args.batch, args.size)
    losses = variants(args.authors)
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
    for _ in range(args.rounds):
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
            "memory_mib": None if args.smoke else memory(name, args),
            **numbers[name],
        }
    return rows


def memory(name: str, args: argparse.Namespace) -> float:
    """Growth of the peak resident size over one forward and backward pass, in a fresh process."""
    command = [sys.executable, "-m", "scripts.benchmarks.objects", "--alone", name]
    command += ["--batch", str(args.batch)]
    command += ["--size", str(args.size)]
    if args.authors is not None:
        command += ["--authors", str(args.authors)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(float(done.stdout), 1)


def alone(name: str, args: argparse.Namespace) -> float:
    """Mebibytes that one variant adds to the peak of this process (Linux)."""
    logits, objects = problem(args.batch, args.size)
    small = problem(1, 16)
    loss = variants(args.authors)[name]
    step(loss, *small)  # what the library itself loads at first use
    before = peak()
    step(loss, logits, objects)
    return peak() - before


def peak() -> float:
    """Peak resident size of this process in mebibytes (what getrusage says is inherited from the parent)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the peak size of a process; measure on Linux")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--authors", type=Path, help="a checkout of sstary/SSRS, or its git directory"
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.alone:
        print(alone(args.alone, args))
        return
    if args.smoke:
        args.batch, args.size, args.rounds = 2, 64, 2
    rows = measure(args)
    here = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    content = {
        "question": "How much faster is the object loss without a loop over objects?",
        "setting": {
            "batch": args.batch, "classes": 6, "pixels": args.size, "objects": 48,
            "rounds": args.rounds, "dtype": "float32", "needed": NEEDED,
        },
        "rows": rows,
        "provenance": {
            "command": "python -m scripts.benchmarks.objects --authors PATH",
            "commit": here.stdout.strip(),
            "authors": "https://github.com/sstary/SSRS, SAM_RS/utils.py, class ObjectLoss",
            "authors_commit": None if args.authors is None else authors(args.authors)[1],
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
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
