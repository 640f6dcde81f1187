"""The network of a run as one ONNX file for other runtimes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.runs.folder import load_run
from mfnet_lite.runs.run_config import RunConfig
from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.onnx_files import Agreement, by_class, check_onnx, convert_to_onnx

__all__ = ["export_run"]

OUTPUT = "logits"


class _InOrder(nn.Module):
    """A network that takes its sensors one after the other, as ONNX names them, instead of by name."""

    def __init__(self, network: nn.Module, sensors: Sequence[str]) -> None:
        super().__init__()
        self.network, self.sensors = network, tuple(sensors)

    def forward(self, *maps: Tensor) -> Tensor:
        out: Tensor = self.network(dict(zip(self.sensors, maps, strict=True)))
        return out


def export_run(
    run: str | Path,
    out: str | Path,
    samples: Sequence[Mapping[str, Float[Tensor, "channels size size"]]],
) -> Agreement:
    """Write the network of a run as an ONNX file, which gets its name only if onnxruntime gives the same answers.

    The file takes one window of one size at a time: windows of a vision transformer have a size of their own,
    and maps of scenes are made window by window anyway. Its inputs are the sensors, scaled to [0, 1] as in
    training; its metadata say how, and name the classes.

    Args:
        run: The run folder.
        out: The file.
        samples: Real inputs to compare on, a map per sensor; their size is that of the file's inputs.

    Returns:
        How well file and network agree: logits, and the class of each pixel.

    Raises:
        FileNotFoundError: If the folder is no run.
        ImportError: If the extra ``onnx`` is not installed.
        ValueError: If PyTorch cannot export the network, or the file gives other answers.
    """
    config, model = load_run(run)
    network = _InOrder(model, list(config.channels)).eval()
    inputs = [[sample[name][None] for name in config.channels] for sample in samples]
    with replacing(out) as temporary:
        try:
            convert_to_onnx(
                network, inputs[0], temporary, list(config.channels), [OUTPUT],
                metadata=_described(config),
            )  # fmt: skip
            return check_onnx(temporary, network, inputs, {OUTPUT: by_class})
        except ValueError as error:
            raise ValueError(f"{run} ({config.model}): {error}") from error


def _described(config: RunConfig) -> dict[str, str]:
    """What a user of the file has to know."""
    return {
        "model": config.model,
        "classes": json.dumps(config.classes, ensure_ascii=False),
        "sensors": json.dumps(config.sensors, ensure_ascii=False),
        "elevation_scaling": config.scaling,
        "gsd_m": json.dumps(config.gsd),
        "torch": torch.__version__,
    }
