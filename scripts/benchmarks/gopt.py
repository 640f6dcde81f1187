"""Measure one grouping prompter: against a loop over groups, GroupViT's block, and weighted tokens in memory.

    python -m scripts.benchmarks.gopt                        ours against both ways of writing it out
    python -m scripts.benchmarks.gopt --groupvit CHECKOUT    GroupViT's own blocks beside it
    python -m scripts.benchmarks.gopt --smoke                small sizes, seconds; nothing is written

Forward and backward of one prompter at 1,024 tokens as in training: noise drawn, gradients of the weights and of
the RGB tokens. All ways hold the same weights, and before anything is timed their results are compared in
evaluation, which has no noise. One process runs them in turn, A, B, C, A, B, C, …; what counts is the median over
the turns of the ratio within a turn, in CPU seconds of one thread, so that other work on the machine does not count.
The process keeps the memory that it
has, as in the middle of a training. Memory is the growth of the peak resident size over two steps, in a fresh
process for each way that returns what it frees (Linux).

GroupViT (https://github.com/NVlabs/GroupViT, under a licence of its own) is no part of this repository: its
``models/group_vit.py`` is imported from a checkout, with its registry replaced by one that does nothing. It is
measured twice: its assignment against ours at its own width, with the same weights and tokens, and its whole
grouping block against our whole prompter on tokens of the same width.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.grouping import GroupAssignment, GroupingPrompter
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit, versions
from scripts.benchmarks.common import added_memory, now, run_module
from scripts.benchmarks.grouping_written_out import WAYS, assignment

GROUPING, GROUPING_LOOP = "our grouping alone", "loop over groups, grouping alone"
OURS, LOOP, STORED = "ours", "loop over groups", "weighted tokens materialised"
ASSIGNMENT, THEIR_ASSIGNMENT = "our assignment", "GroupViT's assignment"
BLOCK = "GroupViT's grouping block"
GROUPVIT_WIDTH = 384
"""Width of GroupViT's tokens in its published configuration."""
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""For times: glibc keeps what is freed, or every step would fetch its pages from the system anew."""
RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
"""For memory: glibc returns what is freed at once, so that the peak is that of the tensors in use."""


Way = tuple[list[Tensor], Callable[[], Tensor], Tensor]
"""What gets a gradient, the forward pass, and the gradient of its result."""


class Bench:
    """The sizes, and how each way is built."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.rgb = random(args.batch, args.tokens, args.width)
        self.patches = random(args.batch, args.tokens, args.width)
        self.classes = random(args.batch, args.groups, args.bottleneck)
        self.towards = random(args.batch, args.tokens, args.width)
        self.few = random(args.batch, args.tokens, args.bottleneck)
        self.wide_tokens = random(args.batch, args.tokens, GROUPVIT_WIDTH)
        self.wide_classes = random(args.batch, args.groups, GROUPVIT_WIDTH)
        self.class_tokens = random(args.batch, args.groups, args.width)

    def prompter(self) -> GroupingPrompter:
        """Our prompter, trained a little as it were: prompts are not zero."""
        torch.manual_seed(0)
        net = GroupingPrompter(self.args.width, 1, self.args.bottleneck)
        nn.init.normal_(net.cross.up.weight, std=0.1)
        return net

    def assignment(self) -> GroupAssignment:
        """Our assignment at GroupViT's width."""
        torch.manual_seed(0)
        return GroupAssignment(GROUPVIT_WIDTH)

    def their_assignment(self) -> nn.Module:
        """GroupViT's assignment with the weights of ours."""
        ours, theirs = (
            self.assignment(),
            groupvit(self.args.groupvit).AssignAttention(
                dim=GROUPVIT_WIDTH, num_heads=1, qkv_bias=True, hard=True, gumbel=True
            ),
        )
        names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "proj"}
        state = ours.state_dict().items()
        theirs.load_state_dict({f"{names[n.split('.')[0]]}.{n.split('.')[1]}": v for n, v in state})
        return theirs

    def their_block(self) -> nn.Module:
        """GroupViT's grouping block for tokens of our width."""
        torch.manual_seed(0)
        return groupvit(self.args.groupvit).GroupingBlock(
            dim=self.args.width,
            out_dim=self.args.width,
            num_heads=self.args.width // 64,
            num_group_token=self.args.groups,
            num_output_group=self.args.groups,
            norm_layer=nn.LayerNorm,
        )

    def ways(self, training: bool = True) -> dict[str, Way]:
        """Each way; gradients are wanted where training wants them.

        Args:
            training: With noise, or as in evaluation without.
        """
        net, rgb = self.prompter().train(training), self.rgb.clone().requires_grad_()
        classes = self.classes.clone().requires_grad_()
        given = (net, rgb, self.patches, classes)
        wanted = [*net.parameters(), rgb, classes]
        found: dict[str, Way] = {
            OURS: (wanted, lambda: net(rgb, [self.patches], [classes]).prompt, self.towards),
            LOOP: (wanted, lambda: WAYS[LOOP](*given), self.towards),
            STORED: (wanted, lambda: WAYS[STORED](*given), self.towards),
        }
        # what differs between ours and the loop; projections and joint attention left out
        own, few = net.uni[0].assignment, self.few.clone().requires_grad_()
        inner = [*own.parameters(), few, classes]
        found[GROUPING] = (inner, lambda: own(classes, few)[0], self.classes)
        found[GROUPING_LOOP] = (inner, lambda: assignment(own, classes, few, True), self.classes)
        if self.args.groupvit:
            nets = (self.assignment(), self.their_assignment(), self.their_block())
            ours, theirs, block = (made.train(training) for made in nets)
            tokens = self.wide_tokens.clone().requires_grad_()
            groups = self.wide_classes.clone().requires_grad_()

            def their() -> Tensor:
                # ours normalises within; in GroupViT the block around the assignment does
                normal = [F.layer_norm(x, x.shape[-1:]) for x in (groups, tokens)]
                return groups + theirs(*normal)[0]

            wide = self.class_tokens.clone().requires_grad_()
            inputs = [tokens, groups]
            found[ASSIGNMENT] = (
                [*ours.parameters(), *inputs],
                lambda: ours(groups, tokens)[0],
                self.wide_classes,
            )
            found[THEIR_ASSIGNMENT] = ([*theirs.parameters(), *inputs], their, self.wide_classes)
            found[BLOCK] = (
                [*block.parameters(), wide],
                lambda: block(self.patches, wide)[0],
                self.class_tokens,
            )
        return found


