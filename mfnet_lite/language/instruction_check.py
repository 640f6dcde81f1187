"""Find everything that is wrong with dialogues before a training run does."""

from __future__ import annotations

import filecmp
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.converting import SPLITS, dialogues_of
from mfnet_lite.language.instruction_report import InstructionReport, Lengths
from mfnet_lite.language.instructions import (
    EXPECTED,
    KEYS,
    TASKS,
    Dialogue,
    Sensor,
    read_records,
)
from mfnet_lite.language.sources.known_sources import SOURCES, detect_source, read_source
from mfnet_lite.language.sources.source import Source
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.readers.detect import detect_kind
from mfnet_lite.rasters.tiles import Problem
from mfnet_lite.utils.counted_nouns import agreeing, counted

__all__ = ["check_instructions", "holds_dialogues", "instruction_files", "pieces"]

PIECE = re.compile(r"[^\W\d_]+|\d|[^\w\s]|_")


def pieces(text: str) -> int:
    """Count the words, digits and marks of a text.

    That is what a tokenizer with digits apart makes of it, if it knows all words.

    Args:
        text: The text.

    Example:
        >>> pieces("two cars [0.10,0.25]")
        13
    """
    return len(PIECE.findall(text))


def instruction_files(root: str | Path) -> dict[Path, str]:
    """Find the files of dialogues of a folder.

    Args:
        root: The folder.

    Returns:
        File → split, ``all`` where there are no folders of splits; empty if there is none.
    """
    root = Path(root)
    found: dict[Path, str] = {}
    for split in SPLITS:
        files = sorted((root / split).glob("instructions*.json"), key=lambda file: len(file.name))
        found |= dict.fromkeys(files, split)
    return found or dict.fromkeys(sorted(root.glob("instructions*.json")), "all")


def check_instructions(
    root: str | Path, kind: str = "auto", sensor: Sensor = "optical"
) -> InstructionReport:
    """Read dialogues, or a data set that can become dialogues, and report all that is wrong.

    Found: malformed records, answers that do not fit their task, boxes that cannot be read, counts that disagree
    with boxes, missing images, images of another size than stated, unknown keys, one image in training and test. Of
    a data set of another form: all that a conversion would leave out, and one image in training and test.

    Args:
        root: The folder.
        kind: ``instructions``, a key of :data:`~mfnet_lite.language.sources.SOURCES`, or ``auto``.
        sensor: What took the images where the files do not say it.

    Returns:
        The report; a folder that cannot be read gives one with a single problem.
    """
    root = Path(root)
    files = instruction_files(root)
    if files and kind in ("auto", "instructions"):
        return _check_files(root, files, sensor)
    if kind == "instructions":
        nothing = Problem(root, "holds no instructions.json, there or in train/", "check the path")
        return InstructionReport(root, kind, problems=(nothing,))
    return _check_source(root, kind, sensor)


def holds_dialogues(root: str | Path, kind: str = "auto") -> bool:
    """Whether a folder is to be checked here: dialogues, or a data set of single tasks.

    Args:
        root: The folder.
        kind: What the user calls it; ``auto`` looks into the folder.
    """
    if kind != "auto":
        return kind == "instructions" or kind in SOURCES
    root = Path(root)
    if not root.is_dir():
        return False
    # What is segmentation stays segmentation, even if boxes lie beside it.
    return bool(instruction_files(root)) or (
        detect_kind(root) is None and detect_source(root) is not None
    )


class _Tally:
    """Counts over dialogues."""

    def __init__(self) -> None:
        self.dialogues = 0
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.lengths: dict[str, Lengths] = {task: Lengths() for task in TASKS}
        self.whole: list[int] = []

    def add(self, split: str, dialogue: Dialogue) -> None:
        self.dialogues += 1
        total = 0
        for exchange in dialogue.exchanges:
            self.counts[split, dialogue.sensor, exchange.task] += 1
            question, answer = pieces(exchange.question), pieces(exchange.answer)
            self.lengths[exchange.task].questions.append(question)
            self.lengths[exchange.task].answers.append(answer)
            total += question + answer
        self.whole.append(total)

    def report(
        self, root: Path, kind: str, problems: Iterable[Problem], notes: Iterable[str]
    ) -> InstructionReport:
        asked = {task: found for task, found in self.lengths.items() if found.answers}
        return InstructionReport(
            root,
            kind,
            self.dialogues,
            self.counts,
            asked,
            tuple(self.whole),
            tuple(problems),
            tuple(notes),
        )


