"""One function per task: questions hold what is asked, answers what is true."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.boxes import Square
from mfnet_lite.language.exchanges import Asker, ObjectBox, converse, detection_answer
from mfnet_lite.language.paraphrases import VIEWS

SQUARE = Square(100, 50)
SHIP, CAR = ObjectBox("ship", (10, 0, 30, 20)), ObjectBox("car", (50, 25, 100, 50))
TILTED = ObjectBox("ship", (20, 10, 30, 20, 20, 30, 10, 20))


@pytest.fixture
def ask() -> Asker:
    return Asker("infrared", np.random.default_rng(0))


def test_coarse_tasks(ask: Asker) -> None:
    turn = ask.classification("dense residential")
    assert (turn.task, turn.answer) == ("classification", "dense residential")
    assert any(view in turn.question for view in VIEWS["infrared"])
    captions = ask.captioning(["Many planes.", "many  planes", "", "A runway."])
    assert [turn.answer for turn in captions] == ["Many planes.", "A runway."]
    turn = ask.vqa("Is there a ship", "yes")
    assert "Is there a ship?" in turn.question
    with pytest.raises(ValueError, match="is empty"):
        ask.vqa("Is there a ship?", " ")


def test_boxes_lie_on_the_padded_square(ask: Asker) -> None:
    turn = ask.detection([CAR, SHIP], SQUARE)
    assert (
        turn.answer
        == "There are <p>1 car</p>[0.50,0.50,1.00,0.75] and <p>1 ship</p>[0.10,0.25,0.30,0.45]."
    )
    assert "all objects" in turn.question
    turn = ask.detection([CAR, SHIP], SQUARE, only="ship")
    assert turn.answer == "There is <p>1 ship</p>[0.10,0.25,0.30,0.45]."
    assert "all ships" in turn.question
    assert ask.detection([CAR], SQUARE, only="ship").answer == "There are no ships."
    turn = ask.oriented_detection([TILTED], SQUARE)
    assert turn.task == "oriented detection"
    assert turn.answer == "There is <p>1 ship</p>[0.20,0.35,0.30,0.45,0.20,0.55,0.10,0.45]."
    assert not parse_answer(turn.answer, "oriented boxes").malformed


def test_grounding_both_ways(ask: Asker) -> None:
    turn = ask.grounding("The red ship.", SHIP.box, SQUARE)
    assert turn.answer == "[0.10,0.25,0.30,0.45]"
    assert "the red ship" in turn.question
    turn = ask.region_captioning(SHIP.box, "a red ship", SQUARE)
    assert turn.answer == "a red ship"
    assert "[0.10,0.25,0.30,0.45]" in turn.question


def test_boxes_that_vanish_are_refused(ask: Asker) -> None:
    with pytest.raises(ValueError, match="cut the image into smaller tiles"):
        ask.detection([ObjectBox("ship", (10, 10, 10.1, 20))], SQUARE)


def test_answers_do_not_depend_on_the_order_of_annotation() -> None:
    more = [ObjectBox("ship", (x, y, x + 8.0, y + 8.0)) for x, y in ((40, 10), (10, 30), (10, 10))]
    assert detection_answer(more, SQUARE) == detection_answer(more[::-1], SQUARE)


def test_decimals() -> None:
    fine = Asker("sar", np.random.default_rng(0), decimals=3)
    assert fine.grounding("a ship", (1, 1, 2.4, 2.4), SQUARE).answer == "[0.010,0.260,0.024,0.274]"


def test_one_dialogue_per_image(ask: Asker) -> None:
    turns = [ask.classification("harbor"), *ask.captioning(["A harbor.", "Ships."])]
    dialogue = converse("a.tif", "infrared", turns, (100, 50))
    assert dialogue.exchanges == tuple(turns)
    with pytest.raises(ValueError, match="has no question"):
        converse("a.tif", "infrared", [])


def test_wordings_vary_and_repeat_with_the_seed() -> None:
    def questions(seed: int, held_out: bool = False) -> list[str]:
        ask = Asker("optical", np.random.default_rng(seed), held_out)
        return [ask.classification("park").question for _ in range(8)]

    assert questions(1) == questions(1)
    assert len(set(questions(1))) > 1
    assert not set(questions(1)) & set(questions(1, held_out=True))
