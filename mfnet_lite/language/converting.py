"""Public data sets of one task become dialogues of one form, as in EarthGPT's MMRS-1M."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfnet_lite.language.boxes import Numbers, Square
from mfnet_lite.language.exchanges import Asker, ObjectBox, converse
from mfnet_lite.language.instructions import (
    SENSORS,
    Dialogue,
    Exchange,
    Sensor,
    Task,
    write_instructions,
)
from mfnet_lite.language.sources.known_sources import read_source
from mfnet_lite.language.sources.source import AnnotatedImage, Source
from mfnet_lite.rasters.tiles import Problem
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.fresh_folders import check_fresh, finish_folder, fresh_folder

__all__ = ["Converted", "convert", "dialogues_of"]

FILE = "instructions.json"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote.

    Attributes:
        folder: Where.
        counts: Pairs of question and answer by split and task.
        images: Dialogues by split.
        problems: What was left out, and why.
        notes: Choices, which are no faults.
    """

    folder: Path
    counts: Mapping[tuple[str, Task], int]
    images: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def convert(
    kind: str,
    src: str | Path,
    out: str | Path,
    *,
    sensor: Sensor = "optical",
    seed: int = 0,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    most_boxes: int = 50,
    copy: bool = False,
) -> Converted:
    """Write ``OUT/{train,val,test}/instructions.json`` for a data set.

    Args:
        kind: A key of :data:`~mfnet_lite.language.sources.SOURCES`, or ``auto``.
        src: The data set.
        out: A new or empty folder, or one that the same call left unfinished.
        sensor: What took the images.
        seed: Of the wordings, and of the splits where the data set has none.
        shares: Of train, val and test then; images are divided class by class where they have classes.
        most_boxes: Detection asks for all objects up to this number, then class by class; classes with more are
            left out.
        copy: Copy the images into OUT; otherwise they stay where they are and are named relative to OUT.

    Returns:
        What was written and what was left out.

    Raises:
        FileNotFoundError: No such data set.
        ValueError: Another format, a malformed file, a folder with content, or nothing that can be asked.
    """
    if sensor not in SENSORS:
        raise ValueError(f"unknown sensor {sensor!r}; available: {', '.join(SENSORS)}")
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares must be three that sum to 1, got {shares}; change them")
    asked = {"kind": kind, "src": str(Path(src).resolve()), "sensor": sensor, "seed": seed}
    asked |= {"shares": list(shares), "most_boxes": most_boxes, "copy": copy}
    folder = check_fresh(out, asked)
    source = read_source(src, kind)
    splits = _divide(source, shares, seed)
    written: dict[str, list[Dialogue]] = {}
    copies: dict[Path, Path] = {}
    for split, image, dialogue in dialogues_of(source, splits, sensor, seed, most_boxes):
        home = folder / split
        if copy:
            name = (Path("images") / image.path.relative_to(source.root)).as_posix()
            copies[home / name] = image.path
        else:
            name = Path(os.path.relpath(image.path.resolve(), home.resolve())).as_posix()
        written.setdefault(split, []).append(
            Dialogue(name, sensor, dialogue.exchanges, dialogue.size)
        )
    if not written:
        reason = f", such as {source.problems[0]}" if source.problems else ""
        raise ValueError(
            f"{src} gives no question: {counted(len(source.problems), 'problem')}{reason}"
        )
    fresh_folder(folder, asked)
    for target, image_path in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image_path, target)
    for split in sorted(written, key=SPLITS.index):
        write_instructions(folder / split / FILE, written[split])
    finish_folder(folder)
    counts = Counter(
        (split, exchange.task)
        for split, dialogues in written.items()
        for dialogue in dialogues
        for exchange in dialogue.exchanges
    )
    return Converted(
        folder,
        counts,
        {split: len(dialogues) for split, dialogues in written.items()},
        tuple(source.problems),
        source.all_notes(),
    )


