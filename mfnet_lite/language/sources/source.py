"""What every public data set becomes before it is turned into dialogues: images with what is annotated on them.

Two kinds of faults are told apart. A file that is not written as its format wants it stops the reader with one
sentence: file, line or entry, expected, found. An image that is not there or a box that lies outside of it is
listed in :attr:`Source.problems` and left out, since in a set of thousands of images some always are.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mfnet_lite.language.boxes import Numbers, degenerate
from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.tiles import Problem
from mfnet_lite.utils.counted_nouns import agreeing, counted

__all__ = ["AnnotatedImage", "ImageFinder", "Source"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders and parts of file names → split."""


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and what is annotated on it.

    Attributes:
        path: The image.
        split: ``train``, ``val``, ``test``, or empty where the data set does not say.
        size: Width and height in pixels, None where nothing needs it.
        class_name: Class of the scene as words.
        captions: Reference captions.
        questions: Questions with answers.
        objects: Objects with boxes, oriented ones with eight numbers.
        phrases: Referring expressions with boxes.
    """

    path: Path
    split: str = ""
    size: tuple[int, int] | None = None
    class_name: str = ""
    captions: tuple[str, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    objects: tuple[ObjectBox, ...] | None = None
    phrases: tuple[tuple[str, Numbers], ...] = ()


@dataclass
class Source:
    """A data set as read.

    Attributes:
        root: Its folder.
        kind: Its format.
        images: What is annotated.
        problems: What was left out, and why.
        notes: Choices of the reader, which are no faults.
        tally: Things that are told by their number only.
    """

    root: Path
    kind: str
    images: list[AnnotatedImage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)

    def leave_out(
        self, file: Path, problem: str, remedy: str = "add it or remove the entry"
    ) -> None:
        """Tell that something cannot be used."""
        self.problems.append(Problem(file, problem, remedy))

    def tell_several_splits(
        self,
        taken: Mapping[Any, str],
        noun: str,
        how: str,
        name: Callable[[Any], object],
        remedy: str,
    ) -> None:
        """Tell of things that several splits have, and which one they are taken for.

        Args:
            taken: Thing → split.
            noun: What one of them is.
            how: In what way several splits have it, such as "listed for".
            name: How one of them is called.
            remedy: What to do.
        """
        if taken:
            first = min(taken)
            things = f"{counted(len(taken), noun)} {agreeing(len(taken), 'is', 'are')} {how}"
            self.leave_out(
                self.root,
                f"{things} several splits, such as {name(first)}, which is taken for {taken[first]}",
                remedy,
            )

    def tell_unknown(self, found: Iterable[str], known: Iterable[str], what: str) -> None:
        """Note keys that nothing reads, each once."""
        for key in sorted(set(found) - set(known)):
            self.tally[f"{what} has the unknown key {key}, which is not read"] += 1

    def all_notes(self) -> tuple[str, ...]:
        """Notes, and what was counted with its number."""
        return (*self.notes, *(f"{text} ({count} x)" for text, count in self.tally.items()))


class ImageFinder:
    """Finds the images of a data set by the names that its annotations use.

    Args:
        root: The folder; all of it is searched once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.by_name: dict[str, list[Path]] = {}
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith("."):
                self.by_name.setdefault(path.name, []).append(path)
                self.by_name.setdefault(path.stem, []).append(path)
        every = [path for paths in self.by_name.values() for path in paths]
        self.folders = {path.parent.name for path in every}
        self.splits = {path: self._splits_of(path) for path in every}
        # Where train and val both have a 0001.tif, names say nothing without the split.
        self.named_by_split = any(
            len({tuple(sorted(self.splits[path])) for path in paths if self.splits[path]}) > 1
            for paths in self.by_name.values()
        )

    def _splits_of(self, path: Path) -> set[str]:
        folders = path.relative_to(self.root).parent.parts
        return set[str]().union(*map(splits_named, folders))

    def find(self, name: str, split: str = "") -> Path | None:
        """Find an image.

        Args:
            name: Its name, with or without folders and suffix. Folders that are not here, such as those of the
                machine on which the annotations were made, do not count; an image that is missing in a folder
                that is here is not replaced by its namesake in another.
            split: Of several of one name the one in a folder of this split is meant. Where the splits use the
                same names, an image in a folder of another split is not taken for one that is missing.

        Returns:
            The image; None if there is none, or it is not clear which.
        """
        stated = PurePosixPath(name.replace("\\", "/"))
        direct = self.root / stated
        if direct.suffix.lower() in SUFFIXES and direct.is_file():
            return direct
        known = self.by_name.get(stated.name, [])
        if stated.parent.name in self.folders:
            known = [path for path in known if path.parent.name == stated.parent.name]
        if split and len(known) > 1:
            known = [path for path in known if split in self.splits[path]]
        elif split and self.named_by_split:
            known = [path for path in known if split in (self.splits[path] or {split})]
        return known[0] if len(known) == 1 else None