def _check_files(root: Path, files: dict[Path, str], sensor: Sensor) -> InstructionReport:
    tally = _Tally()
    problems: list[Problem] = []
    unknown: Counter[str] = Counter()
    unsaid = 0
    seen_in: defaultdict[Path, set[str]] = defaultdict(set)
    by_name: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    sizes: dict[Path, tuple[int, int] | None] = {}
    for file, split in files.items():
        try:
            records = read_records(file)
        except (ValueError, FileNotFoundError) as error:
            problems.append(Problem.from_sentence(file, str(error)))
            continue
        for number, record in enumerate(records):
            if isinstance(record, dict):
                unknown.update(set(record) - KEYS)
                unsaid += "sensor" not in record
            try:
                dialogue = Dialogue.from_record(record, sensor)
            except ValueError as error:
                problems.append(Problem(file, f"record {number}: {error}", "correct or remove it"))
                continue
            tally.add(
                f"{split}{file.stem.removeprefix('instructions').replace('_', ' ')}", dialogue
            )
            problems += _faults(file, number, dialogue)
            image = file.parent / dialogue.image
            if image not in sizes:
                sizes[image] = _size_of(image)
            found = sizes[image]
            if found is None:
                problems.append(
                    Problem(
                        file,
                        f"record {number}: the image {dialogue.image} is missing or unreadable",
                        "add it",
                    )
                )
            elif dialogue.size not in (None, found):
                stated = f"{dialogue.size[0]} x {dialogue.size[1]}" if dialogue.size else ""
                problems.append(
                    Problem(
                        file,
                        f"record {number}: {dialogue.image} has {found[0]} x {found[1]} pixels, not {stated}",
                        "restore the image that the boxes belong to",
                    )
                )
            seen_in[image.resolve()].add(split)
            if found is not None:
                by_name[dialogue.image][split] = image
    for images in by_name.values():
        _add_copies(seen_in, images)
    problems += _leaks(root, seen_in)
    if not tally.dialogues and not problems:
        problems.append(Problem(root, "holds no dialogue", "add records or check the path"))
    notes = [
        f"the unknown key {key} is not read ({count} x)" for key, count in sorted(unknown.items())
    ]
    if unsaid:
        notes.append(
            f"{counted(unsaid, 'record')} without a sensor {agreeing(unsaid, 'is', 'are')} counted as {sensor}"
        )
    return tally.report(root, "instructions", problems, notes)


def _add_copies(seen_in: Mapping[Path, set[str]], images: Mapping[str, Path]) -> None:
    """Count a copy in another split for the first file of its content.

    ``data convert --copy`` copies an image of two splits into both of their folders, under the name that it has in
    the source. So only files of one name are compared, and only as far as they are alike, which is soon done.

    Args:
        seen_in: Splits by image; added to.
        images: Image by split, all of one name.
    """
    unlike: list[Path] = []
    for split, image in images.items():
        same = next((one for one in unlike if filecmp.cmp(one, image, shallow=False)), None)
        if same is None:
            unlike.append(image)
        else:
            seen_in[same.resolve()].add(split)


def _leaks(root: Path, seen_in: Mapping[Path, set[str]]) -> list[Problem]:
    """Tell of images in several splits."""
    leaked = [image for image, splits in seen_in.items() if len(splits) > 1]
    if not leaked:
        return []
    return [
        Problem(
            root,
            f"{counted(len(leaked), 'image')} {agreeing(len(leaked), 'lies', 'lie')} in several splits, such as "
            f"{leaked[0].name}",
            "keep each in one, or scores on the test split tell nothing about new images",
        )
    ]


def _source_leaks(source: Source) -> list[Problem]:
    """Tell of images that a conversion writes, or may draw, into several splits."""
    if not any(image.split for image in source.images):
        listed = Counter(image.path.resolve() for image in source.images)
        again = [path for path, times in listed.items() if times > 1]
        if not again:
            return []
        return [
            Problem(
                source.root,
                f"{counted(len(again), 'image')} without a split {agreeing(len(again), 'is', 'are')} listed more "
                f"than once, such as {again[0].name}",
                "list each once, or it is drawn for training and for test",
            )
        ]
    seen_in: defaultdict[Path, set[str]] = defaultdict(set)
    for image in source.images:
        # An image without a split is taken for train where others have one.
        seen_in[image.path.resolve()].add(image.split or "train")
    return _leaks(source.root, seen_in)


def _faults(file: Path, number: int, dialogue: Dialogue) -> list[Problem]:
    """Answers that do not fit their task."""
    found = []
    for turn, exchange in enumerate(dialogue.exchanges):
        for fault in parse_answer(exchange.answer, EXPECTED[exchange.task]).faults:
            where = f"record {number}, answer {turn} ({exchange.task})"
            found.append(
                Problem(file, f"{where}: {fault.reason}: {fault.text.strip()[:60]}", "correct it")
            )
    return found


def _size_of(image: Path) -> tuple[int, int] | None:
    try:
        info = raster_info(image)
    except (ValueError, FileNotFoundError):
        return None
    return info.width, info.height


def _check_source(root: Path, kind: str, sensor: Sensor) -> InstructionReport:
    try:
        source = read_source(root, kind)
    except (ValueError, FileNotFoundError) as error:
        return InstructionReport(root, kind, problems=(Problem.from_sentence(root, str(error)),))
    tally = _Tally()
    splits = [image.split or "all" for image in source.images]
    for split, _, dialogue in dialogues_of(source, splits, sensor):
        tally.add(split, dialogue)
    problems = [*source.problems, *_source_leaks(source)]
    return tally.report(root, source.kind, problems, source.all_notes())