def dialogues_of(
    source: Source,
    splits: list[str],
    sensor: Sensor,
    seed: int = 0,
    most_boxes: int = 50,
) -> Iterator[tuple[str, AnnotatedImage, Dialogue]]:
    """Ask everything that is annotated, image by image.

    Args:
        source: The data set; what cannot be asked is added to its problems and notes.
        splits: One per image.
        sensor: What took the images.
        seed: Of the wordings.
        most_boxes: See :func:`convert`.

    Yields:
        Split, image, and dialogue with the image's whole path.
    """
    for index, (image, split) in enumerate(zip(source.images, splits, strict=True)):
        ask = Asker(sensor, np.random.default_rng([seed, index]))
        turns: list[Exchange] = []
        if image.class_name:
            turns.append(ask.classification(image.class_name))
        turns += ask.captioning(image.captions)
        turns += [ask.vqa(question, answer) for question, answer in image.questions]
        if image.size is not None:
            turns += _box_turns(ask, source, image, Square(*image.size), most_boxes)
        if turns:
            yield split, image, converse(str(image.path), sensor, turns, image.size)


def _box_turns(
    ask: Asker, source: Source, image: AnnotatedImage, square: Square, most_boxes: int
) -> Iterator[Exchange]:
    """Detection, grounding and region captions."""
    for phrase, box in image.phrases:
        try:
            yield ask.grounding(phrase, box, square)
            yield ask.region_captioning(box, phrase, square)
        except ValueError:
            source.tally["an object vanishes in two decimals and is not asked for"] += 1
    if image.objects is None:
        return
    oriented = any(len(item.box) == 8 for item in image.objects)
    kept: list[ObjectBox] = []
    for item in image.objects:
        try:
            square.place(item.box, ask.decimals)
            square.place(_upright(item.box), ask.decimals)
            kept.append(item)
        except ValueError:
            source.tally["an object vanishes in two decimals and is not asked for"] += 1
    upright = [ObjectBox(item.name, _upright(item.box)) for item in kept]
    names = sorted({item.name for item in kept})
    choices: list[str | None] = [None]
    if len(kept) > most_boxes:
        choices = [name for name in names if sum(k.name == name for k in kept) <= most_boxes]
        source.tally[
            f"an image has more than {most_boxes} objects and is asked class by class"
        ] += 1
        if crowded := len(names) - len(choices):
            source.tally[
                f"a class with more than {most_boxes} objects in one image is not asked for"
            ] += crowded
    for only in choices:
        yield ask.detection(upright, square, only)
        if oriented:
            yield ask.oriented_detection(kept, square, only)


def _upright(box: Numbers) -> Numbers:
    """The horizontal box around a box."""
    xs, ys = box[::2], box[1::2]
    return (min(xs), min(ys), max(xs), max(ys)) if len(box) == 8 else box


def _divide(source: Source, shares: tuple[float, float, float], seed: int) -> list[str]:
    """The split of each image: as the data set says, else drawn."""
    splits = [image.split for image in source.images]
    without = [index for index, split in enumerate(splits) if not split]
    if not without:
        return splits
    if len(without) < len(splits):
        source.notes.append(
            f"{counted(len(without), 'image')} without a split {agreeing(len(without), 'is', 'are')} taken for train"
        )
        return [split or "train" for split in splits]
    groups: dict[str, list[int]] = {}
    for index in without:
        groups.setdefault(source.images[index].class_name, []).append(index)
    rng = np.random.default_rng(seed)
    for members in groups.values():
        order = rng.permutation(len(members)).tolist()
        first, second = (
            round(shares[0] * len(members)),
            round((shares[0] + shares[1]) * len(members)),
        )
        for place, member in enumerate(order):
            splits[members[member]] = SPLITS[(place >= first) + (place >= second)]
    percents = ", ".join(f"{100 * share:g} %" for share in shares)
    source.notes.append(
        f"no splits are given: train, val and test are drawn ({percents}, seed {seed})"
    )
    return splits
