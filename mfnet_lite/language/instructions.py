"""Dialogues about images, in the form of EarthGPT's MMRS-1M.

A file is a list of records, one per image::

    {"image": "sar/a.tif", "sensor": "sar", "size": [128, 128],
     "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}, …],
     "tasks": ["classification", …]}

``size`` (width and height in pixels, to take the padding off boxes) and ``tasks`` (one per pair of question and
answer, to score them apart) are ours; MMRS-1M has neither, nor a sensor. Where tasks are missing they are guessed
from the answers, where the sensor is missing the reader must be told one. The mark ``<image>`` that many trainers
put into the first question is taken off on reading: where the image stands is a matter of the model, not of the
data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from mfnet_lite.language.answers import Expected, parse_answer
from mfnet_lite.language.boxes import Square
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.fresh_folders import check_finished

__all__ = [
    "EXPECTED",
    "SENSORS",
    "TASKS",
    "Dialogue",
    "Exchange",
    "Sensor",
    "Task",
    "guess_task",
    "read_instructions",
    "write_instructions",
]

Task = Literal[
    "classification",
    "captioning",
    "vqa",
    "detection",
    "oriented detection",
    "grounding",
    "region captioning",
]
Sensor = Literal["optical", "sar", "infrared"]

TASKS: tuple[Task, ...] = get_args(Task)
"""What can be asked."""
SENSORS: tuple[Sensor, ...] = get_args(Sensor)
"""What took the image; thermal cameras are infrared."""

EXPECTED: Mapping[Task, Expected] = {
    "classification": "phrase",
    "captioning": "phrase",
    "vqa": "phrase",
    "detection": "boxes",
    "oriented detection": "oriented boxes",
    "grounding": "box",
    "region captioning": "phrase",
}
"""What an answer to each task consists of."""

IMAGE_MARK = "<image>"


@dataclass(frozen=True)
class Exchange:
    """A question and its answer.

    Attributes:
        task: What is asked.
        question: What the human says.
        answer: What the model is to say.
    """

    task: Task
    question: str
    answer: str


@dataclass(frozen=True)
class Dialogue:
    """All that is asked about one image, in order, so that the image is encoded once.

    Attributes:
        image: Its file, relative to the file of the dialogues, with ``/``.
        sensor: What took it.
        exchanges: At least one.
        size: Width and height in pixels, if known.
    """

    image: str
    sensor: Sensor
    exchanges: tuple[Exchange, ...]
    size: tuple[int, int] | None = None

    @property
    def square(self) -> Square | None:
        """The square that boxes refer to, if the size is known."""
        return None if self.size is None else Square(*self.size)

    def to_record(self) -> dict[str, Any]:
        """Write as the object of a JSON file."""
        spoken = [
            {"from": who, "value": said}
            for exchange in self.exchanges
            for who, said in (("human", exchange.question), ("gpt", exchange.answer))
        ]
        record: dict[str, Any] = {"image": self.image, "sensor": self.sensor}
        if self.size is not None:
            record["size"] = list(self.size)
        return record | {
            "conversations": spoken,
            "tasks": [exchange.task for exchange in self.exchanges],
        }

    @classmethod
    def from_record(cls, record: Any, sensor: Sensor | None = None) -> Dialogue:
        """Read the object of a JSON file.

        Args:
            record: The object.
            sensor: What took the image where the record does not say it.

        Returns:
            The dialogue.

        Raises:
            ValueError: If a key is missing or holds something else, as a clause without the file's name.

        Example:
            >>> turns = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "park"}]
            >>> Dialogue.from_record({"image": "a.tif", "conversations": turns}, "optical").exchanges[0].answer
            'park'
        """
        if not isinstance(record, dict):
            raise ValueError(
                f"expected an object with image and conversations, found {_short(record)}"
            )
        image = record.get("image")
        if not isinstance(image, str) or not image.strip():
            raise ValueError(f"expected the name of a file as image, found {_short(image)}")
        named = record.get("sensor", sensor)
        if named not in SENSORS:
            raise ValueError(
                f"expected {', '.join(SENSORS[:-1])} or {SENSORS[-1]} as sensor, found {_short(named)}"
            )
        pairs = _pairs(record.get("conversations"))
        tasks = record.get("tasks")
        if tasks is None:
            tasks = [guess_task(question, answer) for question, answer in pairs]
        if not isinstance(tasks, list) or len(tasks) != len(pairs):
            raise ValueError(
                f"expected a list of {len(pairs)} tasks, one per answer, found {_short(tasks)}"
            )
        unknown = [task for task in tasks if task not in TASKS]
        if unknown:
            raise ValueError(
                f"expected tasks like {TASKS[0]} or {TASKS[1]}, found {_short(unknown[0])}"
            )
        exchanges = tuple(
            Exchange(task, question, answer)
            for task, (question, answer) in zip(tasks, pairs, strict=True)
        )
        return cls(image, cast(Sensor, named), exchanges, _size(record.get("size")))


KEYS = frozenset({"image", "sensor", "size", "conversations", "tasks", "id"})
"""Keys of a record; ``id`` is common elsewhere and not needed."""


def guess_task(question: str, answer: str) -> Task:
    """Guess what a pair from elsewhere asks, by where boxes stand.

    Boxes in the question alone: region captioning; marked phrases or several boxes in the answer: detection; one
    bare box: grounding. Words alone are captioning where the question asks to describe, classification where it
    names classes or categories, else a question.

    Args:
        question: The question.
        answer: The answer.

    Example:
        >>> guess_task("Where is the red car?", "[0.10,0.20,0.30,0.40]")
        'grounding'
    """
    found = parse_answer(answer)
    if found.objects:
        if len(found.objects[0].numbers) == 8:
            return "oriented detection"
        bare = len(found.objects) == 1 and "<p>" not in answer
        return "grounding" if bare else "detection"
    if parse_answer(question).objects:
        return "region captioning"
    if re.search(r"\b(describe|description|caption)\b", question, re.IGNORECASE):
        return "captioning"
    if re.search(
        r"\b(category|categories|classes|scene class|classify)\b", question, re.IGNORECASE
    ):
        return "classification"
    return "vqa"


def read_instructions(path: str | Path, sensor: Sensor | None = None) -> list[Dialogue]:
    """Read a file of dialogues.

    Args:
        path: A JSON file.
        sensor: What took the images where the records do not say it.

    Returns:
        The dialogues, in order.

    Raises:
        FileNotFoundError: No such file.
        ValueError: If a record is malformed, with its number; nothing is left out.
    """
    dialogues = []
    for number, record in enumerate(read_records(path)):
        try:
            dialogues.append(Dialogue.from_record(record, sensor))
        except ValueError as error:
            raise ValueError(f"{path} record {number}: {error}; correct or remove it") from error
    return dialogues


def read_records(path: str | Path) -> list[Any]:
    """Read the records of a file of dialogues without looking into them.

    Args:
        path: A JSON file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: If this is no list in JSON, or its folder, or the one above with all splits, is unfinished.
    """
    path = Path(path)
    for folder in list(path.parents)[:2]:
        check_finished(folder)
    content = read_json_content(path)
    if not isinstance(content, list):
        raise ValueError(
            f"{path} holds {_short(content)}: expected a list of records with image and conversations; correct it"
        )
    return content


def read_json_content(path: Path) -> Any:
    """Read any JSON file, with errors of one sentence.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: If this is no JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: expected a JSON file; check the path")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} line {error.lineno} is not valid JSON ({error.msg}); correct it"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error.reason}); convert it") from error


