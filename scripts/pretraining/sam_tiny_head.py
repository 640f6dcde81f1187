"""Teach the small SAM's IoU head to choose among its masks: ``python -m scripts.pretraining.sam_tiny_head OUT``.

A click can mean several things, so the decoder answers with three candidates and estimates the IoU of each. After
``sam_tiny.py`` the right mask was often among the three while another was chosen: half of its prompts were drawn by
pixel, so large masks came first, and in images small things are what people click. Here nothing but that head
learns; every mask stays what it was, to the bit. Masks are drawn by lot, so that small ones are common; three
quarters of the pictures are collages with real textures and clutter (``collages.py``).

The decoder is run once over all prompts; what its head gets to see, 128 numbers a prompt, is kept in ``OUT``, and the
fit itself takes seconds. Collecting may be stopped and started again. The last fifth of the pictures chooses the
epoch. ``OUT/sam_tiny.safetensors`` and what it was trained with are then ready for ``ship.py``.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file, save_file
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from mfnet_lite import load_sam
from mfnet_lite.sam.build import TINY
from mfnet_lite.sam.checkpoints import find_checkpoint
from mfnet_lite.sam.interactive import Clicks, correction_clicks, first_prompts, pick_best
from mfnet_lite.sam.prompt_sampling import distance_transform_centres
from mfnet_lite.sam.prompts import (
    FOREGROUND,
    PADDING,
    Prediction,
    embed_images,
    embed_points,
    predict_masks,
)
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of
from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining.collages import make_collages
from scripts.pretraining.kernels import mask_losses
from scripts.pretraining.prompts import at_picture_size, sample_masks
from scripts.pretraining.sam_tiny import trained_before, write_weights

FIRST_PICTURE = 2_000_000_000  # seeds beyond those of sam_tiny.py and below those of evaluate.py
CHUNK = 25  # pictures a file
PROMPTS = 8  # masks asked for in each picture
ROUNDS = 3  # a first prompt and two corrections
BOXES = 0.3  # share of first prompts that are boxes
CENTRAL = 0.5  # share of first clicks on the pixel farthest from the outline, where people click
COLLAGES = 4  # all pictures but one in so many are collages
HELD_OUT = 0.2  # share of the pictures that chooses the epoch


class Examples(NamedTuple):
    """What the head sees and what it should say.

    Attributes:
        states: Output of the decoder's transformer for the IoU token.
        iou: True IoU of the single mask and the three candidates.
        first: Whether the prompt is a first one, where there is a choice.
    """

    states: Float[Tensor, "n width"]
    iou: Float[Tensor, "n 4"]
    first: Bool[Tensor, " n"]


def first_clicks(masks: Bool[Tensor, "images prompts y x"], generator: torch.Generator) -> Clicks:
    """Draw boxes and clicks as in SAM's training, half of the clicks moved to the middle of their mask."""
    drawn = first_prompts(masks, generator, box_share=BOXES)
    is_click = (drawn.labels == torch.tensor([FOREGROUND, PADDING])).all(dim=2)
    moved = is_click & (torch.rand(masks.shape[:2], generator=generator) < CENTRAL)
    centres = distance_transform_centres(masks)
    middle = torch.cat([centres, torch.zeros_like(centres)], dim=2)
    return Clicks(torch.where(moved[..., None, None], middle, drawn.points), drawn.labels)


@torch.no_grad()
def examples(sam: Sam, picture: int) -> Examples:
    """Prompt one picture and note what the head saw in each round, and the true IoU of all four masks.

    Args:
        sam: The model, on the CPU.
        picture: Number of the picture; decides all that is drawn.
    """
    seed, side = FIRST_PICTURE + picture, sam.image_encoder.img_size
    make = make_images if picture % COLLAGES == 0 else make_collages
    made = make(seed, 1, side)
    generator = torch.Generator().manual_seed(seed)
    # The first half of what is drawn is drawn by lot among masks, the second by pixel: the first is kept.
    masks = sample_masks(made.levels.to(torch.int16), 2 * PROMPTS, generator)[:, :PROMPTS]
    embedding = embed_images(sam, made.image.float())
    seen: list[Tensor] = []
    hook = sam.mask_decoder.iou_prediction_head.register_forward_hook(
        lambda head, inputs, output: seen.append(inputs[0])
    )
    clicks, fed_back, ious = first_clicks(masks, generator), None, []
    try:
        for number in range(ROUNDS):
            tokens = embed_points(sam, clicks.points, clicks.labels)
            every = predict_masks(
                sam, embedding, tokens=tokens, mask_inputs=fed_back, multimask=None
            )
            ious.append(mask_losses(at_picture_size(every.masks, side), masks)[1][0])
            # As in training: the chosen one of three is fed back, and after a correction the single mask.
            chosen = slice(1, None) if number == 0 else slice(0, 1)
            fed_back = pick_best(Prediction(every.masks[:, :, chosen], every.iou[:, :, chosen]))
            full = F.interpolate(fed_back, size=(side, side), mode="bilinear", align_corners=False)
            clicks = clicks.add(correction_clicks(full, masks, generator))
    finally:
        hook.remove()
    states = torch.cat([state.reshape(PROMPTS, -1) for state in seen])
    first = torch.arange(ROUNDS).repeat_interleave(PROMPTS) == 0
    return Examples(states, torch.cat(ious), first)


