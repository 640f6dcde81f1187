"""What the tests of training in several processes run in each of them: ``two_processes.py JOB FOLDER``."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from mfnet_lite.training import TrainConfig, fit

CONFIG = TrainConfig(
    steps=6, batch=2, lr=0.01, warmup=2, device="cpu", progress=False, log_every=1, save_every=3
)
EXACT = replace(CONFIG, precision="64-true", evaluate_every=3)
EQUALITY = {
    "adamw": EXACT,
    "sharded": replace(EXACT, shard_optimizer=True),
    "sgd": replace(EXACT, optimizer="sgd", momentum=0.9),
    "accumulated": replace(EXACT, batch=1, accumulate=2),
    "float32": replace(EXACT, precision="32-true"),
}
"""Runs of two processes; one process needs twice the batch."""


class Stripes:
    """Random images whose class is whether the value exceeds one half; notes what is read."""

    def __init__(self, length: int = 7, size: int = 8) -> None:
        self.length, self.size = length, size
        self.seen: list[int] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.seen.append(index)
        generator = torch.Generator().manual_seed(index)
        optical = torch.rand(3, self.size, self.size, generator=generator)
        return {"optical": optical, "label": (optical[0] > 0.5).long()}


class Slow(Stripes):
    """Hangs in one process, after a number of steps, until that is killed."""

    def __init__(self, rank: int, steps: int) -> None:
        super().__init__()
        self.rank, self.steps = rank, steps

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if int(os.environ["RANK"]) == self.rank and len(self.seen) == 2 * self.steps:
            (Path(sys.argv[2]) / f"hangs{self.rank}").touch()
            time.sleep(600)
        return super().__getitem__(index)


class Net(nn.Module):
    """A frozen part and a trained one; with batch norm and dropout for what a resume can get wrong."""

    def __init__(self, random: bool = False) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(3, 3, 1).requires_grad_(False)
        norm = nn.BatchNorm2d(8) if random else nn.GroupNorm(2, 8)
        dropout = nn.Dropout(0.2 if random else 0.0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 1), norm, nn.ReLU(), dropout)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.body(self.frozen(sample["optical"])))


def make(random: bool = False, seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(random)


def equality(folder: Path) -> None:
    rank = int(os.environ["RANK"])
    for name, config in EQUALITY.items():
        train, val = Stripes(), Stripes(3)
        # the second process's own weights do not count, the first one's are sent
        net = make(seed=rank)
        summary = fit(net, train, val, config, folder / name)
        seen = {"train": train.seen, "val": val.seen, "summary": summary}
        (folder / f"{name}{rank}.json").write_text(json.dumps(seen))
    fit(make(random=True), Stripes(), Stripes(1), CONFIG, folder / "run")
    poisoned(folder)


def hanging(folder: Path) -> None:
    train = Slow(int(sys.argv[3]), int(sys.argv[4]))
    resume = (folder / "run").exists()
    fit(make(random=True), train, Stripes(1), CONFIG, folder / "run", resume=resume)


def resumed(folder: Path) -> None:
    fit(make(random=True), Stripes(), Stripes(1), CONFIG, folder / "run", resume=True)


def poisoned(folder: Path) -> None:
    bad = float("nan") if os.environ["RANK"] == "1" else 1.0
    try:
        fit(make(), Stripes(), None, CONFIG, folder / "bad", loss=lambda out, _: out.mean() * bad)
    except FloatingPointError as error:
        (folder / f"poisoned{os.environ['RANK']}").write_text(str(error))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
