"""Measure our MFNet beside the authors' and beside two branches run in turn.

    python -m scripts.benchmarks.mfnet --authors PATH         the full table: ViT-B at 256 pixels, minutes
    python -m scripts.benchmarks.mfnet --smoke                a small encoder, seconds; nothing is written
    python -m scripts.benchmarks.mfnet --authors PATH --device cuda --precision bf16 --compile --out OUT.json

All variants hold the same weights. One process times a training step (forward, cross-entropy, backward,
SGD) and an inference of each in turn, A, B, C, A, B, C, …; what counts is the median over the rounds of the
ratio within a round, so that a machine whose speed drifts does no harm. On a CPU seconds are CPU seconds of
one thread, so that other work on the machine does not count. The same process compares the logits.
Where the processor multiplies bfloat16, ours is measured with ``--precision bf16-mixed`` of ``mfnet-lite
train``, too, beside the authors' single precision. Operations are counted on tensors without storage.
Memory is measured in a fresh process per variant: the weights, plus on a CPU the growth of the peak
resident size over two steps (Linux), on a GPU the allocator's peak.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from mfnet_lite.nets import MFNet
from mfnet_lite.sam import VIT_B, build_sam
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.number_formats import multiplies_bfloat16
from scripts.benchmarks.common import RESULTS, added_memory, run_module
from scripts.benchmarks.in_turn import InTurn
from scripts.parity.authors_mfnet import build_authors, build_ours, provenance

AUTHORS, IN_TURN, OURS, CHECKPOINTED, COMPILED, HALF, HALF_CHECKPOINTED = (
    "authors",
    "in turn",
    "ours",
    "ours, checkpointed",
    "ours, compiled",
    "ours, bf16-mixed",
    "ours, bf16-mixed, checkpointed",
)
HALVES = (HALF, HALF_CHECKPOINTED)
PHASES = ("train", "inference")
SMALL = replace(VIT_B, width=96, depth=3, heads=4, global_blocks=(2,))
CLASSES = 6


@dataclass(frozen=True)
class Setting:
    """What is measured; each field is an option of the command line.

    Attributes:
        authors: A checkout of the authors' repository; without one their network is left out.
        batch: Pairs of a batch.
        size: Side of an image in pixels.
        rounds: How often the variants take turns.
        threads: Of a CPU.
        device: ``"cpu"`` or ``"cuda"``.
        precision: ``"fp32"`` or ``"bf16"``.
        compile: Whether ours is measured through torch.compile as well.
        smoke: Whether the encoder is small.
    """

    authors: Path | None = None
    batch: int = 2
    size: int = 256
    rounds: int = 5
    threads: int = 1
    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False
    smoke: bool = False

    def words(self) -> list[str]:
        """Return the setting as words of the command line."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is True:
                words.append(f"--{field.name}")
            elif value is not None and value is not False:
                words += [f"--{field.name}", str(value)]
        return words


