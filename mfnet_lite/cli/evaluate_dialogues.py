"""``mfnet-lite evaluate`` of a run of EarthGPT: every question of a split answered alone, scored task by task."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mfnet_lite.cli.dialogue_inputs import FILE, DialogueData, open_dialogues, trained_on
from mfnet_lite.cli.dialogue_options import DialogueScoringOptions
from mfnet_lite.cli.options import check_sensor

if TYPE_CHECKING:
    from mfnet_lite.language.instructions import Task
    from mfnet_lite.language.scoring import TaskScores

    Scores = Mapping[str, Mapping[Task, TaskScores]]


def evaluate_dialogues(
    run: Path,
    folder: Path,
    split: str,
    options: DialogueScoringOptions,
    as_json: bool,
    device: str,
) -> None:
    """Score a run on dialogues, beside the most frequent answers of the training split.

    Args:
        run: The run folder.
        folder: Holds the dialogues.
        split: Which of them.
        options: How they are asked.
        as_json: Print JSON and nothing else.
        device: Where it computes.
    """
    from mfnet_lite.language.scoring import majority_answers
    from mfnet_lite.language.world_dialogues import PARAPHRASED
    from mfnet_lite.runs.blank_features import BlankFeatures
    from mfnet_lite.runs.dialogue_run import load_earthgpt
    from mfnet_lite.runs.earthgpt import answer_dialogues, score_dialogues
    from mfnet_lite.runs.image_features import ImageFeatures
    from mfnet_lite.utils.devices import pick_device

    target = pick_device(device)
    if options.max_tokens < 1:
        raise ValueError(f"--max-tokens must be at least 1, got {options.max_tokens}")
    sensor = None if options.sensor is None else check_sensor(options.sensor)
    data = open_dialogues(folder, split, PARAPHRASED if options.paraphrased else FILE)
    if sensor is not None:
        data = _of_sensor(data, sensor)
    config, model = load_earthgpt(run, target)
    if data.root == folder:
        typer.echo(
            f"note: {folder} has no folder {split}; all of {data.name} is evaluated", err=True
        )
    seen = trained_on(config, data)
    if seen:
        typer.echo(
            f"warning: {seen} of {len(data.dialogues)} dialogues are about images which {run} was trained on; the "
            "scores tell what it remembers, not what it does elsewhere",
            err=True,
        )
    training = _training_split(folder)
    known = () if training is None else training.dialogues
    # of one sensor alone, as in its row where all are scored
    corpus = [dialogue for dialogue in known if sensor in (None, dialogue.sensor)]
    # before the long part, so that what scores cannot do without is missed at once
    usual = score_dialogues(data.dialogues, majority_answers(known, data.dialogues), corpus)
    progress = not as_json and sys.stderr.isatty()
    features = ImageFeatures(model, data.root, data.dialogues)
    shown = BlankFeatures(features) if options.blank else features
    answers = answer_dialogues(
        model, data.dialogues, shown, max_new_tokens=options.max_tokens, progress=progress
    )
    scores = score_dialogues(data.dialogues, answers, corpus)
    result = {
        "split": split,
        "file": data.name,
        "sensor": sensor,
        "paraphrased": options.paraphrased,
        "blank": options.blank,
        "max_tokens": options.max_tokens,
        "dialogues": len(data.dialogues),
        "questions": sum(len(dialogue.exchanges) for dialogue in data.dialogues),
        "trained_on": seen,
        "scores": as_dict(scores),
        "majority": None if training is None else as_dict(usual),
        "majority_from": None if training is None else training.name,
    }
    if as_json:
        typer.echo(json.dumps(result, indent=1, allow_nan=False))
    else:
        _print_table(result)


def as_dict(scores: Scores) -> dict[str, Any]:
    """Write scores as JSON has them: by ``"all"`` or sensor, then by task; null where nothing defines a score.

    Args:
        scores: What ``score_dialogues`` returned.
    """
    return {
        group: {
            task: {
                "questions": each.questions,
                "malformed": each.malformed,
                "scores": {
                    name: None if math.isnan(value) else value
                    for name, value in each.scores.items()
                },
            }
            for task, each in tasks.items()
        }
        for group, tasks in scores.items()
    }


def _of_sensor(data: DialogueData, sensor: str) -> DialogueData:
    """The dialogues of one sensor."""
    own = [dialogue for dialogue in data.dialogues if dialogue.sensor == sensor]
    if not own:
        there = ", ".join(dict.fromkeys(dialogue.sensor for dialogue in data.dialogues))
        raise ValueError(
            f"{data.root / data.file} holds no dialogue of {sensor}: expected one of {there}; choose another --sensor"
        )
    return replace(data, dialogues=own)


def _training_split(folder: Path) -> DialogueData | None:
    """The training split of a folder, if it has one."""
    try:
        return open_dialogues(folder, "train")
    except FileNotFoundError:
        return None


def _print_table(result: Mapping[str, Any]) -> None:
    """Print scores for people: all of them, and where there are several sensors each of them."""
    from rich.console import Console
    from rich.table import Table

    console = Console(force_jupyter=False)  # text also inside a notebook
    asked = ["in other wordings"] * result["paraphrased"] + ["a mean image for each"] * result[
        "blank"
    ]
    for group, tasks in result["scores"].items():
        words = ", ".join(([] if group == "all" else [group]) + asked)
        title = f"{result['file']}{', ' * bool(words)}{words}"
        table = Table("task", "score", "model", "majority", "malformed", "questions", title=title)
        for task, row in tasks.items():
            usual = (result["majority"] or {}).get(group, {}).get(task, {}).get("scores", {})
            head = (task, _percent(row["malformed"]), f"{row['questions']:,}")
            for name, value in row["scores"].items():
                shown = (_score(name, value), _score(name, usual.get(name)))
                table.add_row(head[0], name, *shown, *head[1:])
                head = ("", "", "")
        console.print(table)
    if result["majority"] is None:
        typer.echo("no training split here, so nobody can say which answers are the most frequent")
    else:
        typer.echo(f"majority: the most frequent answer of {result['majority_from']}")


def _score(name: str, value: float | None) -> str:
    """A score as percentage, CIDEr as it is; a dash where it is not defined."""
    if value is None:
        return "–"
    return f"{value:.2f}" if name == "CIDEr" else _percent(value)


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
