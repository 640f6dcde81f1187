"""Scoring a model on whole tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from tqdm.auto import tqdm

from mfnet_lite.metrics.segmentation import ConfusionMatrix
from mfnet_lite.scenes.windows import Blend, Reader, blend_windows
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
    window: int = 256,
    stride: int | None = None,
    blend: Blend = "smooth",
    batch: int = 4,
    official: bool = False,
    progress: bool = False,
) -> ConfusionMatrix:
    """Predict every tile in overlapping windows and count.

    Args:
        model: maps ``{sensor: (batch, channels, height, width)}`` to logits.
        dataset: whole tiles with a label, of any size.
        ignore_index: label of pixels without truth.
        window: side of a window.
        stride: step of the windows, half a window without.
        blend: how overlaps are joined; ``"sum"`` with ``official`` is MFNet's evaluation.
        batch: windows per forward pass.
        official: repeat border windows as MFNet's loop does.
        progress: whether to draw a progress bar over the tiles.

    Returns:
        The confusion matrix of all tiles together; ask it for ``scores()``.
    """
    matrix: ConfusionMatrix | None = None
    with evaluating(model):
        for index in tqdm(range(len(dataset)), unit="tile", disable=not progress):
            sample = dataset[index]
            label = sample["label"]
            sensors = {name: value for name, value in sample.items() if value.ndim == 3}
            height, width = label.shape
            for row, logits in blend_windows(
                model,
                cutter(sensors),
                height,
                width,
                window=window,
                stride=stride,
                blend=blend,
                batch=batch,
                official=official,
            ):
                matrix = matrix or ConfusionMatrix(logits.shape[0], ignore_index)
                matrix.update(logits.argmax(0), label[row : row + logits.shape[1]])
    if matrix is None:
        raise ValueError("there is no tile to score; check the folder and the split")
    return matrix


def cutter(sensors: Mapping[str, Tensor]) -> Reader:
    """Return a reader of windows of tensors in memory."""
    return lambda window: {name: x[(..., *window.slices)] for name, x in sensors.items()}
