"""FastSAM as a frozen pyramid, for SAM-CD as its authors built it; the package behind it stays optional.

FastSAM (Zhao et al. 2023, arXiv 2306.12156) is YOLOv8-seg trained with one class on SAM's masks. SAM-CD
reads four of its layers: three outputs of the neck, and for the finest level the second convolution of
the stem, which is no semantic map. The authors edit three files of the installed package to get at
them; a forward hook on each layer does the same to any version, and the segmentation head behind them,
a sixth of the network, is never computed.

The package ``ultralytics`` is under the AGPL-3.0. It is no dependency of this library, which runs without
it: install it only if that licence suits what you build.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.encoders.pyramids import Pyramid
from mfnet_lite.nets.encoders.timm_network import STRIDES

TAPS = (1, 15, 18, 21)
"""YOLOv8's layers at strides 4, 8, 16 and 32: stem, and the three outputs of the neck."""
LICENCE = "AGPL-3.0"
PROBE = 64
"""Side of the image that asks for channels."""


class FastSamPyramid(Pyramid):
    """Four layers of a YOLOv8 segmentation network as a pyramid.

    Images go in as they are, RGB in [0, 1]: FastSAM was trained without mean and deviation.

    Args:
        net: The *inner* network, which maps images through the layers ``net.model[0]``, ``[1]``, … In
            ``ultralytics`` that is ``FastSAM(path).model``; the object around it is a module, too,
            but its ``train()`` starts a training run. The network is frozen.

    Raises:
        ValueError: If the layers are not there, or are not at strides 4, 8, 16 and 32.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        layers = getattr(net, "model", None)
        count = len(layers) if isinstance(layers, nn.Sequential | nn.ModuleList) else 0
        if count <= TAPS[-1]:
            raise ValueError(
                f"FastSAM needs a YOLOv8 network with at least {TAPS[-1] + 1} layers in net.model, got "
                f"{type(net).__name__} with {count}; pass the inner network, FastSAM(path).model"
            )
        self.net = net.float().requires_grad_(False)
        self.eval()
        with torch.no_grad():
            first = next(self.net.parameters())
            probe = self.features(torch.zeros(1, 3, PROBE, PROBE, device=first.device))
        strides = tuple(PROBE // x.shape[-1] for x in probe)
        if strides != STRIDES:
            raise ValueError(
                f"layers {', '.join(map(str, TAPS))} of this network are at strides {strides}, expected "
                f"{STRIDES}; FastSAM is built on YOLOv8, other versions of YOLO number their layers "
                "differently"
            )
        a, b, c, d = (x.shape[1] for x in probe)
        self.channels = (a, b, c, d)

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Run the network up to the last layer that is read, and return the outputs of the four layers."""
        layers: Any = self.net.model
        outputs: dict[int, Tensor] = {}

        def listen(index: int) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
                outputs[index] = output
                if index == TAPS[-1]:
                    raise _EnoughError

            return hook

        handles = [layers[index].register_forward_hook(listen(index)) for index in TAPS]
        try:
            self.net(images)
        except _EnoughError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [outputs[index] for index in TAPS]


def open_fastsam(path: str | Path) -> FastSamPyramid:
    """Open FastSAM's own weights through the optional package ``ultralytics``.

    Args:
        path: The checkpoint, such as ``FastSAM-x.pt`` or ``FastSAM-s.pt``. It is a pickle, which may run
            code when it is opened: take it from a source you trust.

    Raises:
        ImportError: If ``ultralytics`` is not installed.
        FileNotFoundError: If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path} does not exist, expected FastSAM's weights; download FastSAM-x.pt or FastSAM-s.pt "
            "and name the file"
        )
    try:
        from ultralytics import FastSAM  # type: ignore[import-not-found]
    except ImportError as error:
        raise ImportError(
            f"FastSAM needs the optional package ultralytics, which is under the {LICENCE}: install it "
            "with `pip install ultralytics` if that licence suits you, or take another backbone, such "
            "as tiny or timm:resnet18"
        ) from error
    return FastSamPyramid(FastSAM(str(path)).model)


class _EnoughError(Exception):
    """All layers that are read have run."""