def splits_named(name: str) -> set[str]:
    """Read splits out of the name of a file or folder: one, several where it combines them, or none.

    Args:
        name: Such as ``instances_val2017`` or ``LR_split_train_questions``.

    Example:
        >>> splits_named("instances_val2017.json"), splits_named("LR_split_train_questions.json")
        ({'val'}, {'train'})
        >>> sorted(splits_named("JPEGImages-trainval")), splits_named("training_of_pilots")
        (['train', 'val'], {'train'})
    """
    words = re.findall("[a-z]+", Path(name).stem.lower().replace("trainval", "train_val"))
    return {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}


def size_of(
    source: Source, path: Path, stated: tuple[int, int] | None = None
) -> tuple[int, int] | None:
    """Read the size of an image out of its file, and compare it with what is stated.

    Args:
        source: Where a problem is told.
        path: The image.
        stated: Width and height according to the annotation.

    Returns:
        Width and height; None for an image that cannot be used.
    """
    try:
        info = raster_info(path)
    except (ValueError, FileNotFoundError) as error:
        source.problems.append(Problem.from_sentence(path, str(error)))
        return None
    found = (info.width, info.height)
    if stated is not None and stated != found:
        source.leave_out(
            path,
            f"has {found[0]} x {found[1]} pixels where its annotation says {stated[0]} x {stated[1]}",
            "boxes belong to another version of the image: restore it",
        )
        return None
    return found


def usable_box(
    source: Source, file: Path, where: str, box: Numbers, size: tuple[int, int]
) -> Numbers | None:
    """Cut a horizontal box at the edges of its image, or tell why it is none.

    Args:
        source: Where a problem is told.
        file: The annotation.
        where: The place in it, for the message.
        box: Four or eight numbers, pixel edges. Oriented boxes stay as they are.
        size: Of the image.
    """
    width, height = size
    wrong = degenerate(box)
    xs, ys = box[::2], box[1::2]
    if not wrong and (max(xs) <= 0 or max(ys) <= 0 or min(xs) >= width or min(ys) >= height):
        wrong = f"lies outside the image of {width} x {height}"
    if wrong:
        numbers = ", ".join(f"{n:g}" for n in box)
        source.leave_out(file, f"{where}: the box {numbers} {wrong}", "correct or remove it")
        return None
    if min(xs) < -1 or min(ys) < -1 or max(xs) > width + 1 or max(ys) > height + 1:
        source.tally["a box reaches beyond its image and is cut off"] += 1
    if len(box) == 8:
        return box
    x0, y0, x1, y1 = box
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def wanted(entry: Any, keys: Mapping[str, type | tuple[type, ...]], file: Path, where: str) -> Any:
    """Check that an entry of a JSON file is an object with some keys.

    Args:
        entry: The entry.
        keys: Names of the keys, and what they hold.
        file: The file.
        where: The place in it, such as ``annotations[3]``.

    Returns:
        The entry.

    Raises:
        ValueError: If a key is missing or holds something else.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{file} {where}: expected an object, found {shown(entry)}; correct it")
    for key, kind in keys.items():
        value = entry.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            words = " or ".join(dict.fromkeys(_WORDS[k] for k in kinds))
            raise ValueError(
                f"{file} {where}: expected {words} as {key}, found {shown(value)}; correct it"
            )
    return entry


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


def shown(value: Any) -> str:
    """Write a value for a message, cut to some length."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
