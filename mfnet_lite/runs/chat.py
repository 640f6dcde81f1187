"""A conversation about one image: the dialogue so far is remembered, boxes of answers become polygons on the map.

::

    chat = Chat(model, "scene.tif")
    chat.ask("How many ships are there?").text
    chat.ask("Where are they?").boxes            pixels of the image, padding taken off
    chat.features()                              GeoJSON in the coordinate system of the image

GeoJSON as it is standardised today (RFC 7946) knows WGS 84 alone. Here coordinates stay those of the image, and a
member ``crs`` names the system as GeoJSON did in 2008, which every GIS reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rasterio.transform import Affine
from torch import Tensor

from mfnet_lite.language.answers import Fault, parse_answer
from mfnet_lite.language.boxes import Square, corners_of
from mfnet_lite.nets.earthgpt import ANSWER_TOKENS, EarthGPT, Example
from mfnet_lite.nets.earthgpt_answers import longest_question
from mfnet_lite.rasters.geojson import DECIMALS, PIXELS, crs_member
from mfnet_lite.rasters.interpretation.georeference import (
    crs_name,
    misplaced_by,
)
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.square_image import read_square
from mfnet_lite.utils.counted_nouns import agreeing, counted

__all__ = ["AnsweredBox", "Chat", "Reply", "crs_member"]


@dataclass(frozen=True)
class AnsweredBox:
    """A box of an answer.

    Attributes:
        phrase: What is said to be there; empty for a bare box.
        corners: Four corners in pixel edges of the image, in the order of the answer.
        inside: Whether all of it lies inside the image, and nothing in what pads the image to a square.
    """

    phrase: str
    corners: tuple[tuple[float, float], ...]
    inside: bool


@dataclass(frozen=True)
class Reply:
    """What came back of a question.

    Attributes:
        turn: Number of the question, from 1.
        question: The question.
        text: The answer as it was written.
        boxes: The boxes that could be read.
        faults: Everything of the answer that could not be read or contradicts itself.
        forgotten: Earlier turns that were forgotten for this one, since all of them are longer than the model reads.
        cut_off: Whether the answer has as many tokens as it may have and has not ended, so that its end may be missing.
    """

    turn: int
    question: str
    text: str
    boxes: tuple[AnsweredBox, ...]
    faults: tuple[Fault, ...]
    forgotten: int = 0
    cut_off: bool = False

    def remarks(self) -> list[str]:
        """Say in sentences what somebody who reads the answer has to know about it."""
        said = []
        if self.forgotten:
            said.append(
                f"the dialogue has become longer than the model reads; {counted(self.forgotten, 'earlier turn')} "
                f"{agreeing(self.forgotten, 'is', 'are')} forgotten"
            )
        said += [
            f"answer {self.turn} is malformed ({fault.kind}): {fault.reason}{_quoted(fault.text)}"
            for fault in self.faults
        ]
        if self.cut_off:
            said.append(
                f"answer {self.turn} has as many tokens as it may have; its end may be missing"
            )
        outside = sum(not box.inside for box in self.boxes)
        if outside:
            said.append(
                f"answer {self.turn}: {outside} of {counted(len(self.boxes), 'box')} "
                f"{agreeing(outside, 'reaches', 'reach')} beyond the image"
            )
        return said


class Chat:
    """A conversation about one image.

    Args:
        model: A trained model.
        image: The image: GeoTIFF, PNG, JPEG, …
        max_new_tokens: Tokens of an answer at most.

    Attributes:
        replies: All answers so far, those of forgotten turns included.
        history: Questions and answers that the model still sees.

    Raises:
        FileNotFoundError: If there is no such image.
        ValueError: If it cannot be read or is too large, or answers may have no token.
    """

    def __init__(
        self, model: EarthGPT, image: str | Path, max_new_tokens: int = ANSWER_TOKENS
    ) -> None:
        if max_new_tokens < 1:
            raise ValueError(f"an answer needs at least 1 token, got {max_new_tokens}")
        self.model, self.image, self.max_new_tokens = model, Path(image), max_new_tokens
        self.info = raster_info(self.image)
        self.square = Square(self.info.width, self.info.height)
        pixels = read_square(self.image, model.config.image_size)
        self._seen: Tensor = model.features(pixels[None]).bfloat16()[0].cpu()
        self.replies: list[Reply] = []
        self.history: list[tuple[str, str]] = []

    def ask(self, question: str) -> Reply:
        """Ask the next question.

        Args:
            question: In words.

        Returns:
            The answer, its boxes and what is wrong with it.

        Raises:
            ValueError: If the question is empty, or too long for the model even without the turns before it.
        """
        question = " ".join(question.split())
        if not question:
            raise ValueError("a question is empty: expected words; write one")
        kept = self._kept(question)
        forgotten, self.history = len(self.history) - len(kept), kept
        ((text, ended),) = self.model.written([self._example(question, kept)], self.max_new_tokens)
        answer = parse_answer(text)
        reply = Reply(
            turn=len(self.replies) + 1,
            question=question,
            text=text,
            boxes=tuple(self._placed(found.phrase, found.numbers) for found in answer.objects),
            faults=answer.faults,
            forgotten=forgotten,
            cut_off=not ended,
        )
        self.replies.append(reply)
        self.history.append((question, text))
        return reply

    def features(self) -> dict[str, Any]:
        """Collect the boxes of all answers as GeoJSON.

        Returns:
            A FeatureCollection of polygons with the properties ``phrase``, ``question``, ``turn``, ``text`` (the whole
            answer) and ``coordinates`` (the name of the coordinate system, or that these are pixels). In the coordinate
            system of the image, which the member ``crs`` names; in pixels and without it where the image has none. Of a
            scene with ground control points the affine transform that fits them best is taken; :meth:`remarks` says
            where that is not good enough.
        """
        # without a coordinate system boxes stay in pixels
        transform = None if self.info.crs is None else self.info.place
        crs = None if transform is None else self.info.crs
        features = [
            {
                "type": "Feature",
                "properties": {
                    "phrase": box.phrase,
                    "question": reply.question,
                    "turn": reply.turn,
                    "text": reply.text,
                    "coordinates": PIXELS if crs is None else crs_name(crs),
                },
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [ring(box.corners, transform)],
                },
            }
            for reply in self.replies
            for box in reply.boxes
        ]
        named = {} if crs is None else {"crs": crs_member(crs)}
        return {"type": "FeatureCollection", **named, "features": features}

    def remarks(self) -> list[str]:
        """Say in sentences what somebody who uses the places of boxes has to know about the image."""
        if self.info.crs is None or self.info.transform is not None:
            return []
        words = misplaced_by(list(self.info.gcps))
        return [] if words is None else [f"{self.image} {words}"]

    def _kept(self, question: str) -> list[tuple[str, str]]:
        """The latest turns that fit beside a question and its answer."""
        network = self.model.language.network
        room = longest_question(self.max_new_tokens, network)
        kept = list(self.history)
        while room is not None:
            rows, _ = self.model.packed([self._example(question, kept)])
            length = rows.ids.shape[1]
            if length <= room:
                break
            if not kept:
                raise ValueError(
                    f"image and question take {length} tokens and the answer up to {self.max_new_tokens}, the language "
                    f"model reads {network.config.max_position_embeddings}: ask in fewer words, or allow the answer "
                    "fewer tokens"
                )
            del kept[0]
        return kept

    def _example(self, question: str, history: Sequence[tuple[str, str]]) -> Example:
        return Example([*history, (question, None)], (self._seen,))

    def _placed(self, phrase: str, numbers: Sequence[float]) -> AnsweredBox:
        """A box of a text on the image."""
        corners = corners_of(self.square.to_pixels(numbers))
        edge = np.array([self.info.width, self.info.height])
        inside = bool(((corners > -1e-6) & (corners < edge + 1e-6)).all())
        return AnsweredBox(phrase, tuple((float(x), float(y)) for x, y in corners), inside)


def _quoted(part: str) -> str:
    """A part of an answer, cut to some length for a message."""
    part = " ".join(part.split())
    if not part:
        return ""
    return f" in {part if len(part) <= 60 else part[:57] + '…'!r}"


def ring(corners: Sequence[tuple[float, float]], transform: Affine | None) -> list[list[float]]:
    """Draw the outline of a box as GeoJSON wants it: closed, against the clock where y points up.

    Args:
        corners: Four corners in pixels.
        transform: From pixels to coordinates; None leaves pixels.

    Example:
        >>> ring([(0, 0), (2, 0), (2, 1), (0, 1)], Affine(10, 0, 500, 0, -10, 900))
        [[500.0, 900.0], [500.0, 890.0], [520.0, 890.0], [520.0, 900.0], [500.0, 900.0]]
    """
    points: Float[np.ndarray, "4 2"] = np.asarray(corners, dtype=np.float64)
    if transform is not None:
        matrix = np.array(
            [[transform.a, transform.b, transform.c], [transform.d, transform.e, transform.f]]
        )
        points = points @ matrix[:, :2].T + matrix[:, 2]
    x, y = (points - points[0]).T
    if np.dot(x, np.roll(y, -1)) < np.dot(y, np.roll(x, -1)):
        points = np.concatenate([points[:1], points[:0:-1]])
    closed = np.concatenate([points, points[:1]]).round(DECIMALS)
    return [[float(x), float(y)] for x, y in closed]