class Bench:
    """One setting: the images, and how each variant is built, trained by a step and evaluated."""

    def __init__(self, setting: Setting, tuning: str) -> None:
        self.setting, self.tuning = setting, tuning
        self.config = SMALL if setting.smoke else VIT_B
        self.device = torch.device(setting.device)
        generator = torch.Generator().manual_seed(0)
        shape = (setting.batch, 4, setting.size, setting.size)
        bands = torch.rand(shape, generator=generator).to(self.device)
        self.sample = {"optical": bands[:, :3], "dsm": bands[:, 3:]}
        label = torch.randint(
            CLASSES, (setting.batch, setting.size, setting.size), generator=generator
        )
        self.label = label.to(self.device)

    def variants(self) -> list[str]:
        """Names of what is compared."""
        names = [AUTHORS] if self.setting.authors else []
        names += [IN_TURN, OURS, CHECKPOINTED, *([COMPILED] if self.setting.compile else [])]
        mixed = self.setting.precision == "fp32" and multiplies_bfloat16(self.device)
        return [*names, *(HALVES if mixed else ())]

    def networks(self) -> dict[str, nn.Module]:
        """Build every variant with the same weights; frozen ones are shared within ours."""
        found: dict[str, nn.Module] = {}
        if self.setting.authors:
            found[AUTHORS] = build_authors(self.setting.authors, self.tuning, self.config, CLASSES)
            ours = build_ours(found[AUTHORS], self.tuning, self.config, CLASSES)
        else:
            ours = self.random()
        for name in self.variants():
            if name != AUTHORS:
                shared = {id(p): p for p in ours.parameters() if not p.requires_grad}
                found[name] = self.variant(name, copy.deepcopy(ours, shared))
        return {name: found[name].to(self.device) for name in self.variants()}

    def random(self) -> MFNet:
        """Our network with random weights, the additions' included."""
        torch.manual_seed(0)
        sam = build_sam(self.config, seed=0)
        net = MFNet(sam, CLASSES, tuning=self.tuning, official=True)
        for name, parameter in net.named_parameters():
            if name.endswith("lora_b"):
                nn.init.normal_(parameter, 0, 0.05)
        return net

    def variant(self, name: str, ours: MFNet) -> nn.Module:
        """Turn our network into one of its variants."""
        ours.encoder.checkpointing = name in (CHECKPOINTED, HALF_CHECKPOINTED)
        for module in ours.modules():
            if isinstance(module, nn.Dropout2d):
                module.p = 0.0
        if name == COMPILED:
            return torch.compile(ours)
        return InTurn(ours) if name == IN_TURN else ours

    def alone(self, name: str) -> nn.Module:
        """Build one variant and nothing else; its values do not matter."""
        if name == AUTHORS:
            net = build_authors(self.setting.authors, self.tuning, self.config, CLASSES)
        else:
            net = self.variant(name, self.random())
        return net.to(self.device)

    def flops(self, name: str) -> int:
        """Floating-point operations of one pair's forward pass (two per multiplication and addition)."""
        net = self.alone(name).to("meta").eval()
        pair = {sensor: bands[:1].to("meta") for sensor, bands in self.sample.items()}
        with FlopCounterMode(display=False) as counter:
            self.forward(name, net, pair)
        return counter.get_total_flops()

    def logits(self, name: str, net: nn.Module) -> Tensor:
        """Return the logits of a variant for the images, in the precision that is measured."""
        kind = torch.bfloat16 if self.setting.precision == "bf16" or name in HALVES else None
        with torch.autocast(self.device.type, dtype=kind, enabled=kind is not None):
            return self.forward(name, net, self.sample)

    def forward(self, name: str, net: nn.Module, sample: dict[str, Tensor]) -> Tensor:
        """Run a variant; the authors' takes the sensors one by one, the elevation without bands."""
        if name == AUTHORS:
            return net(sample["optical"], sample["dsm"][:, 0])
        return net(sample)

    def work(self, name: str, net: nn.Module, phase: str) -> Callable[[], None]:
        """Return a call that does one training step or one inference."""
        trained = [p for p in net.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=5e-4)

        def train() -> None:
            net.train()
            optimizer.zero_grad()
            F.cross_entropy(self.logits(name, net).float(), self.label).backward()
            optimizer.step()

        def infer() -> None:
            net.eval()
            with torch.no_grad():
                self.logits(name, net)

        return train if phase == "train" else infer

    def seconds(self, call: Callable[[], None]) -> float:
        """Time one call: CPU seconds, or on a GPU seconds until it is done."""
        if self.device.type == "cpu":
            begin = time.process_time()
            call()
            return time.process_time() - begin
        torch.cuda.synchronize()
        begin = time.perf_counter()
        call()
        torch.cuda.synchronize()
        return time.perf_counter() - begin


def times(bench: Bench) -> dict[str, Any]:
    """Compare the logits of all variants, then time them in turn."""
    nets = bench.networks()
    names = list(nets)
    with torch.no_grad():
        logits = {name: bench.logits(name, nets[name].eval()).float() for name in names}
    reference = logits[names[0]]
    scale = reference.abs().max()
    equality = {n: ((logits[n] - reference).abs().max() / scale).item() for n in names[1:]}
    seconds: dict[str, dict[str, list[float]]] = {p: {n: [] for n in names} for p in PHASES}
    for phase in PHASES:
        # Checkpointing is a matter of training only.
        measured = [n for n in names if phase == "train" or not n.endswith("checkpointed")]
        calls = {name: bench.work(name, nets[name], phase) for name in measured}
        for name in measured:  # not counted: caches, compilation, momentum
            calls[name]()
        for _ in range(bench.setting.rounds):
            for name in measured:
                seconds[phase][name].append(bench.seconds(calls[name]))
        seconds[phase] = {name: seconds[phase][name] for name in measured}
    return {"reference": names[0], "largest_difference_over_largest": equality, "seconds": seconds}


