"""Dialogues about the world: true of label and instances in every sensor, made again by the seed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio

from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.instruction_check import check_instructions
from mfnet_lite.language.instructions import EXPECTED, SENSORS, TASKS, read_instructions
from mfnet_lite.language.nouns import class_of
from mfnet_lite.language.town_questions import TownQuestion
from mfnet_lite.language.visible_objects import NOUNS, scene_class
from mfnet_lite.language.world_dialogues import (
    DialogueConfig,
    draw_questions,
    scene_dialogue,
    sensor_image,
    write_world_instructions,
)
from mfnet_lite.world import make_scene
from mfnet_lite.world.captions import view_of
from tests.language.towns import SEEDS, edges, masks, scene

WINDOW = (slice(16, 112), slice(32, 128))


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_boxes_and_classes_are_true(seed: int, sensor) -> None:
    config = DialogueConfig(detections=3, groundings=3, regions=3)
    dialogue = scene_dialogue(
        scene(seed), sensor, "a.tif", np.random.default_rng(seed), window=WINDOW, config=config
    )
    seen = view_of(scene(seed), WINDOW)
    square = dialogue.square
    assert square is not None
    assert dialogue.size == (96, 96)
    tasks = Counter(exchange.task for exchange in dialogue.exchanges)
    assert set(tasks) == set(TASKS)
    there = [
        (name, number, edges(mask))
        for name in dict.fromkeys(NOUNS.values())
        for number, mask in masks(seen, name).items()
    ]
    for exchange in dialogue.exchanges:
        answer = parse_answer(exchange.answer, EXPECTED[exchange.task])
        assert not answer.malformed, answer.faults
        if exchange.task == "classification":
            assert exchange.answer == scene_class(seen)
        for found in answer.objects:
            xs = np.array(square.to_pixels(found.numbers))
            box = (xs[::2].min(), xs[1::2].min(), xs[::2].max(), xs[1::2].max())
            name = class_of(found.phrase, NOUNS.values())
            near = [
                t
                for t in there
                if name in (None, t[0]) and np.abs(np.subtract(box, t[2])).max() <= 0.49
            ]
            if exchange.task != "oriented detection":
                assert near
        if exchange.task == "detection":
            large = [t for t in there if masks(seen, t[0])[t[1]].sum() >= config.smallest]
            for phrase, count in answer.counts:
                name = class_of(phrase, NOUNS.values())
                assert count == sum(t[0] == name for t in large)
        if exchange.task == "region captioning":
            (region,) = parse_answer(exchange.question).objects
            box = square.to_pixels(region.numbers)
            name = re.sub(r"^a | (in|on) the .*$", "", exchange.answer)
            assert any(t[0] == name and np.abs(np.subtract(box, t[2])).max() <= 0.49 for t in there)


def test_oriented_boxes_hold_their_objects() -> None:
    config = DialogueConfig(detections=9, most_boxes=30)
    dialogue = scene_dialogue(scene(3), "optical", "a.tif", np.random.default_rng(0), config=config)
    seen = view_of(scene(3))
    square = dialogue.square
    assert square is not None
    checked = 0
    for exchange in dialogue.exchanges:
        if exchange.task == "oriented detection":
            for found in parse_answer(exchange.answer).objects:
                corners = np.reshape(square.to_pixels(found.numbers), (4, 2))
                middle = corners.mean(axis=0)
                name = class_of(found.phrase, NOUNS.values())
                assert name is not None
                boxes = [edges(mask) for mask in masks(seen, name).values()]
                assert any(b[0] <= middle[0] <= b[2] and b[1] <= middle[1] <= b[3] for b in boxes)
                checked += 1
    assert checked > 5


def test_words_of_other_sensors_are_not_those_of_photographs() -> None:
    config = DialogueConfig(captions=12)
    for sensor in ("sar", "infrared"):
        for seed in SEEDS[:4]:
            dialogue = scene_dialogue(
                scene(seed), sensor, "a.tif", np.random.default_rng(seed), config=config
            )
            for exchange in dialogue.exchanges:
                if exchange.task == "captioning":
                    said = exchange.answer.lower()
                    assert not re.search(r"photo|aerial|picture|seen from above|summer", said)
                assert "optical" not in exchange.question


def test_wordings_held_out_ask_the_same() -> None:
    ways = [
        scene_dialogue(scene(2), "sar", "a.tif", np.random.default_rng(4), held_out=held_out)
        for held_out in (False, True)
    ]
    usual, other = ([(e.task, e.answer) for e in way.exchanges] for way in ways)
    assert usual == other
    questions = [{e.question for e in way.exchanges} for way in ways]
    assert not questions[0] & questions[1]


def test_amounts() -> None:
    config = DialogueConfig(captions=0, questions=2, detections=0, groundings=0, regions=1)
    dialogue = scene_dialogue(scene(0), "optical", "a.tif", np.random.default_rng(0), config=config)
    tasks = Counter(exchange.task for exchange in dialogue.exchanges)
    assert tasks == {"classification": 1, "vqa": 2, "region captioning": 1}
    few = DialogueConfig(detections=20, most_boxes=3)
    dialogue = scene_dialogue(scene(0), "optical", "a.tif", np.random.default_rng(0), config=few)
    boxes = [
        len(parse_answer(e.answer).objects) for e in dialogue.exchanges if "detection" in e.task
    ]
    assert max(boxes) <= 3
    assert 0 in boxes  # what is not there is asked for, too


def test_questions_are_drawn_over_kinds_and_answers() -> None:
    many = [TownQuestion("presence", (("one", str(k)),), "no") for k in range(90)]
    many += [TownQuestion("presence", (("one", "car"),), "yes"), TownQuestion("cover", (), "trees")]
    yes = 0
    for seed in range(40):
        drawn = draw_questions(many, 2, np.random.default_rng(seed))
        assert {question.kind for question in drawn} == {"presence", "cover"}
        yes += any(question.answer == "yes" for question in drawn)
    assert 8 < yes < 32
    assert len(draw_questions(many, 500, np.random.default_rng(0))) == len(many)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world_instructions(
        tmp_path_factory.mktemp("world") / "x", tiles=4, size=64, seed=5, quiet=True
    )


def test_the_folder(folder: Path) -> None:
    assert {f.name for f in folder.iterdir()} == {"train", "val", "test"}
    report = check_instructions(folder)
    assert report.ok, report.problems
    assert report.dialogues == 4 * 3 + 3
    for split in ("train", "val", "test"):
        for dialogue in read_instructions(folder / split / "instructions.json"):
            with rasterio.open(folder / split / dialogue.image) as file:
                assert (file.width, file.height) == dialogue.size == (64, 64)
                assert file.count == (3 if dialogue.sensor == "optical" else 1)
                assert file.crs is not None
                image = sensor_image_of(dialogue.image, dialogue.sensor)
                assert np.array_equal(file.read(), image)
    usual, other = (
        read_instructions(folder / "test" / name)
        for name in ("instructions.json", "instructions_paraphrased.json")
    )
    assert [[e.answer for e in d.exchanges] for d in usual] == [
        [e.answer for e in d.exchanges] for d in other
    ]


def sensor_image_of(image: str, sensor) -> np.ndarray:
    return sensor_image(make_scene(int(image[-9:-4]), 64), sensor)


def test_the_same_seed_writes_the_same(folder: Path, tmp_path: Path) -> None:
    again = write_world_instructions(tmp_path / "y", tiles=4, size=64, seed=5, quiet=True)
    for split in ("train", "test"):
        file = f"{split}/instructions.json"
        assert (again / file).read_text("utf-8") == (folder / file).read_text("utf-8")
    radar = write_world_instructions(
        tmp_path / "z", tiles=1, size=64, seed=5, sensors=("sar",), quiet=True
    )
    only = read_instructions(radar / "train" / "instructions.json")
    assert (
        only
        == [
            d
            for d in read_instructions(folder / "train" / "instructions.json")
            if d.sensor == "sar"
        ][:1]
    )


def test_crops_of_larger_scenes(tmp_path: Path) -> None:
    folder = write_world_instructions(
        tmp_path / "a", tiles=2, size=64, seed=3, sensors=("sar",), crops=2, quiet=True
    )
    whole = sensor_image(make_scene(3, 128), "sar")
    dialogues = read_instructions(folder / "train" / "instructions.json")
    assert [d.image for d in dialogues] == [
        f"sar/scene_00003_{r}_{c}.tif" for r in (0, 1) for c in (0, 1)
    ]
    with rasterio.open(folder / "train" / dialogues[1].image) as file:
        assert np.array_equal(file.read(), whole[:, :64, 64:])
    assert dialogues[0].exchanges != dialogues[1].exchanges
    again = scene_dialogue(
        make_scene(3, 128), "sar", dialogues[1].image, np.random.default_rng([3, 1, 1]),
        window=(slice(0, 64), slice(64, 128)),
    )  # fmt: skip
    assert again == dialogues[1]
    assert len(read_instructions(folder / "test" / "instructions.json")) == 4
    assert check_instructions(folder).ok


def test_refusals(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        write_world_instructions(folder, tiles=1, size=64)
    with pytest.raises(
        ValueError, match="expected sensors among optical, sar, infrared, got 'x-ray'"
    ):
        write_world_instructions(tmp_path / "a", sensors=("x-ray",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got none"):
        write_world_instructions(tmp_path / "a", sensors=())
    with pytest.raises(ValueError, match="size must be at least"):
        write_world_instructions(tmp_path / "a", size=8)
    with pytest.raises(ValueError, match="crops must be at least 1, got 0"):
        write_world_instructions(tmp_path / "a", crops=0)
