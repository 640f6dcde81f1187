"""What networks on a tuned, otherwise frozen encoder have in common: what of them is trained, and what a delta says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from mfnet_lite.nets.inputs import sensor_order

if TYPE_CHECKING:
    from mfnet_lite.nets.config import NetworkConfig
    from mfnet_lite.tuning import NamesTrained


class TunedNetwork(nn.Module):
    """A network whose :attr:`encoder` trains what it names itself, and whose other parts train as a whole.

    Attributes:
        config: Its options.
        sensors: Bands by name, in the order of the network.
        encoder: The frozen encoder with what is trained in it.
    """

    config: NetworkConfig
    sensors: dict[str, int]

    def computation(self) -> dict[str, Any]:
        """Return what no tensor holds, for a delta's header: above all which sensor stands where."""
        return {"sensors": sensor_order(self.sensors), **self.config.computing()}

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is trained, for ``tuning.freeze``."""
        for name, parameter in self.named_parameters():
            if not name.startswith("encoder."):
                yield name, parameter
        for name, parameter in cast("NamesTrained", self.encoder).added_parameters():
            yield f"encoder.{name}", parameter