def groupvit(checkout: Path) -> Any:
    """Import ``models/group_vit.py`` of a checkout without the rest of its dependencies.

    Raises:
        FileNotFoundError: If the file is not there.
    """
    folder = checkout / "models"
    if not (folder / "group_vit.py").is_file():
        raise FileNotFoundError(
            f"{checkout}: expected a checkout of NVlabs/GroupViT with models/group_vit.py, found none; "
            "clone it and give its path."
        )
    if "groupvit" not in sys.modules:
        package, builder = types.ModuleType("groupvit"), types.ModuleType("groupvit.builder")
        package.__path__ = [str(folder)]
        registry = types.SimpleNamespace(register_module=lambda: lambda kind: kind)
        builder.MODELS = registry  # type: ignore[attr-defined]
        sys.modules |= {"groupvit": package, "groupvit.builder": builder}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports timm by an old name
        return importlib.import_module("groupvit.group_vit")


def step(wanted: list[Tensor], call: Callable[[], Tensor], towards: Tensor) -> None:
    """One forward and backward pass as in training, from a gradient that a loss would give."""
    torch.autograd.grad(call(), wanted, towards, allow_unused=True)


def agreement(bench: Bench) -> dict[str, float]:
    """Largest difference from ours over the largest value, in evaluation."""
    with torch.no_grad():
        results = {name: call() for name, (_, call, _) in bench.ways(training=False).items()}
    pairs = [(OURS, LOOP), (OURS, STORED), (GROUPING, GROUPING_LOOP)]
    if bench.args.groupvit:
        pairs.append((ASSIGNMENT, THEIR_ASSIGNMENT))
    return {
        other: ((results[own] - results[other]).abs().max() / results[own].abs().max()).item()
        for own, other in pairs
    }


def times(bench: Bench) -> dict[str, list[float]]:
    """CPU seconds of each way in each turn."""
    ways = bench.ways()
    for way in ways.values():
        step(*way)  # not counted
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(bench.args.turns):
        for name, way in ways.items():
            begin = time.process_time()
            step(*way)
            seconds[name].append(time.process_time() - begin)
    return seconds


def memory(bench: Bench, name: str) -> int:
    """Growth of the peak of this process over two steps of one way, bytes."""
    small = argparse.Namespace(**{**vars(bench.args), "batch": 1, "tokens": 16})
    way = Bench(small).ways()[name]
    step(*way)  # what PyTorch sets up once is no memory of the prompter
    way = bench.ways()[name]

    def twice() -> None:
        step(*way)
        step(*way)

    return added_memory(twice)


