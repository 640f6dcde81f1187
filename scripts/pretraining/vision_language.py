"""Train the small vision-language pair: ``python -m scripts.pretraining.vision_language OUT --scenes FOLDER``.

Needs scenes that ``python -m scripts.pretraining.town_scenes`` made. Crops of 96 pixels, each with a caption of the
whole, phrases of some regions, and a name for every pixel, drawn anew from lists of synonyms; losses are in
``pair_losses.py``. The image encoder's matrices are Muon's, everything else AdamW's; the weights that are kept are
a running average.

The run can be stopped at any time and continued by the same command; batches depend on the seed and the step alone.
``OUT/log.csv`` has a line every ``--log-every`` steps. ``--text NAME_OR_FOLDER`` puts a frozen sentence encoder of
transformers in the place of the word vectors; only a projection of its output is trained.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mfnet_lite.nets.encoders.sentence_encoder import SentenceEncoder
from mfnet_lite.nets.encoders.tiny_pair import (
    METADATA_KEY,
    SmallPair,
    SmallPairConfig,
)
from mfnet_lite.utils.files import replacing
from scripts.pretraining.optim import MuonAndAdamW
from scripts.pretraining.pair_batches import Batches
from scripts.pretraining.pair_losses import WEIGHTS, pair_losses
from scripts.pretraining.precision import clip_gradients, keep_freed_memory

WARM_UP = 50
AVERAGE = 0.99
"""Decay of the running average of the weights, a step."""
TEXT_RATE = 0.3
"""Of the text encoder, as a share of the image encoder's learning rate."""


class Run:
    """Everything of a run that must survive a stop."""

    def __init__(self, out: Path, config: SmallPairConfig, rate: float, seed: int) -> None:
        self.path = out / "state.pt"
        torch.manual_seed(seed)
        self.pair = SmallPair(config)
        self.average = AveragedModel(self.pair, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
        seeing = [p for name, p in self.pair.named_parameters() if not name.startswith("text.")]
        reading = [p for p in self.pair.text.parameters() if p.requires_grad]
        self.image_optimiser = MuonAndAdamW(seeing, self.pair.image, rate)
        self.text_optimiser = torch.optim.AdamW(reading, lr=TEXT_RATE * rate, weight_decay=0.01)
        self.trained = seeing + reading
        self.rate, self.step, self.seconds = rate, 0, 0.0

    def load(self) -> None:
        """Continue from the last saved step, if there is one."""
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        self.pair.load_state_dict(state["pair"])
        self.average.load_state_dict(state["average"])
        self.image_optimiser.load_state_dict(state["image_optimiser"])
        self.text_optimiser.load_state_dict(state["text_optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the state."""
        state = {
            "pair": self.pair.state_dict(),
            "average": self.average.state_dict(),
            "image_optimiser": self.image_optimiser.state_dict(),
            "text_optimiser": self.text_optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with replacing(self.path) as temporary:
            torch.save(state, temporary)

    def move(self, steps: int) -> float:
        """Take a step of both optimisers; warm-up, then cosine to nearly nothing."""
        share = 0.5 * (1 + math.cos(math.pi * self.step / steps))
        rate = self.rate * min(1.0, (self.step + 1) / WARM_UP) * (0.01 + 0.99 * share)
        self.image_optimiser.set_rate(rate)
        for group in self.text_optimiser.param_groups:
            group["lr"] = TEXT_RATE * rate
        clip_gradients(p.grad for p in self.trained if p.grad is not None)
        self.image_optimiser.step()
        self.text_optimiser.step()
        self.text_optimiser.zero_grad(set_to_none=True)
        return rate


def train(
    out: Path,
    scenes: Path,
    config: SmallPairConfig,
    *,
    steps: int,
    crops: int,
    size: int,
    rate: float,
    seed: int,
    log_every: int = 25,
    save_every: int = 100,
    workers: int = 1,
    until: int | None = None,
) -> Path:
    """Run or continue the training, up to a step where one is given; returns the path of the weights."""
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    run = Run(out, config, rate, seed)
    run.load()
    last = steps if until is None else min(until, steps)
    batches = Batches(scenes, run.step, last, crops, size, seed)
    loader = DataLoader(
        batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    log = out / "log.csv"
    if not log.exists():
        log.write_text(",".join(["step", *WEIGHTS, "scale", "rate", "seconds"]) + "\n")
    started = time.monotonic() - run.seconds
    sums, since = dict.fromkeys(WEIGHTS, 0.0), 0
    bar = tqdm(loader, initial=run.step, total=steps, desc="pair", mininterval=20)
    for batch in bar:
        rng = np.random.default_rng([seed, run.step, 1])
        generator = torch.Generator().manual_seed(seed + 7 * run.step)
        with torch.autocast("cpu", torch.bfloat16):
            losses = pair_losses(run.pair, batch, rng, generator)
        loss = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {run.step}: the loss is {loss.item()}")
        loss.backward()
        now = run.move(steps)
        run.average.update_parameters(run.pair)
        run.step, since = run.step + 1, since + 1
        run.seconds = time.monotonic() - started
        for name, value in losses.items():
            sums[name] += float(value.detach())
        if run.step % log_every == 0 or run.step == last:
            row = [run.step, *(f"{value / since:.4f}" for value in sums.values())]
            scale = f"{run.pair.scale:.2f}"
            with log.open("a", newline="") as file:
                csv.writer(file).writerow([*row, scale, f"{now:.2e}", f"{run.seconds:.0f}"])
            sums, since = dict.fromkeys(WEIGHTS, 0.0), 0
        if run.step % save_every == 0 or run.step == last:
            run.save()
            write_pair(run.average.module, out / "vision_language.safetensors")
    facts = {
        "steps": run.step,
        "crops": crops,
        "size": size,
        "rate": rate,
        "seed": seed,
        "scenes": len(batches.files),
        "losses": WEIGHTS,
        "seconds": round(run.seconds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "parameters": {
            "image": sum(p.numel() for p in run.pair.image.parameters()),
            "text": sum(p.numel() for p in run.pair.text.parameters() if p.requires_grad),
            "all": sum(p.numel() for p in run.trained),
        },
    }
    (out / "training.json").write_text(json.dumps(facts, indent=1))
    return out / "vision_language.safetensors"


def write_pair(pair: SmallPair, path: Path) -> None:
    """Write the weights of a pair with its sizes; those of a foreign sentence encoder stay where they are."""
    tensors = {
        key: value.detach().clone().contiguous()
        for key, value in pair.state_dict().items()
        if not key.startswith(SentenceEncoder.FOREIGN)
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={METADATA_KEY: pair.config.to_json()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for log, state and weights")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of town_scenes")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--crops", type=int, default=32, help="crops per step")
    parser.add_argument("--size", type=int, default=96, help="side of a crop, a multiple of 8")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text", default="", help="name or folder of a sentence encoder")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    config = SmallPairConfig(text=arguments.text)
    final = train(
        arguments.out,
        arguments.scenes,
        config,
        steps=arguments.steps,
        crops=arguments.crops,
        size=arguments.size,
        rate=arguments.rate,
        seed=arguments.seed,
    )
    print(final)


if __name__ == "__main__":
    main()
