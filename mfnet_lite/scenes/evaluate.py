"""Scoring a model on whole tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Unpack

from torch import Tensor, nn
from tqdm.auto import tqdm

from mfnet_lite.metrics.segmentation import ConfusionMatrix
from mfnet_lite.scenes.windows import (
    Reader,
    WindowOptions,
    Windows,
    blend_windows,
    choose_windows,
)
from mfnet_lite.utils.samples import Samples


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: nn.Module,
    dataset: Samples,
    ignore_index: int = 255,
    windows: Windows | None = None,
    progress: bool = False,
    **options: Unpack[WindowOptions],
) -> ConfusionMatrix:
    """Predict every tile in overlapping windows and count.

    Args:
        model: Maps ``{sensor: (batch, channels, height, width)}`` to logits.
        dataset: Whole tiles with a label, of any size.
        ignore_index: Label of pixels without truth.
        windows: Size, stride and overlap mode of the windows; MFNet's evaluation is
            ``Windows(256, 32, "sum", repeat_border=True)``.
        progress: Whether to draw a progress bar over the tiles.
        **options: Fields of ``windows`` by keyword instead: ``window``, ``stride``, ``blend``, ….

    Returns:
        The confusion matrix of all tiles together; its ``scores()`` are the usual figures.

    Raises:
        ValueError: If there is no tile, or the windows would leave gaps.
    """
    windows = choose_windows(windows, options)
    matrix: ConfusionMatrix | None = None
    with evaluating(model):
        for index in tqdm(range(len(dataset)), unit="tile", disable=not progress):
            sample = dataset[index]
            label = sample["label"]
            sensors = {name: value for name, value in sample.items() if value.ndim == 3}
            height, width = label.shape
            for row, logits in blend_windows(model, read_from(sensors), height, width, windows):
                matrix = matrix or ConfusionMatrix(logits.shape[0], ignore_index)
                matrix.update(logits.max(0).indices, label[row : row + logits.shape[1]])
    if matrix is None:
        raise ValueError("there is no tile to score; check the folder and the split")
    return matrix


def read_from(sensors: Mapping[str, Tensor]) -> Reader:
    """Return what reads windows of tensors in memory."""
    return lambda window: {name: x[(..., *window.slices)] for name, x in sensors.items()}
