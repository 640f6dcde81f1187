"""``mfnet-lite info``: what is installed here, or what a run folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.train_dialogues import stage_words
from mfnet_lite.utils.counted_nouns import counted


@plain_errors
def info(
    run: Annotated[Path | None, typer.Argument(help="A run folder to describe instead.")] = None,
) -> None:
    """Print versions, devices, the cache folder and which weights are here; or describe a run."""
    lines = _installation() if run is None else _described(run)
    for name, value in lines:
        typer.echo(f"{name:17} {value}")


def _installation() -> list[tuple[str, str]]:
    """Versions, device, networks, weights."""
    import torch

    from mfnet_lite.language.packaged_llama import NAME, smollm2_status
    from mfnet_lite.nets.encoders.open_vision_language import vision_language_pairs
    from mfnet_lite.nets.encoders.packaged_weights import packaged_encoders
    from mfnet_lite.nets.registry import all_models
    from mfnet_lite.sam.checkpoints import NAMES, REGISTRY, cache_folder, find_checkpoint
    from mfnet_lite.utils.devices import pick_device
    from mfnet_lite.utils.provenance import versions

    lines = list(versions().items())
    device = pick_device()
    label = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    lines.append(("device", f"{label} ({torch.get_num_threads()} CPU threads)"))
    lines.append(("models", ", ".join(all_models())))
    lines.append(("cache", str(cache_folder())))
    for name in NAMES:
        if name in REGISTRY:
            here = (cache_folder() / REGISTRY[name].name).is_file()
            status = "here" if here else "not here, downloaded on first use"
        else:
            try:
                status = f"here, {find_checkpoint(name).name}"
            except FileNotFoundError:
                status = "missing from this installation"
        lines.append((f"weights {name}", status))
    for name, status in packaged_encoders().items():
        lines.append((f"weights timm:{name}", status))
    for name, status in vision_language_pairs().items():
        lines.append((f"pair {name}", status))
    lines.append((f"language {NAME}", smollm2_status()))
    return lines


def _described(run: Path) -> list[tuple[str, str]]:
    """What was trained, on what, and how large it is."""
    from mfnet_lite.runs.dialogue_run import holds_dialogue_run
    from mfnet_lite.runs.folder import load_run
    from mfnet_lite.tuning import count

    if holds_dialogue_run(run):
        return _dialogues_described(run)
    config, model = load_run(run)
    options = ", ".join(f"{key} {value}" for key, value in config.options.items())
    sensors = ", ".join(
        f"{name} ({counted(bands, 'band')})" for name, bands in config.channels.items()
    )
    tiles = {split: len(ids) for split, ids in config.dataset.get("tiles", {}).items()}
    splits = ", ".join(f"{number} {split}" for split, number in tiles.items())
    numbers = count(model)
    return [
        ("model", f"{config.model} ({options})" if options else config.model),
        ("sensors", sensors),
        ("classes", ", ".join(config.classes)),
        ("data", f"{config.dataset.get('kind')}: {splits} tiles"),
        ("crops", f"{config.size} x {config.size} pixels, elevations scaled by {config.scaling}"),
        ("steps", str(config.train.get("steps"))),
        ("parameters", f"{numbers.trained:,} trained of {numbers.base + numbers.added:,}"),
        ("weights of base", config.base[:12] if config.base else "none, all were trained"),
    ]


def _dialogues_described(run: Path) -> list[tuple[str, str]]:
    """The same for a network that answers questions; nothing is loaded."""
    from mfnet_lite.runs.dialogue_run import NAME, load_dialogue_run, summary_of

    config = load_dialogue_run(run)
    options = {key: value for key, value in config.options.items() if key != "words"}
    words = len(config.network.words)
    lines = [("model", f"{NAME} ({', '.join(f'{key} {value}' for key, value in options.items())})")]
    if config.network.needs_text:
        lines.append(("vocabulary", f"{words} words of the training's dialogues"))
    for file, sensors in config.dataset.get("files", {}).items():
        told = [
            f"{numbers['dialogues']} {sensor} ({', '.join(f'{n} {task}' for task, n in numbers['questions'].items())})"
            for sensor, numbers in sensors.items()
        ]
        lines.append(("dialogues", f"{file}: {'; '.join(told)}"))
    for number, settings in config.stages.items():
        summary = summary_of(run, int(number))
        told_of = (
            f"{settings['steps']} steps asked for, not at its end; go on with --resume"
            if summary is None
            else stage_words(summary)
        )
        lines.append((f"stage {number}", told_of))
    lines.append(("questions", f"{config.turns or 'all'} of a dialogue in a step"))
    lines.append(("weights of base", config.base[:12]))
    return lines
