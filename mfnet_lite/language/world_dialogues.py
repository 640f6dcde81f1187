"""Scenes of the world become dialogues: images of several sensors with everything that is known about them.

The sensors of a scene see the same ground, so the same answers hold; captions of radar and thermal images speak
neither of photographs nor of the season. Scenes are divided into splits, never their sensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from tqdm import tqdm

from mfnet_lite.language.exchanges import Asker, converse
from mfnet_lite.language.instructions import (
    SENSORS,
    Dialogue,
    Exchange,
    Sensor,
    write_instructions,
)
from mfnet_lite.language.referring import referring_phrases, region_phrase
from mfnet_lite.language.town_questions import TownQuestion, town_questions
from mfnet_lite.language.visible_objects import NOUNS, VisibleObjects, scene_class, visible_objects
from mfnet_lite.utils.fresh_folders import finish_folder, fresh_folder
from mfnet_lite.world.captions import OPENINGS, View, describe, view_of
from mfnet_lite.world.config import WorldConfig, check_size
from mfnet_lite.world.output import split_names, write_tif
from mfnet_lite.world.scene import Scene, make_scene

__all__ = ["DialogueConfig", "scene_dialogue", "sensor_image", "write_world_instructions"]

FILE = "instructions.json"
PARAPHRASED = "instructions_paraphrased.json"
"""The same questions of a test split in wordings that no training question uses."""

CAPTION_OPENINGS: Mapping[str, tuple[str, ...]] = {
    "sar": ("", "", "a radar image of ", "a SAR image of "),
    "infrared": ("", "", "a thermal image of ", "an infrared image of "),
}


@dataclass(frozen=True)
class DialogueConfig:
    """How much is asked about an image.

    Attributes:
        captions: Captions drawn; equal ones are asked for once.
        questions: Questions drawn, as many kinds as possible.
        detections: Detections with horizontal boxes, and as many with oriented ones.
        groundings: Phrases to locate.
        regions: Boxes to describe.
        most_boxes: Detection asks for all objects up to this number, for one kind of them where there are more;
            kinds with more are not asked for.
        smallest: Pixels that an object must show.
    """

    captions: int = 2
    questions: int = 4
    detections: int = 1
    groundings: int = 2
    regions: int = 2
    most_boxes: int = 12
    smallest: int = 16


def sensor_image(
    scene: Scene, sensor: Sensor, window: tuple[slice, slice] | None = None
) -> Shaped[np.ndarray, "bands rows cols"]:
    """What a sensor sees: red, green, blue as bytes, radar in decibels, temperature in kelvin.

    Args:
        scene: The scene.
        sensor: The sensor.
        window: Rows and columns; the whole scene when None.
    """
    rows, cols = window or (slice(None), slice(None))
    seen = {"optical": scene.optical[:3], "sar": scene.sar[None], "infrared": scene.thermal[None]}
    return seen[sensor][:, rows, cols]


def scene_dialogue(
    scene: Scene,
    sensor: Sensor,
    image: str,
    rng: np.random.Generator,
    *,
    window: tuple[slice, slice] | None = None,
    config: DialogueConfig | None = None,
    held_out: bool = False,
) -> Dialogue:
    """Ask about a scene, or a window of it.

    Args:
        scene: The scene.
        sensor: Whose image is shown.
        image: Its file.
        rng: Draws what is asked, then the words; with the same numbers the same is asked in wordings held out or not.
        window: Rows and columns; the whole scene when None.
        config: How much is asked.
        held_out: Whether to use the wordings kept for tests.

    Returns:
        The dialogue; every answer is true of the scene's label and instances.
    """
    config = config or DialogueConfig()
    view = view_of(scene, window)
    seen = visible_objects(view, config.smallest)
    return _dialogue(view, seen, sensor, image, rng, config, held_out)


def _dialogue(
    view: View,
    seen: VisibleObjects,
    sensor: Sensor,
    image: str,
    rng: np.random.Generator,
    config: DialogueConfig,
    held_out: bool,
) -> Dialogue:
    """Ask about a picture whose objects are known."""
    what, words = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=2))
    ask = Asker(sensor, words, held_out)
    turns = [ask.classification(scene_class(view))]
    turns += ask.captioning(_caption(view, sensor, what) for _ in range(config.captions))
    turns += [
        ask.vqa(question.text(words, held_out), question.answer)
        for question in draw_questions(town_questions(view, seen), config.questions, what)
    ]
    turns += _detections(ask, seen, config, what)
    phrases = referring_phrases(seen)
    for index in _some(len(phrases), config.groundings, what):
        phrase, item = phrases[index]
        turns.append(ask.grounding(phrase, item.box, seen.square))
    for index in _some(len(seen.objects), config.regions, what):
        item = seen.objects[index]
        turns.append(ask.region_captioning(item.box, region_phrase(item, seen), seen.square))
    order = what.permutation(len(turns))
    size = (seen.square.width, seen.square.height)
    return converse(image, sensor, [turns[k] for k in order], size)


def write_world_instructions(
    out: str | Path,
    tiles: int = 20,
    size: int = 128,
    seed: int = 0,
    sensors: Sequence[Sensor] = SENSORS,
    *,
    crops: int = 1,
    gsd: float = 0.25,
    world: WorldConfig | None = None,
    config: DialogueConfig | None = None,
    splits: tuple[float, float, float] = (0.6, 0.2, 0.2),
    quiet: bool = False,
) -> Path:
    """Write ``{train,val,test}/instructions.json`` with the images of each sensor in a folder beside it.

    Tile k is ``make_scene(seed + k)``, or with ``crops`` a larger scene cut into crops × crops images, which makes
    many images of a small size about twice as fast; they stay in one split. The test split also has
    ``instructions_paraphrased.json``: the same questions in wordings that no training question uses.

    Args:
        out: A new or empty folder.
        tiles: How many scenes.
        size: Side of an image, pixels.
        seed: Of the first scene.
        sensors: Which images are written; each has a dialogue of its own.
        crops: Images per side of a scene.
        gsd: Metres per pixel.
        world: Parameters of the world.
        config: How much is asked.
        splits: Shares of train, val and test.
        quiet: No progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: For a folder with content, an unknown sensor, or values out of range.
    """
    check_size(size * max(crops, 1), gsd, seed)
    if crops < 1:
        raise ValueError(f"crops must be at least 1, got {crops}; 1 takes each scene as a whole")
    chosen = tuple(dict.fromkeys(sensors))
    unknown = [name for name in chosen if name not in SENSORS]
    if unknown or not chosen:
        raise ValueError(
            f"expected sensors among {', '.join(SENSORS)}, got "
            f"{', '.join(map(repr, unknown)) or 'none'}; choose some"
        )
    config = config or DialogueConfig()
    split_of = split_names(tiles, splits)
    plan = {
        "layout": "dialogues",
        "tiles": tiles,
        "size": size,
        "seed": seed,
        "sensors": chosen,
        "gsd": gsd,
    }
    asked = {"crops": crops, "splits": splits, "dialogues": repr(config), "world": repr(world)}
    folder = fresh_folder(out, plan | asked)
    written: dict[tuple[str, str], list[Dialogue]] = {}
    for index in tqdm(range(tiles), desc="scenes", unit="scene", disable=quiet):
        scene = make_scene(seed + index, size * crops, gsd, world)
        split = split_of[index]
        for crop, (row, col) in enumerate(np.ndindex(crops, crops)):
            window = (slice(row * size, (row + 1) * size), slice(col * size, (col + 1) * size))
            name = f"scene_{seed + index:05d}{f'_{row}_{col}' if crops > 1 else ''}.tif"
            view = view_of(scene, window)
            seen = visible_objects(view, config.smallest)
            for sensor in chosen:
                image = f"{sensor}/{name}"
                pixels = sensor_image(scene, sensor, window)
                column = index * crops**2 + crop
                write_tif(folder / split / image, pixels, gsd=gsd, column=column)
                for file, held_out in ((FILE, False), (PARAPHRASED, True)):
                    if held_out and split != "test":
                        continue
                    rng = np.random.default_rng([seed + index, SENSORS.index(sensor), crop])
                    dialogue = _dialogue(view, seen, sensor, image, rng, config, held_out)
                    written.setdefault((split, file), []).append(dialogue)
    for (split, file), dialogues in written.items():
        write_instructions(folder / split / file, dialogues)
    return finish_folder(folder)


def draw_questions(
    questions: Sequence[TownQuestion], count: int, rng: np.random.Generator
) -> list[TownQuestion]:
    """Draw questions of as many kinds as possible, and within a kind of each answer as often.

    Args:
        questions: From :func:`~mfnet_lite.language.town_questions.town_questions`.
        count: How many; fewer if there are no more.
        rng: Random generator.
    """
    left: dict[str, dict[str, list[TownQuestion]]] = {}
    for question in questions:
        left.setdefault(question.kind, {}).setdefault(question.answer, []).append(question)
    drawn: list[TownQuestion] = []
    while left and len(drawn) < count:
        for kind in rng.permutation(list(left)).tolist()[: count - len(drawn)]:
            answers = left[kind]
            answer = str(rng.choice(list(answers)))
            drawn.append(answers[answer].pop(int(rng.integers(len(answers[answer])))))
            if not answers[answer]:
                del answers[answer]
            if not answers:
                del left[kind]
    return drawn


def _detections(
    ask: Asker, seen: VisibleObjects, config: DialogueConfig, rng: np.random.Generator
) -> list[Exchange]:
    """Ask for everything where it is little, else for one kind; oriented boxes of the same."""
    nouns = list(dict.fromkeys(item.noun for item in seen.objects))
    choices: list[str | None] = [n for n in nouns if len(seen.of(n)) <= config.most_boxes]
    if len(seen.objects) <= config.most_boxes:
        choices = [None, *choices]
    # Now and then something that is not there, or a model learns that whatever is asked for exists.
    absent = [noun for noun in NOUNS.values() if seen.count(noun) == 0]
    if absent:
        choices.append(str(rng.choice(absent)))
    found: list[Exchange] = []
    for index in _some(len(choices), config.detections, rng):
        found.append(ask.detection(seen.boxes(), seen.square, choices[index]))
        found.append(ask.oriented_detection(seen.boxes(True), seen.square, choices[index]))
    return found


def _caption(view: View, sensor: Sensor, rng: np.random.Generator) -> str:
    """A caption of the world, freed for other sensors of what only a photograph tells."""
    text = describe(view, rng)
    if sensor != "optical":
        opening = max((o for o in OPENINGS if text.startswith(o)), key=len)
        text = text.removeprefix(opening).removesuffix(f", in {view.season}")
        text = str(rng.choice(CAPTION_OPENINGS[sensor])) + text
    return text[:1].upper() + text[1:] + "."


def _some(there: int, count: int, rng: np.random.Generator) -> list[int]:
    """Draw some of a list's places, without repetition."""
    return [int(k) for k in rng.permutation(there)[:count]]
