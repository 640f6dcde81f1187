"""Measure the second stage of EarthGPT and greedy answers with a real language model, against plain transformers.

    python -m scripts.benchmarks.earthgpt            SmolLM2-135M; minutes
    python -m scripts.benchmarks.earthgpt --smoke    the tiny model, seconds; nothing is written

Both sides have the same weights, dialogues and visual tokens, which are given. Plain is what one writes first: the
model of transformers in float32, ``s * (layer(x) + b)`` around every linear layer, ``model(inputs_embeds, labels=…)``,
``generate``. Ours keeps what is frozen in bfloat16 and runs through ``mfnet_lite.language``. One process runs the ways
in turn; what counts is the median over the turns of the ratio within a turn, in CPU seconds of one thread, so that
other work on the machine does not count. Memory is that of the weights plus the growth of the peak resident size over
two steps, in a fresh process for each way (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfnet_lite.language import (
    GreedyDecoder,
    LanguageModel,
    answer_loss,
    chat_dialogue,
    load_language_model,
    pack,
    vectors_of,
)
from mfnet_lite.tuning import linear_layers, train_scale_and_shift
from mfnet_lite.tuning.inject import replace_module
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit, versions
from scripts.benchmarks.common import RESULTS, added_memory, now, run_module

PLAIN, OURS, OURS_SINGLE = "plain transformers", "ours", "ours in float32"
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""For times: glibc keeps what is freed, or every step would fetch its pages from the system anew."""
RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
"""For memory: glibc returns what is freed at once, so that the peak is that of the tensors in use."""
TURNS = (
    ("How many ships are in the harbour? Answer in one word.", "three"),
    ("Where is the largest one?", "There is <p>1 ship</p>[0.12,0.40,0.25,0.56]"),
)
QUESTION = "Name three kinds of ships that you can see in a harbour and describe each of them."


class PlainScaleShift(nn.Module):
    """The formula as one writes it."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.ones(layer.out_features))
        self.shift = nn.Parameter(torch.zeros(layer.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Scale what the layer gives, after the shift."""
        return self.scale * (self.layer(x) + self.shift)


class Way:
    """One way to train and to answer.

    Args:
        args: The sizes.
        name: Which.
    """

    def __init__(self, args: argparse.Namespace, name: str) -> None:
        torch.manual_seed(0)
        single = name != OURS
        kind = torch.float32 if single else torch.bfloat16
        self.name, self.args = name, args
        self.model: LanguageModel = load_language_model(args.model, dtype=kind, device="cpu")
        dialogues = [chat_dialogue(self.model, TURNS, [args.visual]) for _ in range(args.batch)]
        self.packed = pack(self.model, dialogues, multiple=32)
        self.visual = 0.1 * torch.randn(args.batch * args.visual, self.model.width)
        pieces = chat_dialogue(self.model, [(QUESTION, None)])
        self.prompt = vectors_of(self.model, pack(self.model, [pieces]))[0]

    def prepare_step(self) -> None:
        """Attach scale and shift, and choose what an optimiser moves."""
        network = self.model.network
        if self.name == PLAIN:
            for name, layer in linear_layers(network).items():
                replace_module(network, name, PlainScaleShift(layer))
        else:
            train_scale_and_shift(network)
        self.trained = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=1e-3)

    def loss(self) -> Tensor:
        """Forward pass."""
        if self.name != PLAIN:
            return answer_loss(self.model, self.packed, self.visual)
        out: Tensor = self.model.network(
            inputs_embeds=vectors_of(self.model, self.packed, self.visual),
            attention_mask=(self.packed.dialogue > 0).long(),
            labels=self.packed.labels,
            use_cache=False,
        ).loss
        return out

    def step(self) -> float:
        """One step of training."""
        self.optimiser.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def prepare_answer(self) -> None:
        """Make the decoder, which is made once for many answers."""
        self.decoder = GreedyDecoder(self.model)

    def answer(self) -> list[int]:
        """Answer one question."""
        if self.name == PLAIN:
            return self.decoder._by_transformers(self.prompt, self.args.tokens).ids
        return self.decoder([self.prompt], self.args.tokens)[0]


def seconds(args: argparse.Namespace, work: str) -> dict[str, list[float]]:
    """CPU seconds of each way in each turn."""
    names = (PLAIN, OURS) if work == "step" else (PLAIN, OURS, OURS_SINGLE)
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        way = Way(args, name)
        (way.prepare_step if work == "step" else way.prepare_answer)()
        calls[name] = way.step if work == "step" else way.answer
        calls[name]()  # not counted
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(args.turns):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            found[name].append(round(time.process_time() - begin, 4))
    return found


