"""A convolutional network run stage by stage, behind the interface of a plain vision transformer.

What stands beside a vision transformer in MFuser need not be one. A network of timm is cut where its maps reach
strides 4, 8, 16 and 32; between the cuts a map is laid out as tokens, row by row::

    images ── embed ── stride 4 ── block 0 ── stride 8 ── block 1 ── stride 16 ── block 2 ── stride 32 ── final
                       tokens                 tokens                 tokens                  tokens       map

Channels grow and the grid halves with every block; :meth:`StagedCNN.width_after` and :meth:`StagedCNN.grid_after` tell.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.encoders.plain_vit import Grid, Images, PlainViT, Tokens
from mfnet_lite.nets.encoders.timm_network import STRIDES, TimmNetwork
from mfnet_lite.nets.encoders.timm_weights import input_statistics


class StagedCNN(PlainViT):
    """A frozen convolutional network of timm in three blocks; running statistics stay as they are.

    Args:
        network: From :func:`~mfnet_lite.nets.encoders.timm_network.open_timm`.

    Raises:
        ValueError: If the network is no chain of stages.
    """

    prefix = 0
    patch = STRIDES[-1]  # of the last grid: what sides of images must be multiples of
    depth = len(STRIDES) - 1

    def __init__(self, network: TimmNetwork) -> None:
        super().__init__()
        parts = _chain(network.net)
        ends = [_end(network, parts, level) for level in network.levels]
        cuts = list(pairwise([0, *ends]))
        self.stages = nn.ModuleList(
            nn.Sequential(*[module for _, module in parts[first:last]]) for first, last in cuts
        ).requires_grad_(False)
        self.widths = network.channels
        self.width, self.channels = self.widths[0], self.widths[-1]
        self._keep(*input_statistics(network.net))
        self.eval()

    def grid(self, images: Images) -> Grid:
        """Return rows and columns of the first tokens, at stride 4.

        Args:
            images: Sides must be multiples of 32, so that every map has whole cells.

        Raises:
            ValueError: If they are not, or the shape is another.
        """
        rows, columns = super().grid(images)
        cells = STRIDES[-1] // STRIDES[0]
        return rows * cells, columns * cells

    def width_after(self, number: int) -> int:
        """Return the channels of the map after a block."""
        return self.widths[number + 1]

    def grid_after(self, number: int, grid: Grid) -> Grid:
        """Return the grid after a block: half of that before it."""
        del number
        return grid[0] // 2, grid[1] // 2

    def embed(self, images: Images) -> Tokens:
        """Run stem and first stage."""
        return rearrange(self.stages[0](images), "b c h w -> b (h w) c")

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one further stage."""
        maps = rearrange(tokens, "b (h w) c -> b c h w", h=grid[0], w=grid[1])
        return rearrange(self.stages[number + 1](maps), "b c h w -> b (h w) c")

    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Return the last map; grid is that after the last block."""
        return rearrange(tokens, "b (h w) c -> b c h w", h=grid[0], w=grid[1])


def _chain(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules that timm runs one after the other, by the names of its feature information."""
    inner: Any = net
    children = list(net.named_children())
    kind = type(net).__name__
    if kind == "FeatureListNet" and str(getattr(inner.output_fmt, "value", "")) == "NCHW":
        return children
    if kind in ("EfficientNetFeatures", "MobileNetV3Features") and inner.feature_hooks is None:
        front = [(name, module) for name, module in children if name != "blocks"]
        return front + [
            (f"blocks.{name}", module) for name, module in inner.blocks.named_children()
        ]
    raise ValueError(
        f"timm gives the maps of this network as a {kind}, expected one whose stages are run one after the other, "
        "with channels first; choose such a network, e.g. resnet18, convnext_tiny or tf_efficientnet_lite0"
    )


def _end(network: TimmNetwork, parts: list[tuple[str, nn.Module]], level: int) -> int:
    """Return how many modules it takes to a level."""
    inner: Any = network.net
    module = inner.feature_info.module_name(level)
    names = [name.replace("_", ".") for name, _ in parts]
    return names.index(module.replace("_", ".")) + 1
