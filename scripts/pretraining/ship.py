"""Put a pre-trained small SAM into the package: ``python -m scripts.pretraining.ship RUN``.

Copies the weights of a finished ``sam_tiny_head.py`` run as half precision, writes the digest that
``load_sam("tiny")`` checks. Once ``evaluate.py`` has measured these, ``--card-only`` writes the model card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of
from scripts.pretraining.evaluate import table

WEIGHTS = Path("mfnet_lite/weights")

CARD = """# Model card: `sam_tiny`

A Segment Anything of {millions:.2f} million parameters: the classes of `segment_anything`, a ViT of width 192
and depth 6 (patch 8, window 8, global attention in blocks 2 and 5), prompt and decoder width 128, input
256 × 256 pixels. Load it with `mfnet_lite.load_sam("tiny")`; any input size that is a multiple of 8 works.

**Made for** the chapters of the book and for tests: real pre-trained knowledge that fits a CPU. It is not a
substitute for the official ViT-B, ViT-L or ViT-H, and nothing measured with it is a benchmark result.

**Trained on** procedural pictures without classes (`mfnet_lite/world/shapes/images.py`): overlapping shapes with
textures, shadows, blur and noise; every pixel belongs to a part, an object and a group. {collages} collages
(`scripts/pretraining/collages.py`), whose textures are cut from the photographs inside scikit-image and scikit-learn.
No remote-sensing scene, no height map, no other model's output.

**Recipe** (`scripts/pretraining/sam_tiny.py`, seed {seed}, {hours:.1f} hours on {cores}; {windows:,} windows):

{recipe}

Muon for the matrices and AdamW for everything else (`scripts/pretraining/optim.py`), bfloat16 autocast; the weights
are a running average of those of the steps. Windows of 128 pixels are cut from pictures of 256 and seen with
the position tables of the model of 256 (`scripts/pretraining/windows.py`). Masks: 20 · focal + dice{where}, the best of
three candidates learns, the single mask learns from every prompt; IoU head by squared error; later rounds click
into the error region and feed back the raw logits. {note}
{head}
**Differs from Segment Anything's own recipe**: instead of starting from a masked auto-encoder, the encoder first
learns three things that a linear map can read from its embedding (`scripts/pretraining/dense.py`): which places
belong together, where borders run inside a patch, and how far the segment around a place reaches; it keeps these
losses with a smaller weight. Rounds are 1 to {rounds} instead of 11; the single-mask token is trained on first
prompts too.

## Measured

Mean IoU per object (number of objects), objects of at least {smallest} pixels in 256 × 256 pictures; the click is the
pixel farthest from the object's border. `{commit}`, {date}, {hardware}.

{table}

The crowns are known by their boxes alone, so their score is the IoU of the predicted mask's bounding box.
Real tiles: LEVIR-CD samples (buildings that are new in the later picture), one NEON tile, and two more of the
package deepforest that were looked at for this table alone; too few for more than a hint. The last two rows say how
far the estimate can be believed: the rank correlation of expected with true IoU, and by how much the two differ on
average in ten classes of the expected one.

## Goals

{goals}

## Files