def memory(args: argparse.Namespace, name: str) -> dict[str, int]:
    """Bytes of the weights, and growth of the peak over two steps."""
    way = Way(args, name)
    way.prepare_step()
    weights = {id(p): p.nbytes for p in way.model.network.parameters()}
    grown = added_memory(lambda: [way.step(), way.step()])
    return {"weights": sum(weights.values()), "two_steps": grown}


def agreement(args: argparse.Namespace) -> dict[str, Any]:
    """Compare losses, gradients and answers."""
    gradients, losses, answers = {}, {}, {}
    for name in (PLAIN, OURS, OURS_SINGLE):
        way = Way(args, name)
        way.prepare_answer()
        answers[name] = way.answer()
        way.prepare_step()
        loss = way.loss()
        losses[name] = round(loss.item(), 5)
        flat = [g.flatten().double() for g in torch.autograd.grad(loss, way.trained)]
        gradients[name] = torch.cat(flat)
    plain = gradients[PLAIN]
    same = next(
        (k for k, (a, b) in enumerate(zip(answers[PLAIN], answers[OURS], strict=False)) if a != b),
        min(len(answers[PLAIN]), len(answers[OURS])),
    )
    return {
        "loss": losses,
        "cosine of the gradient with plain's": {
            name: round(torch.cosine_similarity(plain, gradients[name], dim=0).item(), 5)
            for name in (OURS, OURS_SINGLE)
        },
        "answer in float32 equals plain's": answers[OURS_SINGLE] == answers[PLAIN],
        "first tokens of the answer in bfloat16 that equal plain's": same,
        "tokens of plain's answer": len(answers[PLAIN]),
    }


def child(args: argparse.Namespace, *work: str, **environment: str) -> Any:
    """Do one piece of work in a fresh process."""
    words = [*args.passed_on, "--work", *work]
    return json.loads(run_module("scripts.benchmarks.earthgpt", words, **environment))


def faster(found: dict[str, list[float]], name: str) -> float:
    """How many times faster one way is than plain transformers."""
    pairs = zip(found[PLAIN], found[name], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 2)


def provenance() -> dict[str, Any]:
    """Say where the figures come from."""
    return {
        "script": "scripts/benchmarks/earthgpt.py",
        "commit": commit(Path(__file__).parent),
        "time": now(),
        "hardware": platform.processor() or platform.machine(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "load_average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="as load_language_model takes it")
    parser.add_argument("--batch", type=int, default=4, help="dialogues of a step")
    parser.add_argument("--visual", type=int, default=64, help="visual tokens of an image")
    parser.add_argument("--tokens", type=int, default=48, help="of an answer at most")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="the tiny model, two turns")
    parser.add_argument("--out", type=Path, default=RESULTS / "earthgpt_benchmark.json")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    if args.smoke:
        args.model, args.batch, args.visual, args.tokens, args.turns = "tiny", 2, 4, 4, 2
    if args.work:
        what, *rest = args.work
        work = {"seconds": seconds, "memory": memory, "agreement": agreement}[what]
        print(json.dumps(work(args, *rest)))
        return
    args.passed_on = arguments
    step, answers = (child(args, "seconds", w, **KEPT) for w in ("step", "answer"))
    peaks = {name: child(args, "memory", name, **RETURNED) for name in (PLAIN, OURS)}
    table: dict[str, Any] = {
        "provenance": provenance(),
        "setting": {
            "model": args.model,
            "batch": args.batch,
            "visual tokens": args.visual,
            "tokens of an answer at most": args.tokens,
            "turns": args.turns,
            "ratios": "median over the turns of the ratio within a turn, CPU seconds",
            "bytes": "weights, and growth of the peak over two steps; fresh process each",
            "machine": "shared and busy with other work: ratios only, absolute seconds are not to be quoted",
        },
        "agreement": child(args, "agreement"),
        "step_seconds": step,
        "answer_seconds": answers,
        "bytes": peaks,
        "ratios": {
            "step: times faster": faster(step, OURS),
            "greedy answer: times faster": faster(answers, OURS),
            "greedy answer in float32: times faster": faster(answers, OURS_SINGLE),
            "step: share of the memory": round(
                sum(peaks[OURS].values()) / sum(peaks[PLAIN].values()), 3
            ),
        },
    }
    print(json.dumps(table["agreement"], indent=1))
    for name, value in table["ratios"].items():
        print(f"{name:45} {value}")
    if not args.smoke:
        write_text(args.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