def _collect_chunk(path: Path, init: str, pictures: range) -> None:
    torch.set_num_threads(1)
    sam = load_sam(init, image_size=TINY.image_size).eval()
    found = [examples(sam, picture) for picture in pictures]
    states, iou, first = (torch.cat(part) for part in zip(*found, strict=True))
    with replacing(path) as temporary:
        save_file({"states": states, "iou": iou, "first": first}, temporary)


def collect(out: Path, init: str, pictures: int, workers: int, chunk: int = CHUNK) -> Examples:
    """Make the chunks that are missing, several at a time, and read all."""
    digest = sha256_of(find_checkpoint(init))
    folder = out / f"examples_{digest[:12]}"  # of one model: another one sees other things
    folder.mkdir(parents=True, exist_ok=True)
    chunks = {
        folder / f"{first:06d}_{chunk}.safetensors": range(first, first + chunk)
        for first in range(0, pictures, chunk)
    }
    with ProcessPoolExecutor(workers) as pool:
        work = [
            pool.submit(_collect_chunk, path, init, numbers)
            for path, numbers in chunks.items()
            if not path.exists()
        ]
        for one in tqdm(work, desc=f"chunks of {chunk} pictures", mininterval=20):
            one.result()
    files = [load_file(path) for path in chunks]
    return Examples(*(torch.cat([file[k] for file in files]) for k in Examples._fields))


def chosen_iou(said: Float[Tensor, "n 4"], found: Examples) -> float:
    """Mean true IoU of the candidate that is believed to be best, over first prompts."""
    best = said[found.first, 1:].argmax(dim=1, keepdim=True)
    return found.iou[found.first, 1:].gather(1, best).mean().item()


def fit(
    head: nn.Module, found: Examples, epochs: int = 40, rate: float = 2e-4, seed: int = 0
) -> tuple[nn.Module, list[dict[str, float]]]:
    """Fit a copy of the head by squared error and return that of the best epoch, with what each epoch reached.

    The last pictures, a fifth, are held out; the epoch of the smallest error on them is kept.
    """
    head = copy.deepcopy(head).requires_grad_(True)
    count = round(len(found.iou) * (1 - HELD_OUT))
    held = Examples(*(part[count:] for part in found))
    optimiser = torch.optim.AdamW(head.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    generator = torch.Generator().manual_seed(seed)
    best, kept, log = math.inf, head, []
    for epoch in range(epochs + 1):
        with torch.no_grad():
            said = head(held.states)
        error = F.mse_loss(said, held.iou).item()
        log.append({"epoch": epoch, "squared_error": error, "chosen_iou": chosen_iou(said, held)})
        if error < best:
            best, kept = error, copy.deepcopy(head)
        if epoch == epochs:
            break
        for batch in torch.randperm(count, generator=generator).split(256):
            loss = F.mse_loss(head(found.states[batch]), found.iou[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return kept.requires_grad_(False), log


def train(out: Path, init: str, pictures: int, workers: int, chunk: int = CHUNK) -> Path:
    """Collect, fit and write; returns the path of the weights.

    Args:
        out: Folder for examples, weights and what they were trained with.
        init: Weights to start from, a file or ``tiny``.
        pictures: How many, rounded up to whole chunks.
        workers: Processes, one thread each.
        chunk: Pictures a file.
    """
    started = time.monotonic()
    training, equal = before(init)  # first: a missing file should not cost an hour
    found = collect(out, init, pictures, workers, chunk)
    sam = load_sam(init, image_size=TINY.image_size)
    head, log = fit(sam.mask_decoder.iou_prediction_head, found)
    kept = min(log, key=lambda line: line["squared_error"])
    for line in (log[0], kept):
        print(", ".join(f"{name} {value:.4g}" for name, value in line.items()))
    sam.mask_decoder.iou_prediction_head.load_state_dict(head.state_dict())
    write_weights(sam, TINY, out / "sam_tiny.safetensors")
    training["head"] = {
        "pictures": math.ceil(pictures / chunk) * chunk,
        "examples": len(found.iou),
        "epochs": kept["epoch"],
        "before": log[0],
        "after": kept,
        "seconds": round(time.monotonic() - started),
    }
    if equal:
        training["equal_masks_sha256"] = equal
    write_text(out / "training.json", json.dumps(training, indent=1) + "\n")
    return out / "sam_tiny.safetensors"


def before(init: str) -> tuple[dict[str, Any], list[str]]:
    """What the weights were trained with so far, and the digests of shipped files that give the same masks."""
    facts = trained_before(init)
    digest = facts.pop("sha256")
    if not facts:
        raise FileNotFoundError(f"{init}: expected training.json beside the weights; copy it there")
    if init != "tiny":
        return facts, []
    shipped = json.loads(find_checkpoint(init).with_suffix(".json").read_text(encoding="utf-8"))
    return facts, [digest, *shipped.get("equal_masks_sha256", [])]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for examples and weights")
    parser.add_argument("--init", default="tiny", help="weights to start from: a file, or tiny")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    arguments = parser.parse_args()
    path = train(arguments.out, arguments.init, arguments.pictures, arguments.workers)
    print(f"weights: {path}")


if __name__ == "__main__":
    main()
