"""How a task is asked: several wordings for training, others that are kept for tests.

A model that has learnt the wordings by heart fails on :data:`HELD_OUT`; one that understands the question does not.
``{view}`` becomes the name of the image by its sensor, which is all that tells sensors apart in EarthGPT;
``{thing}`` what is looked for, ``{box}`` a box, ``{question}`` a question of a data set.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mfnet_lite.language.instructions import Sensor, Task

__all__ = ["HELD_OUT", "TRAINING", "VIEWS", "wording"]

VIEWS: Mapping[Sensor, tuple[str, ...]] = {
    "optical": ("optical image", "optical satellite image", "optical aerial image"),
    "sar": ("SAR image", "radar image", "synthetic aperture radar image"),
    "infrared": ("infrared image", "thermal infrared image", "thermal image"),
}
"""How an image is called, by sensor."""

TRAINING: Mapping[Task, tuple[str, ...]] = {
    "classification": (
        "Which category does this {view} belong to? Answer with one word or a short phrase.",
        "Name the scene class of this {view} in one word or a short phrase.",
        "To which scene class would you assign this {view}? Give a short phrase.",
        "Decide on the category of the scene in this {view}; reply with its name only.",
        "This is one {view}. Its category is called what? Reply briefly.",
    ),
    "captioning": (
        "Describe this {view} in one sentence.",
        "Write a single sentence that describes what this {view} shows.",
        "Give a caption of one sentence for this {view}.",
        "Summarise the content of this {view} in a sentence.",
        "In one sentence, what can be seen in this {view}?",
    ),
    "vqa": (
        "{question} Answer for this {view} with one word or a short phrase.",
        "{question} Use the {view} and keep the answer to one word or a short phrase.",
        "Look at this {view}. {question} One word or a short phrase is enough.",
        "A question about this {view}: {question} Reply with a word or a short phrase.",
    ),
    "detection": (
        "Find {thing} in this {view} and give their horizontal boxes.",
        "Detect {thing} in this {view} with axis-aligned boxes.",
        "List {thing} of this {view}, each with an upright bounding box.",
        "Mark {thing} that this {view} shows by horizontal bounding boxes.",
    ),
    "oriented detection": (
        "Find {thing} in this {view} and give their oriented boxes.",
        "Detect {thing} in this {view} with rotated boxes of four corners.",
        "List {thing} of this {view}, each with an oriented bounding box.",
        "Mark {thing} that this {view} shows by the corners of rotated boxes.",
    ),
    "grounding": (
        "Where is {thing} in this {view}? Give its box.",
        "Locate {thing} in this {view} by a bounding box.",
        "Give the box around {thing} in this {view}.",
        "Point out {thing} in this {view} with one horizontal box.",
    ),
    "region captioning": (
        "What is inside the box {box} of this {view}?",
        "Describe the region {box} of this {view} in a few words.",
        "Say briefly what the box {box} in this {view} contains.",
        "Which object of this {view} lies in {box}?",
    ),
}
"""Wordings for training."""

HELD_OUT: Mapping[Task, tuple[str, ...]] = {
    "classification": (
        "If you had to sort this {view} into one kind of scene, which would it be? A short phrase, please.",
        "What type of place is pictured by this {view}? Use as few words as possible.",
    ),
    "captioning": (
        "Tell me in a sentence what is going on in this {view}.",
        "Someone cannot see this {view}: say in one sentence what it contains.",
    ),
    "vqa": (
        "With this {view} in mind: {question} Be as brief as you can.",
        "{question} A word about this {view} will do.",
    ),
    "detection": (
        "Draw an upright rectangle around {thing} visible in this {view}.",
        "I need the horizontal rectangles that enclose {thing} in this {view}.",
    ),
    "oriented detection": (
        "Draw a tilted rectangle around {thing} visible in this {view}.",
        "I need the corners of the rotated rectangles that enclose {thing} in this {view}.",
    ),
    "grounding": (
        "I am looking for {thing} in this {view}; show me where with a rectangle.",
        "Which rectangle of this {view} holds {thing}?",
    ),
    "region captioning": (
        "Put a short name to whatever the rectangle {box} of this {view} encloses.",
        "This {view} has something at {box}. What would you call it?",
    ),
}
"""Wordings that no training question uses."""


def wording(
    task: Task,
    sensor: Sensor,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
    thing: str = "",
    box: str = "",
    question: str = "",
) -> str:
    """Ask for a task in words drawn at random.

    Args:
        task: The task.
        sensor: What took the image.
        rng: Draws the wording.
        held_out: Whether to draw from those kept for tests.
        thing: What is looked for.
        box: The region.
        question: The question itself.

    Example:
        >>> wording("captioning", "sar", np.random.default_rng(0), held_out=True)
        'Someone cannot see this radar image: say in one sentence what it contains.'
    """
    form = str(rng.choice((HELD_OUT if held_out else TRAINING)[task]))
    view = str(rng.choice(VIEWS[sensor]))
    # One replacement after the other would read braces of a question as fields.
    return form.format(view=view, thing=thing, box=box, question=question)
