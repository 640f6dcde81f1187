"""Score the small EarthGPT of the package on scenes that nothing was trained on.

    python -m scripts.pretraining.evaluate_earthgpt OUT

Photographs, which its first stage saw others of, and radar and thermal images, which it never saw; in the wordings of
its training and in others; beside the mean image and the most frequent answers. Writes
``book/results/earthgpt_tiny.json``, from which ``ship_earthgpt`` makes the model card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfnet_lite.language.instructions import SENSORS
from mfnet_lite.language.scoring import majority_answers, score_answers
from mfnet_lite.language.world_dialogues import DialogueConfig, write_world_instructions
from mfnet_lite.nets.earthgpt_tiny import load_tiny_earthgpt
from mfnet_lite.nets.earthgpt_weights import tiny_earthgpt_hash
from mfnet_lite.runs.blank_features import BlankFeatures
from mfnet_lite.runs.earthgpt import answer_dialogues, dialogues_of_split
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import versions
from scripts.experiments.earthgpt.runs import PARAPHRASED, plain
from scripts.experiments.lines import ROOT, stamp
from scripts.experiments.made_once import made_once

SCENES, SEED, SIZE, CROPS = 16, 650_000, 96, 4
TEST = 10
"""Scenes of the test; the others tell which answers are frequent."""
LONGEST = 96


def write_data(folder: Path, scenes: int = SCENES, test: int = TEST) -> None:
    """Write scenes that no training uses."""
    share = test / scenes
    write_world_instructions(
        folder, scenes, SIZE, SEED, crops=CROPS, config=DialogueConfig(most_boxes=3),
        splits=(1 - share, 0.0, share), quiet=True,
    )  # fmt: skip


def measured(folder: Path) -> dict[str, Any]:
    """Return scores by sensor and way of asking.

    Args:
        folder: What :func:`write_data` wrote.
    """
    model = load_tiny_earthgpt()
    _, others = dialogues_of_split(folder, "train")
    found: dict[str, Any] = {}
    for sensor in SENSORS:
        corpus = [dialogue for dialogue in others if dialogue.sensor == sensor]
        for how, file in (("known", "instructions.json"), ("other", PARAPHRASED)):
            home, asked = dialogues_of_split(folder, "test", file)
            asked = [dialogue for dialogue in asked if dialogue.sensor == sensor]
            features = ImageFeatures(model, home, asked)
            ways = {how: features} | (
                {"mean image": BlankFeatures(features)} if how == "known" else {}
            )
            answers = {
                name: answer_dialogues(model, asked, shown, max_new_tokens=LONGEST, progress=False)
                for name, shown in ways.items()
            }
            if how == "known":
                answers["most frequent"] = majority_answers(corpus, asked)
            for name, said in answers.items():
                found.setdefault(sensor, {})[name] = plain(score_answers(asked, said, corpus))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the scenes")
    parser.add_argument(
        "--result", type=Path, default=ROOT / "book" / "results" / "earthgpt_tiny.json"
    )
    parser.add_argument("--smoke", action="store_true", help="two scenes")
    args = parser.parse_args(arguments)
    scenes = (2, 1) if args.smoke else (SCENES, TEST)
    folder = made_once(args.out / f"scenes_{scenes[0]}", lambda fresh: write_data(fresh, *scenes))
    table = {
        "scores": measured(folder),
        "settings": {"test_scenes": scenes[1], "images_per_scene": CROPS**2, "size": SIZE},
        "provenance": {
            "command": "python -m scripts.pretraining.evaluate_earthgpt OUT",
            "sha256": tiny_earthgpt_hash(),
            "versions": versions(),
            **stamp(),
        },
    }
    write_text(args.result, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