`sam_tiny.safetensors` ({size:.1f} MB, half precision, loaded as float32), SHA-256 `{sha256}`.
"""

COLLAGES = {
    True: "The later stages and the head that estimates IoU have seen",
    False: "The head that estimates IoU has seen",
}
"""How a card begins to speak of collages, by whether any stage had some."""

WHERE = {
    True: " (from the collages on at the size of what is seen, before at that of the logits)",
    False: "",
}
"""Where masks are compared, by whether a training followed the first one."""

HEAD = """
*The head that estimates IoU* was fitted anew afterwards (`scripts/pretraining/sam_tiny_head.py`), on what it sees of
{examples:,} prompts in {pictures:,} pictures: masks drawn by lot, so that small ones are common, collages in three
pictures of four. On the fifth that was held out, the candidate that it chooses has a mean IoU of {after:.3f} instead of
{before:.3f}. No other weight changed, so every mask is what it was before, to the bit.
"""


def ship_weights(run: Path) -> None:
    """Write the half-precision weights and their digest."""
    source = run / "sam_tiny.safetensors"
    with safe_open(str(source), framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key).to(torch.float16) for key in file.keys()}  # noqa: SIM118
    target = WEIGHTS / "sam_tiny.safetensors"
    with replacing(target) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    training = json.loads((run / "training.json").read_text())
    equal = training.pop("equal_masks_sha256", [])
    facts = {
        "file": target.name,
        "size": target.stat().st_size,
        "sha256": sha256_of(target),
        **({"equal_masks_sha256": equal} if equal else {}),
        "config": json.loads(metadata["sam_config"]),
        "training": training,
    }
    write_text(WEIGHTS / "sam_tiny.json", json.dumps(facts, indent=1) + "\n")


def write_card(results: Path) -> None:
    """Write the model card from the measured figures.

    Raises:
        SystemExit: If the figures are those of other weights.
    """
    record = json.loads(results.read_text())
    facts = json.loads((WEIGHTS / "sam_tiny.json").read_text())
    if record.get("weights_sha256") != facts["sha256"]:
        raise SystemExit(
            f"{results}: expected figures of the weights {facts['sha256'][:8]}, found those of "
            f"{str(record.get('weights_sha256'))[:8]}; run python -m scripts.pretraining.evaluate first"
        )
    training = facts["training"]
    runs = [training]
    while "stages" in (earlier := runs[0].get("began_with", {})):
        runs.insert(0, earlier)
    stages = [(run["processes"], stage) for run in runs for stage in run["stages"]]
    sets = record["sets"]
    held = sets["held-out pictures"]["mean_iou"]
    goals = [
        ("held-out pictures, one click, at least 0.75", held["one click"], 0.75),
        ("held-out pictures, box, at least 0.85", held["box"], 0.85),
    ]
    crowns = [name for name in sets if "crowns" in name]
    for name in [name for name in sets if name not in ("held-out pictures", *crowns)]:
        found = sets[name]["mean_iou"]
        free = max(found["felzenszwalb under the click"], found["grabcut from the box"])
        box, ahead = f"{name}, box", "at least 0.10 ahead of both methods without learning"
        goals.append((f"{box}, {ahead}", found["box"] - free, 0.10))
        own = found["one click"] - found["felzenszwalb under the click"]
        goals.append((f"{name}, one click, at least 0.10 ahead of Felzenszwalb's", own, 0.10))
    for name in crowns:
        found = sets[name]["mean_iou"]
        ahead = found["one click"] - found["felzenszwalb under the click"]
        goals.append((f"{name}, one click, ahead of Felzenszwalb's", ahead, 0.0))
    lines = [
        f"- {'reached' if got >= least else 'not reached'}: {goal} (got {got:+.3f})"
        for goal, got, least in goals
    ]
    text = CARD.format(
        millions=training["parameters"] / 1e6,
        seed=training["seed"],
        recipe="\n".join(_stage(stage, processes) for processes, stage in stages),
        windows=sum(n * stage["pictures"] * stage["steps"] for n, stage in stages),
        cores=counted(training["processes"] * training["threads"], "CPU core"),
        rounds=max(stage["rounds"] for _, stage in stages),
        collages=COLLAGES[any(stage.get("collages") for _, stage in stages)],
        where=WHERE[len(runs) > 1],
        note=training.get("note", ""),
        head=_head(training),
        hours=sum(run["seconds"] for run in runs) / 3600,
        smallest=record["smallest_object_px"],
        commit=record["commit"],
        date=record["date"],
        hardware=record["hardware"],
        table=table(sets),
        goals="\n".join(lines),
        size=facts["size"] / 1e6,
        sha256=facts["sha256"],
    )
    write_text(WEIGHTS / "sam_tiny.md", text)


def _stage(stage: dict, processes: int) -> str:
    """A line of the recipe."""
    what = "encoder only"
    if stage["prompts"]:
        what = f"{stage['prompts']} prompts each, {counted(stage['rounds'], 'round')}"
    collages = f", {stage['collages']:.0%} of them collages" if stage.get("collages") else ""
    return (
        f"- *{stage['name']}*: {stage['steps']:,} steps of {processes * stage['pictures']} windows of "
        f"{stage['window']} px ({processes * stage['fresh']} of them of new pictures{collages}), {what}, learning "
        f"rate {stage['first_rate']:g} to {stage['last_rate']:g}, weight of the dense losses {stage['dense']:g}"
    )


def _head(training: dict) -> str:
    """The paragraph on the head, where it was fitted anew."""
    if not (fitted := training.get("head")):
        return ""
    ious = {when: fitted[when]["chosen_iou"] for when in ("before", "after")}
    return HEAD.format(examples=fitted["examples"], pictures=fitted["pictures"], **ious)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of sam_tiny_head.py")
    parser.add_argument("--results", type=Path, default=Path("book/results/sam_tiny.json"))
    parser.add_argument("--card-only", action="store_true", help="leave the weights as they are")
    arguments = parser.parse_args()
    if arguments.card_only:
        write_card(arguments.results)
    else:
        ship_weights(arguments.run)
        print("now: python -m scripts.pretraining.evaluate, then this again with --card-only")


if __name__ == "__main__":
    main()
