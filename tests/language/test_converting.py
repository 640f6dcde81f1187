"""Every public format becomes dialogues of one form, which the check finds nothing wrong with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mfnet_lite.language import converting
from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.converting import convert
from mfnet_lite.language.instruction_check import check_instructions
from mfnet_lite.language.instructions import read_instructions
from tests.language.sources import made

CASES = {
    "captions": (made.captions, {"train": {"captioning": 2}, "test": {"captioning": 1}}),
    "vqa": (made.vqa, {"train": {"vqa": 2}, "val": {"vqa": 2}}),
    "coco": (made.coco, {"train": {"detection": 2}}),
    "dota": (made.dota, {"train": {"detection": 2, "oriented detection": 1}}),
    "voc": (made.voc, {"train": {"detection": 1}, "test": {"detection": 1}}),
    "class_folders": (
        made.classes,
        {"train": {"classification": 16}, "val": {"classification": 2}, "test": {"classification": 2}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("kind", CASES)
def test_all_formats(tmp_path: Path, kind: str, copy: bool) -> None:
    make, expected = CASES[kind]
    done = convert(kind, make(tmp_path / "src"), tmp_path / "out", copy=copy, sensor="sar")
    assert done.problems == ()
    counts: dict[str, dict[str, int]] = {}
    for (split, task), number in done.counts.items():
        counts.setdefault(split, {})[task] = number
    assert counts == expected
    report = check_instructions(tmp_path / "out")
    assert report.ok, report.problems
    assert report.dialogues == sum(done.images.values())
    for split in expected:
        for dialogue in read_instructions(tmp_path / "out" / split / "instructions.json"):
            assert dialogue.sensor == "sar"
            image = tmp_path / "out" / split / dialogue.image
            assert image.is_file()
            assert image.resolve().is_relative_to(tmp_path / ("out" if copy else "src"))


def test_boxes_are_on_the_square(tmp_path: Path) -> None:
    convert("dota", made.dota(tmp_path / "src"), tmp_path / "out")
    first, second = read_instructions(tmp_path / "out" / "train" / "instructions.json")
    answers = {e.task: e.answer for e in first.exchanges}
    plane, car = (
        "<p>1 plane</p>[0.60,0.35,0.90,0.65]",
        "<p>1 small vehicle</p>[0.10,0.35,0.30,0.55]",
    )
    assert answers["detection"] == f"There are {plane} and {car}."
    assert "[0.20,0.35,0.30,0.45,0.20,0.55,0.10,0.45]" in answers["oriented detection"]
    assert [e.answer for e in second.exchanges] == ["There are no objects."]
    assert first.square is not None
    box = parse_answer(answers["detection"]).objects[0].numbers
    assert first.square.to_pixels(box) == pytest.approx((60, 10, 90, 40))


def test_referring_expressions_go_both_ways(tmp_path: Path) -> None:
    done = convert("auto", made.referring(tmp_path / "src"), tmp_path / "out")
    assert done.counts["train", "grounding"] == done.counts["train", "region captioning"] == 2
    (test,) = read_instructions(tmp_path / "out" / "test" / "instructions.json")
    ask, tell = test.exchanges
    assert "the large ship" in ask.question
    assert ask.answer == "[0.50,0.50,0.99,0.75]"
    assert (ask.answer in tell.question, tell.answer) == (True, "The large ship")
    # one image in two splits: the check says it
    assert "lies in several splits, such as 00001.jpg" in str(
        check_instructions(tmp_path / "out").problems[0]
    )


def test_many_objects_are_asked_for_class_by_class(tmp_path: Path) -> None:
    ships = [{"image_id": 7, "category_id": 1, "bbox": [10 * k, 30, 8, 8]} for k in range(5)]
    made.coco(tmp_path / "src", [*ships, {"image_id": 7, "category_id": 1, "bbox": [3, 3, 0.2, 9]}])
    done = convert("coco", tmp_path / "src", tmp_path / "out", most_boxes=4)
    notes = " ".join(done.notes)
    assert "an object vanishes in two decimals and is not asked for (1 x)" in notes
    assert "an image has more than 4 objects and is asked class by class (1 x)" in notes
    assert "a class with more than 4 objects in one image is not asked for (1 x)" in notes
    first, _ = read_instructions(tmp_path / "out" / "train" / "instructions.json")
    (turn,) = first.exchanges
    assert "all storage tanks" in turn.question


def test_drawn_splits_follow_seed_and_shares(tmp_path: Path) -> None:
    made.classes(tmp_path / "src")

    def drawn(name: str, seed: int) -> dict[str, list[str]]:
        out = tmp_path / name
        done = convert("class_folders", tmp_path / "src", out, seed=seed, shares=(0.5, 0.0, 0.5))
        assert "train, val and test are drawn (50 %, 0 %, 50 %" in " ".join(done.notes)
        return {
            split: [
                Path(d.image).name for d in read_instructions(out / split / "instructions.json")
            ]
            for split in done.images
        }

    first = drawn("a", 1)
    assert first == drawn("b", 1)
    assert first != drawn("c", 2)
    for names in first.values():  # class by class
        assert Counter(name[:7] for name in names) == {"dense_r": 5, "Airport": 5}
    assert not set(first["train"]) & set(first["test"])


def test_refusals(tmp_path: Path) -> None:
    made.classes(tmp_path / "src")
    with pytest.raises(ValueError, match="unknown sensor 'radar'"):
        convert("class_folders", tmp_path / "src", tmp_path / "a", sensor="radar")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shares must be three that sum to 1"):
        convert("class_folders", tmp_path / "src", tmp_path / "a", shares=(0.5, 0.1, 0.1))
    with pytest.raises(ValueError, match="entries, expected a new or empty folder"):
        convert("class_folders", tmp_path / "src", tmp_path / "src")
    made.captions(tmp_path / "c")
    for image in (tmp_path / "c" / "images").iterdir():
        image.unlink()
    with pytest.raises(
        ValueError, match=r"gives no question: 2 problems, such as .*airport_1.jpg is missing"
    ):
        convert("captions", tmp_path / "c", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_stopped_conversion_is_not_read_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.classes(tmp_path / "src")
    whole = convert("class_folders", tmp_path / "src", tmp_path / "whole", copy=True)
    calls = []

    def stopped(path: Path, dialogues: object) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(path)
        write(path, dialogues)

    write = converting.write_instructions
    monkeypatch.setattr(converting, "write_instructions", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert("class_folders", tmp_path / "src", tmp_path / "out", copy=True)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="out is unfinished"):
        read_instructions(calls[0])
    with pytest.raises(ValueError, match="was begun with other arguments"):
        convert("class_folders", tmp_path / "src", tmp_path / "out", seed=5, copy=True)
    again = convert("class_folders", tmp_path / "src", tmp_path / "out", copy=True)
    assert again.images == whole.images

    def files(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert files(tmp_path / "out") == files(tmp_path / "whole")
