"""Questions and answers in the three files of RSVQA.

::

    DIR/LR_split_train_questions.json   {"questions": [{"id", "active", "img_id", "type", "question", "answers_ids"}]}
    DIR/LR_split_train_answers.json     {"answers": [{"id", "active", "question_id", "answer"}]}
    DIR/LR_split_train_images.json      {"images": [{"id", "active", "original_name", …}]}
    DIR/**/12.tif                       named by the id, not by original_name

Every file of a split lists every entry of the whole set; those of other splits hold an id and ``"active": false``
and nothing else. So a count of the entries says nothing, and an entry without a question is no fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mfnet_lite.language.instructions import read_json_content
from mfnet_lite.language.sources.source import (
    AnnotatedImage,
    ImageFinder,
    Source,
    splits_named,
    wanted,
)
from mfnet_lite.utils.counted_nouns import counted

__all__ = ["read_vqa"]

QUESTION_KEYS = (
    "id",
    "active",
    "img_id",
    "type",
    "question",
    "answers_ids",
    "people_id",
    "date_added",
)
ANSWER_KEYS = ("id", "active", "question_id", "answer", "people_id", "date_added")


def question_files(root: Path) -> list[Path]:
    """Find the files of questions that have a file of answers beside them."""
    return [
        path for path in sorted(root.glob("*questions.json")) if _partner(path, "answers").is_file()
    ]


def read_vqa(root: Path) -> Source:
    """Read questions and answers.

    Args:
        root: The folder with the JSON files and, anywhere below, the images.

    Returns:
        The images with their questions, in the order of the files.

    Raises:
        ValueError: If the files are not there, or an active entry is malformed.
    """
    source = Source(root, "vqa")
    files = question_files(root)
    if not files:
        raise ValueError(
            f"{root} has no questions: expected NAME_questions.json and NAME_answers.json; check the path"
        )
    named = {file: splits_named(file.name) for file in files}
    divided = set[str]().union(*(splits for splits in named.values() if len(splits) == 1))
    finder = ImageFinder(root)
    for file, splits in named.items():
        left = splits - divided if len(splits) > 1 else splits
        if divided and not left:
            source.notes.append(f"{file.name} is left out, since there are files by split")
        else:
            _read_split(source, file, finder, min(left) if len(left) == 1 else "")
    source.tally += type(source.tally)()
    return source


def _read_split(source: Source, file: Path, finder: ImageFinder, split: str) -> None:
    answers_file = _partner(file, "answers")
    by_id: dict[Any, str] = {}
    by_question: dict[Any, str] = {}
    for where, entry in _active(answers_file, "answers"):
        wanted(entry, {"id": int, "answer": str}, answers_file, where)
        source.tell_unknown(entry, ANSWER_KEYS, f"an answer of {answers_file.name}")
        by_id[entry["id"]] = entry["answer"]
        by_question.setdefault(entry.get("question_id"), entry["answer"])
    originals = _original_names(_partner(file, "images"))
    asked: dict[Any, list[tuple[str, str]]] = {}
    for where, entry in _active(file, "questions"):
        wanted(entry, {"id": int, "img_id": int, "question": str}, file, where)
        source.tell_unknown(entry, QUESTION_KEYS, f"a question of {file.name}")
        ids = entry.get("answers_ids") or []
        answer = next((by_id[k] for k in ids if k in by_id), by_question.get(entry["id"]))
        if answer is None or not answer.strip():
            source.leave_out(
                file, f"{where}: no answer to question {entry['id']} in {answers_file.name}"
            )
            continue
        asked.setdefault(entry["img_id"], []).append((entry["question"].strip(), answer.strip()))
    for image, pairs in asked.items():
        path = finder.find(f"{image}.tif", split) or finder.find(str(image), split)
        if path is None and image in originals:
            path = finder.find(originals[image], split)
            source.tally["an image is found by its original name, not by its number"] += (
                path is not None
            )
        if path is None:
            source.leave_out(
                file,
                f"the image {image} of {counted(len(pairs), 'question')} is missing or not unique",
            )
            continue
        source.images.append(AnnotatedImage(path, split, questions=tuple(dict.fromkeys(pairs))))


def _active(file: Path, key: str) -> list[tuple[str, Any]]:
    """The entries of a file that are not switched off, with their places."""
    content = wanted(read_json_content(file), {key: list}, file, "as a whole")
    return [
        (f"{key}[{index}]", entry)
        for index, entry in enumerate(content[key])
        if not (isinstance(entry, dict) and entry.get("active") is False)
    ]


def _original_names(file: Path) -> dict[Any, str]:
    if not file.is_file():
        return {}
    return {
        entry["id"]: entry["original_name"]
        for _, entry in _active(file, "images")
        if isinstance(entry, dict) and "id" in entry and isinstance(entry.get("original_name"), str)
    }


def _partner(file: Path, what: str) -> Path:
    return file.with_name(file.name.removesuffix("questions.json") + f"{what}.json")