def child(args: argparse.Namespace, *work: str, **environment: str) -> Any:
    """Do one piece of work in a fresh process."""
    words = [*args.passed_on, "--work", *work]
    return json.loads(run_module("scripts.benchmarks.gopt", words, **environment))


def ratios(seconds: dict[str, list[float]], peaks: dict[str, int]) -> dict[str, float]:
    """How many times faster ours is, and its share of the memory."""

    def faster(ours: str, other: str) -> float:
        pairs = zip(seconds[other], seconds[ours], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 2)

    found = {
        "times faster than the loop over groups": faster(OURS, LOOP),
        "grouping alone: times faster than its loop over groups": faster(GROUPING, GROUPING_LOOP),
        "times faster than with weighted tokens materialised": faster(OURS, STORED),
        "share of the peak memory with weighted tokens materialised": round(
            peaks[OURS] / peaks[STORED], 3
        ),
    }
    if BLOCK in seconds:
        found["assignment: times faster than GroupViT's"] = faster(ASSIGNMENT, THEIR_ASSIGNMENT)
        found["prompter: times faster than GroupViT's grouping block"] = faster(OURS, BLOCK)
        found["assignment: share of GroupViT's peak memory"] = round(
            peaks[ASSIGNMENT] / peaks[THEIR_ASSIGNMENT], 3
        )
        found["prompter: share of the peak memory of GroupViT's grouping block"] = round(
            peaks[OURS] / peaks[BLOCK], 3
        )
    return found


def provenance(args: argparse.Namespace) -> dict[str, Any]:
    """Say where the figures come from."""
    found: dict[str, Any] = {
        "script": "scripts/benchmarks/gopt.py",
        "commit": commit(Path(__file__).parent),
        "time": now(),
        "hardware": platform.processor() or platform.machine(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "load_average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    if args.groupvit:
        found["groupvit"] = "https://github.com/NVlabs/GroupViT, models/group_vit.py"
        found["groupvit_commit"] = commit(args.groupvit) or "unknown (no git there)"
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--groupvit", type=Path, help="a checkout of NVlabs/GroupViT")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--width", type=int, default=768, help="of the frozen network's tokens")
    parser.add_argument("--groups", type=int, default=64)
    parser.add_argument("--bottleneck", type=int, default=24)
    parser.add_argument("--turns", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="small sizes, two turns")
    parser.add_argument("--out", type=Path, default=Path("book/results/gopt_benchmark.json"))
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    if args.smoke:
        args.batch, args.tokens, args.width, args.groups, args.turns = 1, 64, 64, 8, 2
    bench = Bench(args)
    if args.work:
        what, *rest = args.work
        print(json.dumps(times(bench) if what == "times" else memory(bench, *rest)))
        return
    args.passed_on = arguments
    table: dict[str, Any] = {"provenance": provenance(args)}
    table["setting"] = {
        "batch": args.batch,
        "tokens": args.tokens,
        "width": args.width,
        "bottleneck": args.bottleneck,
        "groups": args.groups,
        "GroupViT's width": GROUPVIT_WIDTH,
        "turns": args.turns,
        "seconds": "CPU seconds of one forward and backward pass, freed memory kept by the process",
        "ratios": "median over the turns of the ratio within a turn",
        "bytes": "growth of the peak while working, fresh process each",
        "machine": "shared and busy with other work: ratios only, absolute seconds are not to be quoted",
    }
    table["largest_difference_over_largest"] = agreement(bench)
    seconds = child(args, "times", **KEPT)
    peaks = {name: child(args, "memory", name, **RETURNED) for name in seconds}
    table["median_seconds"] = {n: round(statistics.median(s), 5) for n, s in seconds.items()}
    table["seconds"] = {n: [round(x, 5) for x in s] for n, s in seconds.items()}
    table["bytes"] = peaks
    table["ratios"] = ratios(seconds, peaks)
    for name, value in table["largest_difference_over_largest"].items():
        print(f"{name:32} differs by {value:.1e}")
    for name, value in table["median_seconds"].items():
        print(f"{name:32} {1e3 * value:8.2f} ms {peaks[name] / 1e6:8.1f} MB")
    for name, value in table["ratios"].items():
        print(f"{name:70} {value}")
    if not args.smoke:
        write_text(args.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
