"""What a network says of itself: its options, and how it wants to be trained and applied.

A network's config is a frozen dataclass in the network's own file. Its fields are the options, with type,
default and one line of help; constructor, command line, run folder and delta header read them from there::

    @dataclass(frozen=True)
    class TinyConfig(NetworkConfig):
        width: int = field(default=8, metadata={"help": "Channels inside."})

        def build(self, sensors, num_classes):
            return Tiny(sensors, num_classes, **self.without())

Metadata of a field: ``help``; ``computes=True`` where the option changes what is computed but no shape of a
tensor, so that a delta's header has to tell it; ``hidden=True`` keeps it off the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from torch import nn

WINDOW = 256
"""Side of the windows of a prediction for networks that do not care."""


@dataclass(frozen=True)
class NetworkConfig:
    """Options of a network; subclasses add them as fields and write :meth:`build`.

    Attributes:
        lr: Base learning rate of AdamW if nobody says.
        crop: Side of a training crop in pixels if nobody says.
        jitter: Largest relative change of the brightness of crops if nobody says. On few real tiles a U-Net,
            UNetFormer, MFNet and SAM-CD did better without (``book/few_labels.md``).
        recorded: Options that a run writes down even at their defaults; all others only where they differ.
        takes_missing_sensors: Whether the network does its best without one of its sensors, instead of
            refusing.
    """

    lr: ClassVar[float] = 3e-3
    crop: ClassVar[int] = 96
    jitter: ClassVar[float] = 0.0
    recorded: ClassVar[tuple[str, ...]] = ()
    takes_missing_sensors: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a value that an option with listed values does not list."""
        for name, allowed in self.choices().items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}; available: {', '.join(map(str, allowed))}"
                )

    def build(self, sensors: Mapping[str, int], num_classes: int) -> nn.Module:
        """Build the network.

        Args:
            sensors: Bands of each sensor, by name.
            num_classes: Number of classes.

        Returns:
            A module which maps ``{sensor: (batch, bands, height, width)}`` to logits
            ``(batch, num_classes, height, width)``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its network")

    def with_classes(self, classes: Sequence[str]) -> Self:
        """Return the config for these classes; a network that reads their words keeps them.

        Args:
            classes: Their names.
        """
        del classes
        return self

    @classmethod
    def choices(cls) -> dict[str, tuple[Any, ...]]:
        """List the allowed values of each option that is a ``Literal``."""
        hints = get_type_hints(cls)
        return {
            f.name: get_args(hints[f.name])
            for f in fields(cls)
            if get_origin(hints[f.name]) is Literal
        }

    def without(self, *names: str) -> dict[str, Any]:
        """Return all options but some, as arguments of a constructor."""
        return {name: value for name, value in asdict(self).items() if name not in names}

    def options(self) -> dict[str, Any]:
        """Return what a run writes down: :attr:`recorded`, then whatever is not as by default."""
        values = asdict(self)
        usual = {f.name: f.default for f in fields(self)}
        changed = [name for name in values if values[name] != usual[name]]
        return {name: values[name] for name in dict.fromkeys((*self.recorded, *changed))}

    def computing(self) -> dict[str, Any]:
        """Return the options that no tensor's shape tells, for a delta's header."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("computes")}

    def prediction_window(self, crop: int) -> int:
        """Side of the windows of a prediction if nobody says.

        A convolutional network does not care and gets large ones.

        Args:
            crop: Side of the crops that it was trained on.
        """
        del crop
        return WINDOW

    def crop_multiple(self, network: nn.Module) -> int:
        """Return what the side of a training crop must be a multiple of.

        Args:
            network: What :meth:`build` made.
        """
        del network
        return 1

    def with_weights(self) -> Self:
        """Return the config for a network whose trained weights are loaded next.

        Initial weights that would be fetched only to be replaced need not be fetched then.
        """
        return self


@dataclass(frozen=True)
class TransformerConfig(NetworkConfig):
    """A network on a vision transformer, which has learnt how far apart two patches can be."""

    def prediction_window(self, crop: int) -> int:
        """Windows of a prediction have the size of the crops."""
        return crop
