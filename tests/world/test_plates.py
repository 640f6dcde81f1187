from __future__ import annotations

import time

import numpy as np
import pytest

from mfnet_lite.world import PlateConfig, PlatePicture, make_plate_picture
from mfnet_lite.world.plates_canvas import contains

SEEDS = range(30)


@pytest.fixture(scope="module")
def pictures() -> list[PlatePicture]:
    return [make_plate_picture(seed, 128, night=seed % 3 == 2) for seed in SEEDS]


def test_seed_and_light_decide_everything() -> None:
    one, two, three = (make_plate_picture(seed, 64) for seed in (5, 5, 6))
    dark = make_plate_picture(5, 64, night=True)
    assert (one.image == two.image).all()
    assert (one.instances == two.instances).all()
    assert one.texts == two.texts
    assert (one.image != three.image).mean() > 0.5
    assert dark.image.mean() < 0.7 * one.image.mean()
    assert dark.night


def test_plan_does_not_depend_on_the_size() -> None:
    for seed in (1, 4, 9):
        small, large = make_plate_picture(seed, 64), make_plate_picture(seed, 128)
        assert small.texts == large.texts
        np.testing.assert_allclose(2 * small.corners, large.corners, atol=1e-3)
        # The same street: halving the large picture gives about the small one.
        halved = large.image.reshape(3, 64, 2, 64, 2).mean(axis=(2, 4))
        assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.9


def test_numbers_have_no_gaps_and_a_word_each(pictures: list[PlatePicture]) -> None:
    words: set[str] = set()
    for picture in pictures:
        found = np.unique(picture.instances)
        assert found[found > 0].tolist() == list(range(1, len(picture.kinds) + 1))
        words |= set(picture.kinds)
    assert words == {"vehicle", "window", "wheel", "lamp", "sign", "sticker", "plate"}


def test_plates_agree_with_their_corners_boxes_and_numbers(pictures: list[PlatePicture]) -> None:
    whole = 0
    for picture in pictures:
        numbers = [k for k, word in enumerate(picture.kinds, 1) if word == "plate"]
        assert len(numbers) == len(picture.texts) == len(picture.plate_boxes)
        assert (np.isin(picture.instances, numbers) == picture.plate).all()
        assert picture.plate_boxes.reshape(-1).min(initial=0) >= 0
        assert picture.plate_boxes.reshape(-1).max(initial=0) <= 128
        for number, corners, box in zip(numbers, picture.corners, picture.plate_boxes, strict=True):
            np.testing.assert_allclose(box, [*corners.min(axis=0), *corners.max(axis=0)])
            mask = picture.instances == number
            inside = contains(corners, 128, 128)
            assert not (mask & ~inside).any()
            whole += int((mask == inside).all())
            rows, cols = np.nonzero(mask)
            tight = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
            assert np.abs(tight - box).max() <= 1.01
    assert whole >= 0.9 * sum(len(picture.texts) for picture in pictures)


def test_plates_can_be_read(pictures: list[PlatePicture]) -> None:
    # Letters stand out from the ground of a plate that fills enough pixels, by day and by night.
    for picture in pictures:
        for box in picture.plate_boxes.astype(int):
            if box[2] - box[0] >= 30:
                crop = picture.image[:, box[1] + 1 : box[3] - 1, box[0] + 1 : box[2] - 1]
                assert crop.mean(axis=0).std() > 8


def test_variety(pictures: list[PlatePicture]) -> None:
    widths = [box[2] - box[0] for picture in pictures for box in picture.plate_boxes]
    assert min(widths) < 12
    assert max(widths) > 35
    slopes = [
        np.degrees(np.arctan2(*(c[1] - c[0])[::-1]))
        for picture in pictures
        for c in picture.corners
    ]
    assert np.std(slopes) > 2
    assert any(not picture.texts for picture in pictures)
    assert any(picture.kinds.count("vehicle") > 2 for picture in pictures)
    assert len({text for picture in pictures for text in picture.texts}) == len(widths)


def test_knobs() -> None:
    bare = PlateConfig(absent=1.0)
    assert not any(make_plate_picture(seed, 64, config=bare).texts for seed in range(5))
    alone = PlateConfig(others=0, absent=0.0, largest=0.3, smallest=0.299)
    picture = make_plate_picture(3, 64, config=alone)
    assert picture.kinds.count("vehicle") == 1
    top, right = picture.corners[0, 0], picture.corners[0, 1]
    # Perspective and turn change the width a little.
    assert np.linalg.norm(right - top) == pytest.approx(0.3 * 64, rel=0.2)
    sharp = make_plate_picture(3, 64, config=PlateConfig(blur=0.0, noise=0.0)).image.astype(float)
    noisy = make_plate_picture(3, 64, config=PlateConfig(blur=0.0, noise=4.0)).image.astype(float)
    assert (
        np.abs(np.diff(noisy[:, :, :20])).mean() > 1.25 * np.abs(np.diff(sharp[:, :, :20])).mean()
    )


@pytest.mark.parametrize(("seed", "size"), [(0, 16), (-1, 64)])
def test_refuses_what_it_cannot_draw(seed: int, size: int) -> None:
    with pytest.raises(ValueError, match="needs size >= 32 and seed >= 0"):
        make_plate_picture(seed, size)


@pytest.mark.parametrize("size", [33, 60, 250])
def test_odd_sizes(size: int) -> None:
    picture = make_plate_picture(2, size, night=True)
    assert picture.image.shape == (3, size, size)
    assert picture.plate.shape == picture.instances.shape == (size, size)


def test_quick_enough_to_train_on() -> None:
    start = time.process_time()
    for seed in range(8):
        make_plate_picture(seed)
    assert (time.process_time() - start) / 8 < 0.4  # about 0.05 s on a free core