def memory(bench: Bench, name: str, phase: str) -> dict[str, int]:
    """Measure the peak of one variant in this process, bytes: weights, and what working adds."""
    net = bench.alone(name)
    call = bench.work(name, net, phase)
    model = sum(t.nbytes for t in (*net.parameters(), *net.buffers()))
    if bench.device.type != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        call()
        return {"model": model, "added": torch.cuda.max_memory_allocated() - before}
    return {"model": model, "added": added_memory(lambda: (call(), call()))}


def ratios(found: dict[str, Any], ours: str = OURS) -> dict[str, dict[str, float]]:
    """Return how many times faster and how much smaller one of ours is than every other variant."""
    table: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        seconds, peaks = found["seconds"][phase], found["bytes"][phase]
        for name in seconds if ours in seconds else ():
            if name == ours:
                continue
            row = table.setdefault(name, {})
            turns = [a / b for a, b in zip(seconds[name], seconds[ours], strict=True)]
            row[f"{phase}: times faster"] = statistics.median(turns)
            row[f"{phase}: times faster, least"] = min(turns)
            row[f"{phase}: times faster, most"] = max(turns)
            row[f"{phase}: share of peak memory"] = sum(peaks[ours].values()) / sum(
                peaks[name].values()
            )
    return table


def measure(setting: Setting, tuning: str) -> dict[str, Any]:
    """Measure all variants under one tuning."""
    bench = Bench(setting, tuning)

    def fresh(*work: str) -> dict[str, Any]:
        words = [*setting.words(), "--work", tuning, *work]
        return json.loads(run_module("scripts.benchmarks.mfnet", words))

    found = fresh("times")
    found["bytes"] = {
        phase: {name: fresh("memory", name, phase) for name in names}
        for phase, names in found["seconds"].items()
    }
    found["operations"] = {
        n: bench.flops(n) for n in (AUTHORS, IN_TURN, OURS) if n in found["seconds"]["train"]
    }
    found["ours against"] = ratios(found)
    for name in HALVES:
        if name in found["seconds"]["train"]:
            found[f"{name} against"] = {
                other: row
                for other, row in ratios(found, name).items()
                if other in (AUTHORS, IN_TURN, OURS)
            }
    print(f"\n{tuning}: largest difference of logits from {found['reference']}, over the largest:")
    for name, error in found["largest_difference_over_largest"].items():
        print(f"  {name:20} {error:.1e}")
    for name, count in found["operations"].items():
        print(f"  {name:20} {count / 1e9:.2f} G operations for one pair")
    for phase in PHASES:
        for name, seconds in found["seconds"][phase].items():
            peak = sum(found["bytes"][phase][name].values()) / 1e9
            row = found["ours against"].get(name, {})
            comparison = "".join(
                f", {k.split(': ')[1]} {v:.2f}"
                for k, v in row.items()
                if phase in k and not k.endswith(("least", "most"))
            )
            print(
                f"  {phase:10} {name:20} {statistics.median(seconds):7.2f} s {peak:6.2f} GB{comparison}"
            )
    assert set(found["seconds"]["train"]) == set(bench.variants())
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--authors", type=Path, help="a checkout of the authors' repository")
    parser.add_argument("--tunings", default="mmlora,mmadapter", help="comma-separated")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument(
        "--compile", action="store_true", help="measure ours through torch.compile, too"
    )
    parser.add_argument("--smoke", action="store_true", help="a small encoder, one round")
    parser.add_argument("--out", type=Path, default=RESULTS / "mfnet_benchmark.json")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    setting = Setting(**{field.name: getattr(args, field.name) for field in fields(Setting)})
    if args.smoke:
        setting = replace(setting, rounds=1)
    if args.work:
        tuning, what, *rest = args.work
        bench = Bench(setting, tuning)
        print(json.dumps(times(bench) if what == "times" else memory(bench, *rest)))
        return
    origin = provenance("benchmarks/mfnet.py", args.authors)
    results = {tuning: measure(setting, tuning) for tuning in args.tunings.split(",")}
    if args.smoke:
        return
    described = {
        "encoder": "ViT-B, random weights",
        "pictures": f"{args.batch} pairs of {args.size} × {args.size} pixels, random",
        "precision": args.precision,
        "device": args.device if args.device == "cpu" else torch.cuda.get_device_name(),
        "rounds": setting.rounds,
        "seconds": "CPU seconds" if args.device == "cpu" else "wall seconds until done",
        "ratios": "median over the rounds of the ratio within a round",
        "bytes": "model: weights and buffers; added: growth of the peak while working, fresh process each",
        "machine": "shared and busy with other work: ratios only, absolute seconds are not to be quoted",
    }
    table = {"provenance": origin, "setting": described}
    write_text(args.out, json.dumps({**table, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
