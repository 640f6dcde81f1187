"""Measure the selective scan: against a loop, a custom function and mambapy, and over the length.

    python -m scripts.benchmarks.scan               ours beside the loop and the custom function
    python -m scripts.benchmarks.scan --smoke       small sizes, seconds; nothing is written

Forward and backward of one scan on the CPU at batch 1, 2,050 tokens, 128 channels and 16 states, in single precision.
If the package ``mambapy`` is installed, its parallel scan stands beside. All ways get the same tensors, and before
anything is timed their outputs and gradients are compared. One process runs them in turn; what counts is the
median over the turns of the ratio within a turn, in CPU seconds of one thread, so that other work on the machine
does not count. The loop that indexes whole sequences takes about a minute a turn and gets few. Memory is the
growth of the peak resident size, in a fresh process for each way (Linux). The sweep over the length measures
our scan beside attention of 128 channels in four heads.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.nets.layers.scan_compiled import kernel
from mfnet_lite.nets.layers.state_space_scan import selective_scan, selective_scan_steps
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit, versions
from scripts.benchmarks.common import added_memory, now, run_module

COMPILED, SEGMENTS, UNBOUND = "ours, compiled", "ours, segments", "loop over unbound tokens"
INDEXED, FUNCTION, MAMBAPY = "loop that indexes", "custom function", "mambapy"
HEADS = 4
LENGTHS = tuple(2**k for k in range(8, 17))
LONGEST_ATTENTION = 2**13
"""Attention is measured up to this length: beyond, a step takes minutes."""
RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
"""For memory: glibc returns what is freed at once, so that the peak is that of the tensors in use."""

Scan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def indexed(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The recurrence with an index into the whole sequence at every step, as one writes it first."""
    decay = torch.exp(delta[..., None] * A[:, None])
    taken = (delta * u)[..., None] * B.mT[:, None]
    h, outputs = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[-1]):
        h = decay[:, :, t] * h + taken[:, :, t]
        outputs.append((h * C[:, None, :, t]).sum(dim=-1))
    return torch.stack(outputs, dim=-1)


class _Function(torch.autograd.Function):
    """Two loops over the tokens, without a graph: forwards, and backwards on the stored states."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        rows = [x.permute(2, 0, 1).contiguous() for x in (u, delta, B, C)]
        u_, delta_, B_, C_ = rows
        decay = torch.exp(delta_[..., None] * A)
        h = (delta_ * u_)[..., None] * B_[:, :, None]
        for t in range(1, len(h)):
            h[t].addcmul_(decay[t], h[t - 1])
        ctx.save_for_backward(*rows, A, decay, h)
        return torch.einsum("tbdn,tbn->bdt", h, C_)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, ...]:
        u, delta, B, C, A, decay, h = ctx.saved_tensors
        dy = dy.permute(2, 0, 1).contiguous()
        g = dy[..., None] * C[:, :, None]
        for t in range(len(g) - 2, -1, -1):
            g[t].addcmul_(decay[t + 1], g[t + 1])
        of_exponent = g[1:] * h[:-1] * decay[1:]
        of_exponent = torch.cat([torch.zeros_like(g[:1]), of_exponent])
        by_input = torch.einsum("tbdn,tbn->tbd", g, B)
        gradients = (
            by_input * delta,
            by_input * u + (of_exponent * A).sum(-1),
            (of_exponent * delta[..., None]).sum((0, 1)),
            torch.einsum("tbdn,tbd->tbn", g, delta * u),
            torch.einsum("tbdn,tbd->tbn", h, dy),
        )
        du, ddelta, dA, dB, dC = gradients
        return (
            du.permute(1, 2, 0),
            ddelta.permute(1, 2, 0),
            dA,
            dB.permute(1, 2, 0),
            dC.permute(1, 2, 0),
        )


def mambapy(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The parallel scan of mambapy, on the tensors that its block makes for it."""
    from mambapy.pscan import pscan

    u, delta, B, C = (x.mT for x in (u, delta, B, C))
    decay = torch.exp(delta[..., None] * A)
    h = pscan(decay, delta[..., None] * B[:, :, None] * u[..., None])
    return (h @ C[..., None])[..., 0].mT


def ways() -> dict[str, Scan]:
    """What is measured here."""
    found: dict[str, Scan] = {
        SEGMENTS: lambda *x: selective_scan(*x, backend="segments"),
        UNBOUND: lambda *x: selective_scan_steps(*x)[0],
        INDEXED: indexed,
        FUNCTION: _Function.apply,
    }
    if kernel() is not None:
        found = {COMPILED: lambda *x: selective_scan(*x, backend="compiled")} | found
    if importlib.util.find_spec("mambapy"):
        found[MAMBAPY] = mambapy
    return found


def tensors(batch: int, length: int, channels: int, states: int) -> list[Tensor]:
    """Inputs of a scan, as they are in a block of Mamba."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    delta = torch.rand(batch, channels, length, generator=generator) * 0.1
    A = -torch.arange(1.0, states + 1).expand(channels, -1).contiguous()
    per_state = (batch, states, length)
    made = [draw(batch, channels, length), delta, A, draw(*per_state), draw(*per_state)]
    return [x.requires_grad_() for x in made]


def step(scan: Scan, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Forward and backward."""
    y = scan(*inputs)
    return (y, *torch.autograd.grad(y, inputs, torch.ones_like(y)))


def agreement(size: tuple[int, ...]) -> dict[str, float]:
    """Largest difference of outputs and gradients from the recurrence, each over its largest value."""
    inputs, found = tensors(*size), ways()
    expected = step(found[UNBOUND], inputs)
    return {
        name: max(
            ((a - b).abs().max() / b.abs().max()).item()
            for a, b in zip(step(scan, inputs), expected, strict=True)
        )
        for name, scan in found.items()
        if name not in (UNBOUND, INDEXED)
    }


