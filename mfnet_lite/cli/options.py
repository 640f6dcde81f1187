"""Which options belong to which network, and what they are when nobody says."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.losses import AssistedLoss
    from mfnet_lite.scenes.windows import Blend

KINDS = "auto, folder, pairs, loveda, hunan, vaihingen or potsdam"
"""Words for ``--kind``, spelled out here because ``--help`` imports no reader."""

HOLES = ("any", "images", "first")
"""Words for ``--holes``; a test compares them with those of the reader."""

SAME = ("model", "options", "channels", "classes", "scaling", "size", "dataset", "base")
TRAINED_SAME = ("light", "objects", "object_weight", "boundary_weight")
"""What a run and its continuation must share, as fields and among the settings of the training."""


@dataclass(frozen=True)
class Defaults:
    """What a network is trained with if the command line does not say otherwise.

    Attributes:
        lr: base learning rate of AdamW.
        size: side of a crop in pixels.
        options: of the builder.
    """

    lr: float = 3e-3
    size: int = 96
    options: Mapping[str, Any] = field(default_factory=dict)


DEFAULTS: Mapping[str, Defaults] = {
    "unet": Defaults(options={"width": 16, "depth": 4}),
    # Half the side of the small backbone's own input: a quarter of the work, and still eight of its
    # attention windows.
    "mfnet": Defaults(
        lr=2e-3,
        size=128,
        options={"backbone": "tiny", "tuning": "mmlora", "fusion": "dfm", "rank": 4},
    ),
    "unetformer": Defaults(options={"encoder": "resnet18"}),
    "sam_cd": Defaults(lr=1e-3, size=128, options={"backbone": "tiny", "temporal": 1.0}),
    # SamLP enlarges whatever it gets to its encoder's own input, as SAM does.
    "samlp": Defaults(size=256, options={"backbone": "tiny", "rank": 4}),
}


def defaults_of(model: str) -> Defaults:
    """Return the defaults of a network; those of the U-Net's recipe for one without an entry."""
    return DEFAULTS.get(model, Defaults())


