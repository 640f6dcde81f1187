"""What to say about label values that no class has, and which line of ``dataset.json`` helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mfnet_lite.rasters.raster import Colour
from mfnet_lite.utils.counted_nouns import counted

FOREIGN_IGNORES = frozenset(
    {-9999, -32768, -128, -99, 99, 127, 250, 251, 252, 253, 254, 999, 9999, 32767}
    | {65534, 65535, -(2**31), 2**31 - 1, 2**32 - 1}
)
"""Values by which other tools mark pixels without a label, or with none of the wanted classes."""
CONTINUOUS = 16
"""Different unknown values from which a label looks like a measurement rather than a map of classes."""
CORRECT = "correct the label, or the classes and ignore_index in dataset.json"


def describe_unknown(
    unknown: Mapping[int | float | Colour, int],
    expected: str,
    colours: bool,
    num_classes: int,
    classes: Sequence[str] = (),
    lossy: bool = False,
) -> str:
    """Tell in words which values are unknown and what to do.

    Args:
        unknown: Value (or colour, or a text naming both) → number of pixels, the most frequent first,
            not empty.
        expected: The known ones in words.
        colours: Whether these are colours.
        num_classes: Number of classes.
        classes: Their names, if known.
        lossy: Whether the file is of a kind that changes values when it is saved.

    Returns:
        The predicate of a sentence whose subject is the file.
    """
    shown = ", ".join(f"{value} ({count} px)" for value, count in list(unknown.items())[:3])
    if len(unknown) > 3:
        shown += f" and {len(unknown) - 3} more, {sum(unknown.values())} px in all"
    remedy = _colours(classes) if colours else _values(unknown, num_classes, lossy)
    what = "colour" if colours else "value"
    return f"holds {counted(len(unknown), f'unknown label {what}')}: {shown}; expected {expected}; {remedy}"


def _colours(classes: Sequence[str]) -> str:
    such = f' such as "{classes[-1]}"' if classes else ""
    return (
        'correct the label, or write "label_unknown": "nearest" in dataset.json to read each as the '
        f'closest of these colours, or "ignore" or a class{such} instead of "nearest"'
    )


def _middle(numbers: Sequence[int | float]) -> str:
    """Half of the largest value that a mask of this type can hold: of a probability, of 8 bits or of 16."""
    top = max(numbers)
    return "0.5" if top <= 1 else "128" if top <= 255 else "32768"


def _values(unknown: Mapping[int | float | Colour, int], num_classes: int, lossy: bool) -> str:
    numbers = [value for value in unknown if isinstance(value, int | float)]
    lone = len(numbers) == 1 and numbers[0] in FOREIGN_IGNORES
    soft = all(0 < value < 255 for value in numbers) and (len(numbers) > 1 or numbers[0] > 2)
    if num_classes == 2 and numbers and soft and (lossy or not lone):
        return (
            "a mask of two classes that was saved with loss or with soft edges: export it anew, or "
            f'write "label_threshold": {_middle(numbers)} in dataset.json (class 1 from that value on)'
        )
    if len(numbers) >= CONTINUOUS and min(numbers) >= 0:
        return (
            "so many values are no classes but a mask with soft edges, or probabilities: export the classes, or for "
            f'two classes write "label_threshold": {_middle(numbers)} in dataset.json (class 1 from that value on)'
        )
    if any(not float(value).is_integer() for value in numbers):
        return "class values are whole numbers: export the label without resampling"
    whole = [int(value) for value in numbers]
    if num_classes == 1 and set(whole) <= {1, 255}:
        return (
            'name what is not of the only class as a class, too, like "classes": ["other", "building"] '
            f'in dataset.json, with "label_values": {{"0": 0, "{whole[0]}": 1}}'
        )
    if whole == [num_classes]:
        return (
            'if the classes are counted from 1, write "label_offset": -1 in dataset.json, if '
            f'{num_classes} means not labelled, "ignore_index": {num_classes}, else correct the label'
        )
    if lone:
        return (
            f'if {whole[0]} means not labelled, write "ignore_index": {whole[0]} in dataset.json, '
            'else list every value with its class there, like "label_values": {"0": 0, '
            f'"{whole[0]}": 1}}'
        )
    if set(whole) & FOREIGN_IGNORES:
        return (
            'list every value with its class, or "ignore", in dataset.json, like "label_values": '
            f'{{"0": 0, "{whole[0]}": "ignore"}}'
        )
    return CORRECT