def times(size: tuple[int, ...], turns: int, slow: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each turn; the loop that indexes takes part in the first ``slow`` ones."""
    inputs, found = tensors(*size), ways()
    for name, scan in found.items():
        if name != INDEXED:
            step(scan, inputs)  # not counted
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for turn in range(turns):
        for name, scan in found.items():
            if name == INDEXED and turn >= slow:
                continue
            begun = time.process_time()
            step(scan, inputs)
            seconds[name].append(time.process_time() - begun)
    return seconds


def memory(name: str, size: tuple[int, ...]) -> int:
    """Growth of the peak of this process in one step of one way, bytes."""
    scan = ways()[name]
    step(scan, tensors(1, 16, 4, 4))  # what is set up once is no memory of the scan
    inputs = tensors(*size)
    return added_memory(lambda: step(scan, inputs))


def attention(x: Tensor) -> Tensor:
    """Attention of every token to every token."""
    heads = x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
    return F.scaled_dot_product_attention(heads, heads, heads)


def sweep(lengths: tuple[int, ...], channels: int, states: int, turns: int) -> list[dict[str, Any]]:
    """CPU microseconds per token, forward and backward, against the length."""
    scan, rows = next(iter(ways().values())), []
    for length in lengths:
        inputs = tensors(1, length, channels, states)
        x = torch.randn(1, length, channels, requires_grad=True)
        row: dict[str, Any] = {"length": length}
        for name, call in (
            ("scan", lambda inputs=inputs: step(scan, inputs)),
            ("attention", lambda x=x: torch.autograd.grad(attention(x).sum(), [x])),
        ):
            if name == "attention" and length > LONGEST_ATTENTION:
                continue
            call()
            seconds = []
            for _ in range(turns):
                begun = time.process_time()
                call()
                seconds.append(time.process_time() - begun)
            row[name] = round(1e6 * statistics.median(seconds) / length, 3)
        rows.append(row)
    return rows


def child(arguments: list[str], *work: str, **environment: str) -> Any:
    """Do one piece of work in a fresh process."""
    words = [*arguments, "--work", *work]
    return json.loads(run_module("scripts.benchmarks.scan", words, **environment))


def ratios(seconds: dict[str, list[float]], peaks: dict[str, int]) -> dict[str, float]:
    """How many times faster ours are than the others, and their shares of the memory."""
    found = {}
    for own in (COMPILED, SEGMENTS):
        for other in (INDEXED, UNBOUND, FUNCTION, MAMBAPY):
            if own in seconds and other in seconds:
                pairs = zip(seconds[other], seconds[own], strict=False)
                found[f"{own}: times faster than {other}"] = round(
                    statistics.median(a / b for a, b in pairs), 1
                )
                if peaks.get(other):
                    found[f"{own}: share of the peak memory of {other}"] = round(
                        peaks[own] / peaks[other], 3
                    )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--length", type=int, default=2050)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--slow-turns", type=int, default=3, help="of the loop that indexes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="small sizes, two turns")
    parser.add_argument("--out", type=Path, default=Path("book/results/scan_benchmark.json"))
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    lengths = LENGTHS
    if args.smoke:
        args.length, args.channels, args.states, args.turns, args.slow_turns = 40, 4, 4, 2, 1
        lengths = (16, 32)
    size = (args.batch, args.length, args.channels, args.states)
    if args.work:
        what, *rest = args.work
        work: dict[str, Callable[[], Any]] = {
            "times": lambda: times(size, args.turns, args.slow_turns),
            "memory": lambda: memory(*rest, size),
            "sweep": lambda: sweep(lengths, args.channels, args.states, args.turns),
        }
        print(json.dumps(work[what]()))
        return
    table: dict[str, Any] = {
        "provenance": {
            "script": "scripts/benchmarks/scan.py",
            "commit": commit(Path(__file__).parent),
            "time": now(),
            "hardware": platform.processor() or platform.machine(),
            "versions": versions() | ({"mambapy": version("mambapy")} if MAMBAPY in ways() else {}),
            "threads": torch.get_num_threads(),
            "load_average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        },
        "setting": {
            "batch": args.batch,
            "length": args.length,
            "channels": args.channels,
            "states": args.states,
            "turns": args.turns,
            "turns of the loop that indexes": args.slow_turns,
            "seconds": "CPU seconds of one forward and backward pass",
            "ratios": "median over the turns of the ratio within a turn",
            "bytes": "growth of the peak while working, fresh process each",
            "sweep": "CPU microseconds per token, forward and backward, against the length",
        },
    }
    table["largest_difference_over_largest"] = agreement(size)
    seconds = child(arguments, "times")
    peaks = {n: child(arguments, "memory", n, **RETURNED) for n in seconds if n != INDEXED}
    table["median_seconds"] = {n: round(statistics.median(s), 5) for n, s in seconds.items()}
    table["seconds"] = {n: [round(x, 5) for x in s] for n, s in seconds.items()}
    table["bytes"] = peaks
    table["ratios"] = ratios(seconds, peaks)
    table["sweep"] = child(arguments, "sweep")
    for name, value in table["largest_difference_over_largest"].items():
        print(f"{name:26} differs by {value:.1e}")
    for name, value in table["median_seconds"].items():
        print(f"{name:26} {1e3 * value:10.2f} ms {peaks.get(name, float('nan')) / 1e6:8.1f} MB")
    for name, value in table["ratios"].items():
        print(f"{name:70} {value}")
    for row in table["sweep"]:
        print(row)
    if not args.smoke:
        write_text(args.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
