"""``mfnet-lite train``: from a dataset to a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mfnet_lite.cli.assistance import ObjectOptions
from mfnet_lite.cli.balance import BalanceOptions
from mfnet_lite.cli.crops import CropOptions, training_crops, validation_tiles
from mfnet_lite.cli.dialogue_options import (
    DialogueTrainingOptions,
    dialogue_training_options,
    refuse,
    refuse_pixel_training,
)
from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.inputs import settle_content
from mfnet_lite.cli.labels import check_labels
from mfnet_lite.cli.network_options import check_owner, network_options
from mfnet_lite.cli.new_run import built, draft_run, refuse_overwriting, trained_words
from mfnet_lite.cli.option_groups import Generated, changed
from mfnet_lite.cli.reading import ReadingOptions, open_training_data
from mfnet_lite.cli.resume import continued
from mfnet_lite.cli.train_dialogues import train_dialogues
from mfnet_lite.cli.training_options import check_recipe, train_config, training_options
from mfnet_lite.utils.processes import is_first_process


@plain_errors
def train(
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    reading: ReadingOptions,
    crops: CropOptions,
    objects: ObjectOptions,
    balance: BalanceOptions,
    training: Annotated[dict[str, Any], Generated(training_options)],
    dialogues: Annotated[dict[str, Any], Generated(dialogue_training_options)],
    network: Annotated[dict[str, Any], Generated(network_options)],
    model: Annotated[str, typer.Option(help="Which network; `info` lists them.")] = "unet",
    recipe: Annotated[
        str, typer.Option(help="default (AdamW, cosine) or authors (MFNet's SGD, multi-step).")
    ] = "default",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
) -> None:
    """Train a network and write a run folder."""
    from mfnet_lite.nets.registry import DIALOGUE_NETWORKS
    from mfnet_lite.rasters.notes import Notes
    from mfnet_lite.training import fit
    from mfnet_lite.utils.devices import pick_device
    from mfnet_lite.utils.memory import check_memory

    # what the command line alone can tell to be wrong, before any file is read
    pick_device(training["device"])
    check_owner(model, network)
    check_recipe(recipe)
    questions = DialogueTrainingOptions(**dialogues)
    if model in DIALOGUE_NETWORKS:
        refuse_pixel_training((reading, crops, objects, balance), recipe, training, model)
        train_dialogues(folder, out, questions, training, network, resume)
        return
    refuse(changed(questions), "is about dialogues: expected --model earthgpt; leave it out")
    loss = objects.loss()
    balance.check()
    crops.check(recipe)
    refuse_overwriting(out, resume)

    data = open_training_data(folder, reading, training["seed"])
    draft = draft_run(model, network, data.dataset, reading, crops.size, training["seed"])
    config = train_config(training, recipe, draft)
    config.check_validation(bool(data.held_out))
    seen = crops.settled(recipe, draft.network.jitter)
    check_memory(
        4.0 * config.batch * draft.size**2 * sum(draft.channels.values()),
        f"a batch of {config.batch} crops of {draft.size} x {draft.size} pixels",
        "choose a smaller --batch or --size",
    )
    net, run = built(draft, config, seen.described() | objects.described() | balance.described())
    before = continued(out, run) if resume else None

    pixels = check_labels(folder, data.tiles, run.classes)
    maps = objects.files(data.tiles)
    content = settle_content(data.dataset, tuple(run.channels), maps, before, out)
    run = replace(run, content=content)
    notes = Notes()
    samples = training_crops(data.tiles, maps, run, seen, notes)
    val = validation_tiles(data.held_out, run, notes)
    if not resume and is_first_process():
        out.mkdir(parents=True, exist_ok=True)
        run.save(out)
    weighted = balance.weighted(loss, pixels, run.ignore_index)
    summary = fit(net, samples, val, config, out, weighted, resume)
    if is_first_process():
        typer.echo(trained_words(run, summary, out))
