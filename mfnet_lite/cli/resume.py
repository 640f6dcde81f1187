"""Whether a run can go on: with the same network, the same data, the same training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.runs.run_config import RunConfig

SAME = (
    "model",
    "options",
    "channels",
    "classes",
    "ignore_index",
    "scaling",
    "gsd",
    "holes",
    "size",
    "dataset",
    "base",
)
TRAINED_SAME = (
    "light",
    "quarter_turns",
    "objects",
    "object_weight",
    "boundary_weight",
    "class_balance",
)
"""What a run and its continuation must share, as fields and among the settings of the training."""
READ_SAME = ("select", "scale", "nodata", "unit", "kind", "tags")
"""And of what is known of each sensor: how its files become numbers."""
OPTION = {
    "light": "jitter",
    "channels": "the order of sensors and their channels",
    "holes": "nodata-policy",
    "select": "bands",
}
"""Options of the command line that a run's file knows by another name."""


def continued(out: Path, run: RunConfig) -> RunConfig:
    """Read the run that is to go on, and see that it is the same.

    Args:
        out: Its folder.
        run: What the command line asks for.

    Raises:
        FileNotFoundError: If the folder is no run.
        ValueError: If a setting differs.
    """
    from mfnet_lite.runs.run_config import load_config

    before = load_config(out)
    check_same_run(before, run, out)
    return before


def check_same_run(old: RunConfig, new: RunConfig, out: Path) -> None:
    """Refuse to resume with another model or other data.

    Args:
        old: The config in the folder.
        new: The one that the command line asks for.
        out: The folder, for the message.

    Raises:
        ValueError: Naming the first setting that differs.
    """
    for name in (*SAME, *TRAINED_SAME):
        before, now = (_setting(run, name) for run in (old, new))
        if name == "dataset":
            _check_same_tiles(before, now, out)
        elif name == "gsd" and before is None:  # early runs do not say it
            continue
        elif before != now and not _same_options(old, new, name):
            raise _differs(out, name, before, now)
    read_before, read_now = old.sensor_infos(), new.sensor_infos()
    for sensor, name in product(old.channels, READ_SAME):
        before, now = (getattr(infos[sensor], name) for infos in (read_before, read_now))
        if before != now:
            raise _differs(out, name, before, now, f" of {sensor}")


def _differs(out: Path, name: str, before: Any, now: Any, where: str = "") -> ValueError:
    """Say what is not as it was."""
    return ValueError(
        f"cannot resume {out}: {OPTION.get(name, name)}{where} was {before} and is now {now}; give the old settings "
        "or choose another --out"
    )


def _check_same_tiles(before: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    """Compare which tiles a run learns from; their content is compared by hash, the folder's name does not matter.

    Raises:
        ValueError: Naming the first tile that came or went.
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


def _setting(run: RunConfig, name: str) -> Any:
    """Return a field of a run, or a setting of its training."""
    if name == "quarter_turns" and name not in run.train:  # once they came and went with the jitter
        return bool(run.train.get("light"))
    if (
        name == "channels"
    ):  # a network reads its sensors in their order, which dictionaries do not compare
        return list(run.channels.items())
    return run.train.get(name) if name in TRAINED_SAME else getattr(run, name)


def _same_options(old: RunConfig, new: RunConfig, name: str) -> bool:
    """Whether two runs mean the same options, though one spells out a default."""
    return name == "options" and old.network == new.network
