"""Prove that our MFNet is the authors': the whole forward pass and one training step, number by number.

    python -m scripts.parity.mfnet --authors PATH                   both tunings, a small encoder, seconds
    python -m scripts.parity.mfnet --authors PATH --encoder vit_b   the same at ViT-B, minutes
    python -m scripts.parity.mfnet --authors PATH --json OUT        … and keep the table

PATH is a checkout of https://github.com/sstary/SSRS (MFNet as of commit 707b454); without it the script
prints that and ends with 0. Their network gets random weights everywhere, ours the same through a translation of
names, both get the same 256-pixel images, for which SAM's windows of 14 tokens have to be padded.

An error is the largest absolute difference over the largest absolute value of the tensor; of many tensors
that of the worst, which is named. Some gradients are zero but for rounding (of a bias in front of a batch
norm): below FLOOR of the largest of all, a tensor's own size does not count. float64 shows that the
formulas agree, float32 how far rounding takes them apart; as a yardstick it also says how far the authors'
own float32 gradients are from their float64 ones. Exits with 1 if an error is above its bound.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.sam import VIT_B, SamConfig
from mfnet_lite.utils.files import write_text
from scripts.parity.authors_mfnet import (
    build_authors,
    build_ours,
    find_authors,
    provenance,
    translate,
)

ENCODERS: dict[str, SamConfig] = {
    "small": replace(VIT_B, width=96, depth=3, heads=4, global_blocks=(2,)),
    "vit_b": VIT_B,
}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
# Of gradients, and of all else. In float32 a value that rounding carries over a corner of ReLU6, or to
# another position of a maximum, changes gradients by far more than an eps.
BOUNDS = {"float64": (1e-10, 1e-10), "float32": (5e-2, 1e-4)}
FLOOR = 1e-4
STEP = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}  # the authors' optimiser
CLASSES = 6


class Row(NamedTuple):
    """One line of the table."""

    tuning: str
    dtype: str
    quantity: str
    error: float
    bound: float
    worst: str

    @property
    def passed(self) -> bool:
        """Whether the error is within its bound; a NaN is not."""
        return self.error <= self.bound


def worst_error(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> tuple[float, str]:
    """Return the largest relative error over two sets of tensors, and the name of its tensor.

    Raises:
        ValueError: If the names differ: a tensor that only one side has is an error in itself.
    """
    if different := sorted(ours.keys() ^ theirs.keys()):
        raise ValueError(f"only one side has {', '.join(different[:5])}")
    sizes = {name: tensor.abs().max().item() for name, tensor in theirs.items()}
    floor = FLOOR * max(sizes.values())
    errors = {
        name: (ours[name] - theirs[name]).abs().max().item() / max(sizes[name], floor)
        for name in theirs
    }
    worst = max(errors, key=lambda name: math.inf if math.isnan(errors[name]) else errors[name])
    return errors[worst], worst


def step(net: nn.Module, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Take one step of SGD; return the gradients by name."""
    optimizer = torch.optim.SGD(net.parameters(), **STEP)
    F.cross_entropy(logits, label).backward()
    optimizer.step()
    named = net.named_parameters(remove_duplicate=False)
    return {name: p.grad for name, p in named if p.grad is not None}


def compare(checkout: Path, tuning: str, encoder: str, dtype: str, seed: int = 0) -> list[Row]:
    """Run both networks on the same images, forward and one training step.

    Args:
        checkout: The authors' repository.
        tuning: ``"mmlora"`` or ``"mmadapter"``.
        encoder: A name of :data:`ENCODERS`.
        dtype: A name of :data:`DTYPES`.
        seed: Of weights and images.

    Returns:
        A row per quantity.
    """
    config, kind = ENCODERS[encoder], DTYPES[dtype]
    theirs = build_authors(checkout, tuning, config, CLASSES, seed)
    ours = build_ours(theirs, tuning, config, CLASSES).to(kind)
    generator = torch.Generator().manual_seed(seed)
    optical = torch.rand(2, 3, 256, 256, generator=generator).to(kind)
    dsm = torch.rand(2, 256, 256, generator=generator).to(kind)
    label = torch.randint(CLASSES, (2, 256, 256), generator=generator)
    batch = {"optical": optical, "dsm": dsm[:, None]}
    rows = []

    def row(quantity: str, mine: Mapping[str, Tensor], their: Mapping[str, Tensor]) -> None:
        error, worst = worst_error(mine, their)
        bound = BOUNDS[dtype][0 if "gradients" in quantity else 1]
        rows.append(Row(tuning, dtype, quantity, error, bound, worst))

    exact = None
    if dtype == "float32":
        precise = copy.deepcopy(theirs).double().train()
        exact = translate(step(precise, precise(optical.double(), dsm.double()), label))
        del precise
    theirs.to(kind)
    with torch.no_grad():
        mine, their = ours.eval()(batch), theirs.eval()(optical, dsm)
    row("logits, evaluation", {"logits": mine}, {"logits": their})
    frozen = {n: p.detach().clone() for n, p in ours.named_parameters() if not p.requires_grad}
    mine, their = ours.train()(batch), theirs.train()(optical, dsm)
    row("logits, training", {"logits": mine.detach()}, {"logits": their.detach()})
    gradients = step(ours, mine, label), translate(step(theirs, their, label))
    row("gradients", *gradients)
    if exact is not None:
        row("gradients, theirs against their float64", gradients[1], exact)
        row("gradients, ours against their float64", gradients[0], exact)
    states = ours.state_dict(), translate(theirs.state_dict())
    row("weights after the step", *({n: s[n] for n in gradients[0]} for s in states))
    statistics = [name for name in states[1] if "running_" in name]
    row("running statistics", *({n: s[n] for n in statistics} for s in states))
    row(
        "frozen weights", {n: p.detach() for n, p in ours.named_parameters() if n in frozen}, frozen
    )
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Compare, print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--authors", type=Path, help="a checkout of the authors' repository")
    parser.add_argument("--encoder", choices=ENCODERS, default="small")
    parser.add_argument("--tunings", nargs="+", default=["mmlora", "mmadapter"])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--json", type=Path, help="write the table and its provenance here")
    args = parser.parse_args(arguments)
    if args.authors is None:
        print("skipped: give --authors PATH, a checkout of the authors' repository")
        return 0
    try:
        find_authors(args.authors)
    except FileNotFoundError as error:
        parser.error(str(error))
    found = {"provenance": provenance("parity/mfnet.py", args.authors), "encoder": args.encoder}
    rows = []
    for tuning in args.tunings:
        for dtype in args.dtypes:
            for row in compare(args.authors, tuning, args.encoder, dtype):
                rows.append(row)
                verdict = "ok" if row.passed else "TOO LARGE"
                print(
                    f"{row.tuning:10} {row.dtype:8} {row.quantity:39} {row.error:9.2e} "
                    f"(bound {row.bound:.0e}) {verdict:9} {row.worst}",
                    flush=True,
                )
    if args.json is not None:
        table = [row._asdict() for row in rows]
        write_text(args.json, json.dumps({**found, "rows": table}, indent=1) + "\n")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