def builder_options(model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Choose what a network's builder gets, and refuse what it would not understand.

    Args:
        model: name of the network.
        given: every option that some builder takes, None where the user said nothing.

    Returns:
        The defaults of the network with what was given.

    Raises:
        ValueError: if the network is unknown, or an option belongs to another one.

    Example:
        >>> builder_options("unet", {"width": 8, "depth": None})
        {'width': 8, 'depth': 4}
    """
    from mfnet_lite.nets import BUILDERS

    if model not in BUILDERS:
        raise ValueError(f"unknown model {model!r}; available: {', '.join(sorted(BUILDERS))}")
    said = {name: value for name, value in given.items() if value is not None}
    for name in said:
        owners = [m for m in sorted(BUILDERS) if name in parameters_of(BUILDERS[m])]
        if model not in owners:
            raise ValueError(
                f"--{name.replace('_', '-')} is no option of {model}, it belongs to {', '.join(owners) or 'none'}; "
                f"leave it out or choose another --model"
            )
    return dict(defaults_of(model).options) | said


def parameters_of(function: Any) -> tuple[str, ...]:
    """Names of the arguments of a function."""
    return tuple(inspect.signature(function).parameters)


def assisted_loss(
    objects: str | None, object_weight: float | None, boundary_weight: float | None
) -> AssistedLoss | None:
    """Make the loss with objects and boundaries, if maps of objects are given.

    Args:
        objects: folder of the maps, or the name of one.
        object_weight: of the object loss.
        boundary_weight: of the boundary loss.

    Raises:
        ValueError: if a weight is given without maps, or is negative.
    """
    from mfnet_lite.losses import AssistedLoss

    weights = {"object_weight": object_weight, "boundary_weight": boundary_weight}
    said: dict[str, Any] = {name: x for name, x in weights.items() if x is not None}
    if objects is None:
        if said:
            option = next(iter(said)).replace("_", "-")
            raise ValueError(
                f"--{option} needs maps of objects; make them with `mfnet-lite masks DATASET --out DIR` "
                "and say --objects DIR"
            )
        return None
    return AssistedLoss(**said)


def describe_loss(objects: str | None, loss: AssistedLoss | None) -> dict[str, Any]:
    """Say what a run was trained on beside its labels, without the paths of this machine."""
    if objects is None or loss is None:
        return {}
    return {
        "objects": Path(objects).resolve().name if Path(objects).is_dir() else objects,
        "object_weight": loss.object_weight,
        "boundary_weight": loss.boundary_weight,
    }


def vote(blend: str) -> tuple[Blend, bool]:
    """Turn the word of the command line into how windows are joined.

    Args:
        blend: ``smooth``, ``sum``, or ``authors``: the sum over windows with the repeats at the
            border which MFNet's own loop makes.

    Returns:
        Form of the weights, and whether border windows are repeated.

    Raises:
        ValueError: for another word.

    Example:
        >>> vote("authors")
        ('sum', True)
    """
    if blend == "smooth":
        return "smooth", False
    if blend in ("sum", "authors"):
        return "sum", blend == "authors"
    raise ValueError(f"unknown blend {blend!r}; available: smooth, sum, authors")


def check_window(window: int | None) -> None:
    """Refuse windows without pixels.

    Args:
        window: side in pixels, None where the user said nothing.

    Raises:
        ValueError: if it is below 1.
    """
    if window is not None and window < 1:
        raise ValueError(f"--window must be at least 1 pixel, got {window}")


def check_holes(holes: str) -> Any:
    """Refuse another word for ``--holes``.

    Args:
        holes: what the user wrote.

    Returns:
        The same.

    Raises:
        ValueError: with the words that there are.
    """
    if holes not in HOLES:
        raise ValueError(f"--holes must be one of {', '.join(HOLES)}, got {holes!r}")
    return holes


def listed(names: str | None, option: str) -> tuple[str, ...] | None:
    """``"a,b"`` → names, None if absent.

    Args:
        names: what the user wrote.
        option: the option's name, for the message.

    Raises:
        ValueError: if nothing is named.
    """
    if names is None:
        return None
    chosen = tuple(name.strip() for name in names.split(",") if name.strip())
    if not chosen:
        raise ValueError(f"--{option} names nothing; write for example --{option} optical,dsm")
    return chosen


def band_numbers(text: str | None) -> tuple[int, ...] | None:
    """``"4,1,2"`` → band numbers counted from 1, None if absent.

    Raises:
        ValueError: for something else than positive numbers.
    """
    names = listed(text, "bands")
    if names is None:
        return None
    if not all(name.isdecimal() and int(name) > 0 for name in names):
        raise ValueError(f"--bands {text} is not understood: expected numbers from 1, like 4,1,2")
    return tuple(int(name) for name in names)


def check_crop(network: Any, size: int) -> None:
    """Refuse crops that a vision transformer cannot cut into its patches.

    Args:
        network: the built network.
        size: side of the crops.

    Raises:
        ValueError: with the nearest sizes that work.
    """
    from segment_anything.modeling.image_encoder import PatchEmbed

    for module in network.modules():
        if isinstance(module, PatchEmbed):
            patch = int(module.proj.stride[0])
            if size % patch:
                below, above = size - size % patch, size - size % patch + patch
                raise ValueError(
                    f"--size {size} cannot be cut into patches of {patch} x {patch} pixels: expected "
                    f"a multiple of {patch}; take {below or above} or {above}"
                )


def check_same_run(old: Any, new: Any, out: Path) -> None:
    """Refuse to resume with another model or other data.

    Args:
        old: the config in the folder.
        new: the one that the command line asks for.
        out: the folder, for the message.

    Raises:
        ValueError: naming the first setting that differs.
    """
    for name in (*SAME, *TRAINED_SAME):
        before, now = (
            run.train.get(name) if name in TRAINED_SAME else getattr(run, name)
            for run in (old, new)
        )
        if name == "dataset":
            _check_same_tiles(before, now, out)
        elif before != now:
            raise ValueError(
                f"cannot resume {out}: {name} was {before} and is now {now}; "
                "give the old settings or choose another --out"
            )


def _check_same_tiles(before: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    """Compare which tiles a run learns from; their content is compared by hash, the folder's name does not matter.

    Raises:
        ValueError: naming the first tile that came or went.
    """
    for split in ("train", "val", "all"):
        old, new = (set(d.get("tiles", {}).get(split, ())) for d in (before, now))
        gone, come = sorted(old - new), sorted(new - old)
        if gone or come:
            words = [f"without {gone[0]}"] if gone else []
            words += [f"with {come[0]}"] if come else []
            more = len(gone) + len(come) - len(words)
            raise ValueError(
                f"cannot resume {out}: the tiles of {split} are now {' and '.join(words)}"
                f"{f' and {more} more changes' if more else ''}; bring the old ones back or choose another --out"
            )
    if before.get("kind") != now.get("kind"):
        raise ValueError(
            f"cannot resume {out}: the dataset was read as {before.get('kind')} and is now read as "
            f"{now.get('kind')}; choose another --out"
        )


def world_knobs(said: Iterable[str]) -> dict[str, Any]:
    """Read the knobs of the procedural world.

    Args:
        said: ``NAME=VALUE`` each.

    Returns:
        Arguments of ``WorldConfig``, which checks their ranges.

    Raises:
        ValueError: if there is no such knob, or a number is none.

    Example:
        >>> world_knobs(["ambiguity=1", "domain=haze"])
        {'ambiguity': 1.0, 'domain': 'haze'}
    """
    from mfnet_lite.world import WorldConfig

    usual = asdict(WorldConfig())
    knobs: dict[str, Any] = {}
    for word in said:
        name, equals, value = word.partition("=")
        if not equals or name not in usual:
            raise ValueError(f"--knob {word!r} is not NAME=VALUE with one of {', '.join(usual)}")
        try:
            knobs[name] = value if isinstance(usual[name], str) else float(value)
        except ValueError:
            raise ValueError(f"--knob {name} wants a number, got {value!r}") from None
    return knobs
