"""The folder of a trained model: everything needed to rebuild it and use it on other data.

``config.json`` says what was built and on what, ``model.safetensors`` holds the trained weights,
``state.pt`` what a resume needs, ``log.csv`` and ``summary.json`` how it went. The frozen weights of a
foundation model are not in the folder; ``config.json`` keeps their SHA-256, so that the trained ones
cannot land on another base.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from mfnet_lite.runs.colours import colours_for
from mfnet_lite.runs.data import (
    channels_of,
    check_fits,
    describe_dataset,
    seen_in_training,
    sensors_of,
)
from mfnet_lite.runs.run_config import CONFIG_FILE, RunConfig, load_config
from mfnet_lite.training.state import MODEL_FILE, load_model
from mfnet_lite.tuning import base_hash

__all__ = [
    "CONFIG_FILE",
    "RunConfig",
    "channels_of",
    "check_fits",
    "colours_for",
    "describe_dataset",
    "frozen_hash",
    "load_config",
    "load_run",
    "seen_in_training",
    "sensors_of",
]


def load_run(folder: str | Path) -> tuple[RunConfig, nn.Module]:
    """Rebuild the model of a run, with its trained weights, in evaluation mode.

    Args:
        folder: The run.

    Returns:
        Config and model.

    Raises:
        FileNotFoundError: If the folder is no run, or lacks its weights.
        ValueError: If the weights do not fit, or the frozen ones are not those of the training.
    """
    config = load_config(folder)
    model = config.build(trained=True)
    found = frozen_hash(model)
    if found != config.base:
        expected, got = (value[:12] + "…" if value else "none" for value in (config.base, found))
        raise ValueError(
            f"{folder} was trained on other frozen weights of {config.options.get('backbone')!r}: "
            f"expected SHA-256 {expected}, found {got}; give the file it was trained with (or the "
            "version of the package that ships it), or train again"
        )
    load_model(model, Path(folder) / MODEL_FILE)
    return config, model.eval()


def frozen_hash(model: nn.Module) -> str | None:
    """Hash what training leaves alone.

    Args:
        model: A network as built, with ``requires_grad`` set as during training.

    Returns:
        SHA-256 as 64 hexadecimal digits; None if every parameter is trained.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return None
    return base_hash(model)
