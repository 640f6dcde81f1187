"""A run before its first step: what its config says, and the network it starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfnet_lite.cli.options import check_nodata_policy
from mfnet_lite.cli.reading import ReadingOptions

if TYPE_CHECKING:
    from torch import nn

    from mfnet_lite.rasters import TileSet
    from mfnet_lite.runs.run_config import RunConfig
    from mfnet_lite.training import TrainConfig


def refuse_overwriting(out: Path, resume: bool) -> None:
    """Refuse to begin a run where there is one.

    Args:
        out: The run's folder.
        resume: Whether that run is to be continued.

    Raises:
        FileExistsError: If there is a run and it is not.
    """
    from mfnet_lite.runs.dialogue_run import holds_dialogue_run
    from mfnet_lite.training.state import STATE_FILE

    if not resume and ((out / STATE_FILE).exists() or holds_dialogue_run(out)):
        raise FileExistsError(
            f"{out} already holds a run; continue it with --resume, or choose another --out"
        )


def draft_run(
    model: str,
    options: Mapping[str, Any],
    dataset: TileSet,
    reading: ReadingOptions,
    size: int | None,
    seed: int,
) -> RunConfig:
    """Write down what is known of a run before its network is built.

    Args:
        model: Name of the network.
        options: Options given by the user.
        dataset: What it is trained on.
        reading: How that is read.
        size: Side of the crops, None for what the network wants.
        seed: Of weights, crops and order.

    Raises:
        ValueError: If a value is not among those that an option lists.
    """
    from mfnet_lite.nets.registry import make_config
    from mfnet_lite.runs.colours import colours_for
    from mfnet_lite.runs.data import channels_of, describe_dataset, sensors_of
    from mfnet_lite.runs.run_config import RunConfig
    from mfnet_lite.utils.provenance import versions

    info = dataset.info
    network = make_config(model, options).with_classes(info.classes)
    return RunConfig(
        model=model,
        options=network.options(),
        channels=channels_of(dataset, "train"),
        sensors=sensors_of(dataset, "train"),
        classes=info.classes,
        palette=colours_for(info.num_classes, info.palette),
        ignore_index=info.ignore_index,
        scaling=reading.scaling,
        size=network.crop if size is None else size,
        seed=seed,
        gsd=info.gsd,
        gsd_measured=info.gsd_measured,
        holes=check_nodata_policy(reading.nodata_policy),
        dataset=describe_dataset(dataset),
        versions=versions(),
    )


def built(
    draft: RunConfig, config: TrainConfig, extra: Mapping[str, Any]
) -> tuple[nn.Module, RunConfig]:
    """Build the network of a run and write down what follows from it.

    Args:
        draft: What is known so far.
        config: Settings of the training.
        extra: Settings that are no part of it, such as the weights of losses.

    Returns:
        The network with its initial weights, and the whole config of the run.

    Raises:
        ValueError: If crops, losses or a learning rate do not fit the network.
    """
    from mfnet_lite.runs.folder import frozen_hash
    from mfnet_lite.training.optim import check_mixing

    network = draft.build()
    check_mixing(network, config)
    check_crop(draft.size, draft.network.crop_multiple(network))
    for name in ("objects", "class_balance"):
        if name in extra and callable(getattr(network, "loss", None)):
            option = name.replace("_", "-")
            raise ValueError(
                f"--{option} does not fit {draft.model}, which brings a loss of its own; leave it out"
            )
    return network, replace(draft, base=frozen_hash(network), train=asdict(config) | dict(extra))


def check_crop(size: int, multiple: int) -> None:
    """Refuse crops that a vision transformer cannot cut into its patches.

    Args:
        size: Side of the crops.
        multiple: What it must be a multiple of.

    Raises:
        ValueError: With the nearest sizes that work.
    """
    if size % multiple:
        below, above = size - size % multiple, size - size % multiple + multiple
        raise ValueError(
            f"--size {size} cannot be cut into patches of {multiple} x {multiple} pixels: expected "
            f"a multiple of {multiple}; take {below or above} or {above}"
        )


def trained_words(run: RunConfig, summary: Mapping[str, Any], out: Path) -> str:
    """Say in a line how a training went.

    Args:
        run: What was trained.
        summary: As :func:`mfnet_lite.training.fit` returns it.
        out: The run's folder.
    """
    share = summary["trained_parameters"] / max(summary["parameters"], 1)
    trained = "" if share == 1 else f" ({summary['trained_parameters']:,} weights, {share:.1%})"
    return (
        f"trained {run.model} on {', '.join(run.channels)}{trained}: {summary['steps']} steps in "
        f"{summary['seconds']:.0f} s, loss {summary['loss']:.3f}; run in {out}"
    )