def write_instructions(path: str | Path, dialogues: Iterable[Dialogue]) -> None:
    """Write a file of dialogues, one record per line.

    Args:
        path: Its name; an existing file is replaced.
        dialogues: The dialogues.
    """
    lines = [json.dumps(dialogue.to_record(), ensure_ascii=False) for dialogue in dialogues]
    write_text(path, "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n")


def _pairs(turns: Any) -> list[tuple[str, str]]:
    """Questions with their answers."""
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"expected a list of turns as conversations, found {_short(turns)}")
    texts = []
    for number, turn in enumerate(turns):
        who = ("human", "gpt")[number % 2]
        if not isinstance(turn, dict) or turn.get("from") != who:
            raise ValueError(f"turn {number}: expected one from {who}, found {_short(turn)}")
        said = turn.get("value")
        if not isinstance(said, str):
            raise ValueError(f"turn {number}: expected a text as value, found {_short(said)}")
        said = said.replace(IMAGE_MARK, "").strip() if who == "human" else said.strip()
        if not said:
            raise ValueError(f"turn {number}: expected a text as value, found an empty one")
        texts.append(said)
    if len(texts) % 2:
        raise ValueError(f"turn {len(texts)}: expected an answer from gpt, found the end")
    return list(zip(texts[::2], texts[1::2], strict=True))


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    fits = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value)
    )
    if not fits:
        raise ValueError(f"expected [width, height] in pixels as size, found {_short(value)}")
    return value[0], value[1]


def _short(value: Any) -> str:
    """A value as JSON writes it, cut to some length for a message."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
