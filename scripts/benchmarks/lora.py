"""Measure LoRA beside peft's, and what importing costs beside the packages that users know.

    python -m scripts.benchmarks.lora            small SAM and ViT-B blocks; minutes
    python -m scripts.benchmarks.lora --smoke    seconds; nothing is written

Both put a LoRA of rank 4 on the same linear layers of SAM's image encoder, the fused layer of queries, keys and
values and the two of every MLP, with the same A and B; outputs and gradients are compared before anything is timed. A
step is a forward pass, a mean of squares, a backward pass and SGD on two images. ``qv`` is what only ours can:
updates of queries and values alone inside the fused layer. One process runs the ways in turn; what counts is the
median over the turns of the ratio within a turn, in CPU seconds of one thread. Memory is the growth of the peak
resident size over two steps, in a fresh process for each way (Linux). Imports: CPU seconds of a process that imports
and does nothing else, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.tuning import attach_lora
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import versions
from scripts.benchmarks.common import (
    RESULTS,
    added_memory,
    now,
    one_thread,
    run_module,
    working_tree,
)

OURS, PEFT, OURS_QV = "ours", "peft", "ours, queries and values alone"
TARGETS = ("qkv", "mlp.lin1", "mlp.lin2")
RANK = 4
IMPORTS = {
    "mfnet_lite": "import mfnet_lite",
    "mfnet_lite, MFNet": "from mfnet_lite.nets import MFNet",
    "torch": "import torch",
    "segment_anything": "import segment_anything",
    "peft": "import peft",
    "timm": "import timm",
}
"""What is imported, alone in a fresh process."""


def encoder(size: int) -> nn.Module:
    """The image encoder of the packaged small SAM, frozen."""
    sam = load_sam("tiny", image_size=size, device="cpu")
    return sam.image_encoder.requires_grad_(False).train()  # type: ignore[no-any-return]


def tuned(name: str, size: int) -> nn.Module:
    """The encoder with LoRA; B is not zero, so that A has a gradient, too."""
    net = encoder(size)
    if name == PEFT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its imports say of each other
            from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(TARGETS))
        net = inject_adapter_in_model(config, net)
    else:
        attach_lora(net, TARGETS, RANK, fused=False if name == OURS else None)
    generator = torch.Generator().manual_seed(0)
    for parameter in trained(net):
        # in the order of the layers A, B, A, B, … on both sides
        with torch.no_grad():
            parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    return net


def trained(net: nn.Module) -> list[nn.Parameter]:
    """Return what an optimiser moves."""
    return [p for p in net.parameters() if p.requires_grad]


def step(net: nn.Module, images: Tensor) -> Tensor:
    """One step of training; the loss."""
    loss: Tensor = net(images).square().mean()
    loss.backward()
    with torch.no_grad():
        for parameter in trained(net):
            assert parameter.grad is not None
            parameter -= 1e-6 * parameter.grad
            parameter.grad = None
    return loss.detach()


def inputs(size: int) -> Tensor:
    """Two images."""
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def agreement(size: int) -> dict[str, float]:
    """Largest differences of outputs and gradients, over the largest value."""
    outputs, gradients = {}, {}
    for name in (OURS, PEFT):
        net, images = tuned(name, size), inputs(size)
        output = net(images)
        found = torch.autograd.grad(output.square().mean(), trained(net))
        outputs[name], gradients[name] = output.detach(), torch.cat([g.flatten() for g in found])
    return {
        what: float((both[OURS] - both[PEFT]).abs().max() / both[PEFT].abs().max())
        for what, both in (("outputs", outputs), ("gradients", gradients))
    }


def seconds(size: int, turns: int) -> dict[str, list[float]]:
    """CPU seconds of a step of each way in each turn."""
    nets = {name: tuned(name, size) for name in (OURS, PEFT, OURS_QV)}
    images = inputs(size)
    for net in nets.values():
        step(net, images)  # not counted
    found: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(turns):
        for name, net in nets.items():
            begin = time.process_time()
            step(net, images)
            found[name].append(round(time.process_time() - begin, 4))
    return found


def memory(name: str, size: int) -> int:
    """Bytes that two steps add to the peak of this process."""
    net, images = tuned(name, size), inputs(size)
    return added_memory(lambda: [step(net, images) for _ in range(2)])


def import_seconds(turns: int) -> dict[str, list[float]]:
    """CPU seconds of processes that import; the first round fills caches and is not counted."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for turn in range(turns + 1):
        for name, words in IMPORTS.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", words],
                check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            )  # fmt: skip
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn:
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                found[name].append(round(used, 3))
    return found


def compared(times: dict[str, list[float]], name: str) -> dict[str, Any]:
    """Sum up how many times as long another way takes as ours."""
    ratios = [a / b for a, b in zip(times[name], times[OURS], strict=True)]
    return {
        "seconds": times[name],
        "times_ours": round(statistics.median(ratios), 2),
        "times_ours_spread": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="side of the images")
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--out", type=Path, default=RESULTS / "lora_benchmark.json")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    size, turns = (64, 1) if args.smoke else (args.size, args.turns)
    if args.alone:
        print(memory(args.alone, args.size))
        return
    same = agreement(size)
    times = seconds(size, turns)
    grown = {
        name: int(run_module("scripts.benchmarks.lora", ["--alone", name, "--size", str(size)]))
        for name in times
    }
    imported = import_seconds(1 if args.smoke else 5)
    content = {
        "question": "What does a step with LoRA cost beside peft's, and an import beside others?",
        "setting": {
            "encoder": "small SAM", "size": size, "images": 2, "rank": RANK, "targets": TARGETS, "turns": turns,
        },
        "largest_difference": same,
        "step": {name: compared(times, name) for name in times},
        "added_bytes": grown,
        "import_seconds": {name: round(statistics.median(t), 3) for name, t in imported.items()},
        "import_seconds_spread": {name: [min(t), max(t)] for name, t in imported.items()},
        "provenance": {
            "script": "scripts/benchmarks/lora.py",
            "commit": working_tree(),
            "time": now(),
            "hardware": one_thread(),
            "versions": versions() | {name: version(name) for name in ("peft", "timm")},
        },
    }  # fmt: skip
    if not args.smoke:
        write_text(args.out, json.dumps(content, indent=1) + "\n")
    for name, row in content["step"].items():  # type: ignore[attr-defined]
        print(f"{name}: {row['times_ours']} x our time, {grown[name] / 2**20:.0f} MiB")
    print("differences", same)
    print("import, CPU seconds", content["import_seconds"])


if __name__ == "__main__":
    main()
