"""``mfnet-lite train --model earthgpt``: from dialogues to a run folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from mfnet_lite.cli.dialogue_inputs import content_of, described, dialogue_inputs, open_dialogues
from mfnet_lite.cli.dialogue_options import (
    STEPS_OPTIONS,
    DialogueTrainingOptions,
    stage_settings,
)
from mfnet_lite.cli.inputs import check_same_inputs
from mfnet_lite.utils.counted_nouns import counted


def train_dialogues(
    folder: Path,
    out: Path,
    options: DialogueTrainingOptions,
    training: Mapping[str, Any],
    network: Mapping[str, Any],
    resume: bool,
) -> None:
    """Train EarthGPT stage after stage and write a run folder.

    Args:
        folder: Holds the dialogues.
        out: The run folder.
        options: Of the training on dialogues.
        training: Of every training.
        network: Of the model.
        resume: Whether the run in ``out`` goes on.
    """
    from mfnet_lite.nets.earthgpt import EarthGPTConfig
    from mfnet_lite.runs.dialogue_run import NAME, load_dialogue_run
    from mfnet_lite.runs.earthgpt import new_run, train_earthgpt
    from mfnet_lite.runs.run_config import CONFIG_FILE
    from mfnet_lite.utils.processes import torchrun_ranks
    from mfnet_lite.utils.provenance import versions

    # what can be told to be wrong before any file of data is read
    if training["devices"] * training["nodes"] > 1 or torchrun_ranks().world > 1:
        raise ValueError(
            f"{NAME} is trained on one device, stage after stage: expected --devices 1 --nodes 1 and no torchrun; "
            "leave them out"
        )
    config = EarthGPTConfig(**network)
    common = dict(training) | {"progress": sys.stderr.isatty()}
    stages = stage_settings(config, options, common)
    if options.turns < 0:
        raise ValueError(f"--turns must not be negative, got {options.turns}; 0 takes all")
    if options.first is not None and 1 not in stages:
        raise ValueError(
            "--first is for stage 1, which --stage1-steps 0 leaves out; leave one of them out"
        )
    if (out / CONFIG_FILE).exists() and not resume:
        raise FileExistsError(
            f"{out} already holds a run; continue it with --resume, or choose another --out"
        )
    before = load_dialogue_run(out) if resume else None

    data = {"train": open_dialogues(folder, "train")}
    if options.first is not None:
        data["first"] = open_dialogues(options.first, "train")
    inputs = dialogue_inputs(data)
    content = content_of(inputs)
    seed = training["seed"]
    said = data["train"]
    run = new_run(
        said.dialogues,
        config,
        stages,
        options.turns,
        seed,
        dataset=described(data),
        versions=versions(),
        content=content,
    )
    if before is not None:
        check_same_inputs(before.content, content, inputs, out)
    first = data.get("first")
    planned = [
        f"{settings.steps:,} steps of stage {number} ({STEPS_OPTIONS[number]})"
        for number, settings in stages.items()
    ]
    typer.echo(f"note: trains {', '.join(planned)}", err=True)
    _, summaries = train_earthgpt(
        run,
        said.dialogues,
        said.root,
        out,
        first=None if first is None else (first.dialogues, first.root),
        resume=resume,
        progress=common["progress"],
    )
    sensors = ", ".join(dict.fromkeys(dialogue.sensor for dialogue in said.dialogues))
    typer.echo(
        f"trained {NAME} on {counted(len(said.dialogues), 'dialogue')} of {sensors}; run in {out}"
    )
    for number, summary in summaries.items():
        typer.echo(f"stage {number}: {stage_words(summary)}")


def stage_words(summary: Mapping[str, Any]) -> str:
    """Say in a line how a stage went.

    Args:
        summary: As :func:`mfnet_lite.training.fit` returns it.
    """
    trained, every = summary["trained_parameters"], summary["parameters"]
    return (
        f"{summary['steps']} steps in {summary['seconds']:.0f} s, loss {summary['loss']:.3f}, "
        f"{trained:,} weights trained ({trained / max(every, 1):.1%})"
    )
