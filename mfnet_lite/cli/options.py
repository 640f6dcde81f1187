"""Words that options of several commands take, and how they are read."""

from __future__ import annotations

from typing import Any

KINDS = (
    "auto, folder, pairs, loveda, hunan, mf_street, pst900, sunrgbd, nyud, whu_opt_sar, vaihingen or "
    "potsdam"
)
"""Words for ``--kind``, spelled out here because ``--help`` imports no reader."""

SOURCE_KINDS = "captions, vqa, coco, dota, referring, voc or class_folders"
"""Data sets that can become dialogues; a test compares them with those of the readers."""

DIALOGUE_SENSORS = ("optical", "sar", "infrared")
"""Words for the sensor of a dialogue; a test compares them with those of the readers."""

NODATA_POLICIES = ("any", "images", "first")
"""Words for ``--nodata-policy``; a test compares them with those of the reader."""


def check_nodata_policy(policy: str) -> Any:
    """Refuse another word for ``--nodata-policy``.

    Args:
        policy: What the user wrote.

    Returns:
        The same.

    Raises:
        ValueError: With the words that there are.
    """
    if policy not in NODATA_POLICIES:
        raise ValueError(
            f"--nodata-policy must be one of {', '.join(NODATA_POLICIES)}, got {policy!r}"
        )
    return policy


def check_sensor(sensor: str) -> Any:
    """Refuse another word for the sensor of a dialogue; thermal means infrared.

    Args:
        sensor: What the user wrote.

    Returns:
        The sensor.

    Raises:
        ValueError: With the words that there are.
    """
    name = "infrared" if sensor == "thermal" else sensor
    if name not in DIALOGUE_SENSORS:
        raise ValueError(
            f"expected {', '.join(DIALOGUE_SENSORS[:-1])} or {DIALOGUE_SENSORS[-1]} as sensor, got {sensor!r}"
        )
    return name


def listed(names: str | None, option: str) -> tuple[str, ...] | None:
    """``"a,b"`` → names, None if absent.

    Args:
        names: What the user wrote.
        option: The option's name, for the message.

    Raises:
        ValueError: If nothing is named.
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
        ValueError: For something else than positive numbers.
    """
    names = listed(text, "bands")
    if names is None:
        return None
    if not all(name.isdecimal() and int(name) > 0 for name in names):
        raise ValueError(f"--bands {text} is not understood: expected numbers from 1, like 4,1,2")
    return tuple(int(name) for name in names)
