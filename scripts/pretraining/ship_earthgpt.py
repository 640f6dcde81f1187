"""Put the small EarthGPT into the package: ``python -m scripts.pretraining.ship_earthgpt OUT``.

OUT is the folder in which ``earthgpt.py`` and then ``earthgpt_boxes.py`` trained. Weights are written in bfloat16, in
which most of them are used anyway, with the digest that ``load_tiny_earthgpt`` checks. Once ``evaluate_earthgpt.py``
has measured them, ``--card`` writes the model card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from mfnet_lite.nets.earthgpt_weights import FITTING, NAME, encoders_hash
from mfnet_lite.runs.dialogue_run import load_earthgpt, stage_folder
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of
from mfnet_lite.utils.provenance import versions
from scripts.pretraining.earthgpt_boxes import SUMMARY, trained_state

WEIGHTS = Path("mfnet_lite/weights")


def ship(out: Path, folder: Path = WEIGHTS) -> None:
    """Write weights and digest.

    Args:
        out: Where they were trained.
        folder: Where they go.

    Raises:
        ValueError: If the last training is not finished, or of another model.
    """
    run, boxes = out / "tiny", out / "boxes"
    record, model = load_earthgpt(run)
    if not (boxes / SUMMARY).exists():
        raise ValueError(
            f"{boxes} holds no finished training; run scripts/pretraining/earthgpt_boxes.py again, which goes on"
        )
    state = load_file(boxes / "model.safetensors")
    if state.keys() != trained_state(model).keys():
        raise ValueError(f"{boxes} and {run} hold different models; train into an empty folder")
    tensors = {name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}
    target = folder / f"{NAME}.safetensors"
    with replacing(target) as temporary:
        save_file(tensors, temporary)
    config = record.network
    stages: dict[str, Any] = {
        number: json.loads((stage_folder(run, int(number)) / "summary.json").read_text())
        for number in record.stages
    }
    stages["boxes"] = json.loads((boxes / SUMMARY).read_text())
    facts = {
        "file": target.name,
        "size": target.stat().st_size,
        "sha256": sha256_of(target),
        "options": {name: getattr(config, name) for name in FITTING} | {"words": config.words},
        "perception": encoders_hash(model.perception),
        "training": {
            "stages": {
                number: {
                    key: stage[key] for key in ("steps", "loss", "seconds", "trained_parameters")
                }
                for number, stage in stages.items()
            },
            "versions": versions(),
        },
    }
    write_text(folder / f"{NAME}.json", json.dumps(facts, indent=1) + "\n")


CARD = """# Model card: `earthgpt_tiny`

EarthGPT in small, pre-trained on photographs: a LLaMA of {words:,} tokens and 857,216 weights, and the projection of
visual tokens. Load it with `mfnet_lite.nets.earthgpt_tiny.load_tiny_earthgpt()`; in front of it stand, frozen and not
in the file, the small SAM and EfficientNet-Lite0.

**Made for** the chapters of the book and for tests, on a CPU. Nothing measured with it is a benchmark result.

**Trained on** drawn towns alone, in three steps. `scripts/pretraining/earthgpt.py`: {zero} steps of text without
images, in which all weights of the language model train (stage 0), then {one:,} steps of photographs with everything
that is asked of them but oriented boxes, in which projection, attention and norms train (stage 1). After that it
answered questions about whole images and wrote boxes at random, so `scripts/pretraining/earthgpt_boxes.py` went on for
{two:,} steps in which all weights train again and single questions about boxes are asked of parts of photographs.
(The first 2,800 of these followed the schedule of a training of 6,000 steps, which was then shortened to this length.)
{minutes:.0f} minutes on a shared CPU; loss at the end {loss:.3f}. Radar and thermal images were never seen; the *words*
of their dialogues were read.

**Scores** on {scenes} other scenes, {images} images of each sensor ({date}, commit {commit}); *other words* are
wordings of questions that no training used.

{table}

**Not good at**: see the rows that stay near the mean image or the most frequent answers. It knows {words:,} tokens of
one topic, nothing about the world outside these drawings, and answers every question with confidence.

File: {megabytes:.1f} MB, bfloat16, SHA-256 `{sha256}`. Licence: Apache-2.0, as the package.
"""
SCORES = {
    "classification": "accuracy",
    "vqa": "accuracy",
    "region captioning": "accuracy",
    "captioning": "CIDEr",
    "grounding": "mean IoU",
    "detection": "F1",
    "oriented detection": "F1",
}


def score_table(scores: dict[str, Any]) -> str:
    """Write scores as a table.

    Args:
        scores: By sensor, way of asking and task.
    """
    ways = ("known", "other", "mean image", "most frequent")
    lines = [
        "| sensor | task (score) | known words | other words | mean image | most frequent |",
        "|---|---|---|---|---|---|",
    ]
    for sensor, found in scores.items():
        for task, name in SCORES.items():
            if task in found["known"]:
                values = [found[way][task][name] for way in ways]
                said = " | ".join("–" if v is None else f"{v:.2f}" for v in values)
                lines.append(f"| {sensor} | {task} ({name}) | {said} |")
    return "\n".join(lines)


def write_card(results: Path, folder: Path = WEIGHTS) -> None:
    """Write the model card from the measured scores.

    Args:
        results: What ``evaluate_earthgpt`` wrote.
        folder: Where the weights are.

    Raises:
        ValueError: If other weights were measured.
    """
    facts = json.loads((folder / f"{NAME}.json").read_text())
    record = json.loads(results.read_text())
    if record["provenance"]["sha256"] != facts["sha256"]:
        raise ValueError(
            f"{results} was measured with other weights than those in {folder}; run "
            "scripts/pretraining/evaluate_earthgpt.py again"
        )
    stages, settings = facts["training"]["stages"], record["settings"]
    text = CARD.format(
        words=512,
        zero=stages["0"]["steps"],
        one=stages["1"]["steps"],
        two=stages["boxes"]["steps"],
        minutes=sum(stage["seconds"] for stage in stages.values()) / 60,
        loss=stages["boxes"]["loss"],
        scenes=settings["test_scenes"],
        images=settings["test_scenes"] * settings["images_per_scene"],
        date=record["provenance"]["date"],
        commit=record["provenance"]["commit"],
        table=score_table(record["scores"]),
        megabytes=facts["size"] / 1e6,
        sha256=facts["sha256"],
    )
    write_text(folder / f"{NAME}.md", text)


def main() -> None:
    """Read the command line and ship, or write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", help="folder of the training")
    parser.add_argument("--card", type=Path, help="write the card from these scores instead")
    arguments = parser.parse_args()
    if arguments.out is not None:
        ship(arguments.out)
    if arguments.card is not None:
        write_card(arguments.card)


if __name__ == "__main__":
    main()
