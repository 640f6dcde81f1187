from __future__ import annotations

import time

import numpy as np
import pytest

from mfnet_lite.world import PlateConfig, PlateImage, make_plate_image
from mfnet_lite.world.plates.polygon_canvas import contains

SEEDS = range(30)


@pytest.fixture(scope="module")
def images() -> list[PlateImage]:
    return [make_plate_image(seed, 128, night=seed % 3 == 2) for seed in SEEDS]


def test_seed_and_light_decide_everything() -> None:
    one, two, three = (make_plate_image(seed, 64) for seed in (5, 5, 6))
    dark = make_plate_image(5, 64, night=True)
    assert (one.image == two.image).all()
    assert (one.instances == two.instances).all()
    assert one.texts == two.texts
    assert (one.image != three.image).mean() > 0.5
    assert dark.image.mean() < 0.7 * one.image.mean()
    assert dark.night


def test_plan_does_not_depend_on_the_size() -> None:
    for seed in (1, 4, 9):
        small, large = make_plate_image(seed, 64), make_plate_image(seed, 128)
        assert small.texts == large.texts
        np.testing.assert_allclose(2 * small.corners, large.corners, atol=1e-3)
        # The same street: halving the large image gives about the small one.
        halved = large.image.reshape(3, 64, 2, 64, 2).mean(axis=(2, 4))
        assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.9


def test_numbers_have_no_gaps_and_a_word_each(images: list[PlateImage]) -> None:
    words: set[str] = set()
    for image in images:
        found = np.unique(image.instances)
        assert found[found > 0].tolist() == list(range(1, len(image.kinds) + 1))
        words |= set(image.kinds)
    assert words == {"vehicle", "window", "wheel", "lamp", "sign", "sticker", "plate"}


def test_plates_agree_with_their_corners_boxes_and_numbers(images: list[PlateImage]) -> None:
    whole = 0
    for image in images:
        numbers = [k for k, word in enumerate(image.kinds, 1) if word == "plate"]
        assert len(numbers) == len(image.texts) == len(image.plate_boxes)
        assert (np.isin(image.instances, numbers) == image.plate).all()
        assert image.plate_boxes.reshape(-1).min(initial=0) >= 0
        assert image.plate_boxes.reshape(-1).max(initial=0) <= 128
        for number, corners, box in zip(numbers, image.corners, image.plate_boxes, strict=True):
            np.testing.assert_allclose(box, [*corners.min(axis=0), *corners.max(axis=0)])
            mask = image.instances == number
            inside = contains(corners, 128, 128)
            assert not (mask & ~inside).any()
            whole += int((mask == inside).all())
            rows, cols = np.nonzero(mask)
            tight = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
            assert np.abs(tight - box).max() <= 1.01
    assert whole >= 0.9 * sum(len(image.texts) for image in images)


def test_plates_can_be_read(images: list[PlateImage]) -> None:
    # Letters stand out from the ground of a plate that fills enough pixels, by day and by night.
    for image in images:
        for box in image.plate_boxes.astype(int):
            if box[2] - box[0] >= 30:
                crop = image.image[:, box[1] + 1 : box[3] - 1, box[0] + 1 : box[2] - 1]
                assert crop.mean(axis=0).std() > 8


def test_variety(images: list[PlateImage]) -> None:
    widths = [box[2] - box[0] for image in images for box in image.plate_boxes]
    assert min(widths) < 12
    assert max(widths) > 35
    slopes = [
        np.degrees(np.arctan2(*(c[1] - c[0])[::-1])) for image in images for c in image.corners
    ]
    assert np.std(slopes) > 2
    assert any(not image.texts for image in images)
    assert any(image.kinds.count("vehicle") > 2 for image in images)
    assert len({text for image in images for text in image.texts}) == len(widths)


def test_parameters() -> None:
    bare = PlateConfig(absent=1.0)
    assert not any(make_plate_image(seed, 64, config=bare).texts for seed in range(5))
    alone = PlateConfig(others=0, absent=0.0, largest=0.3, smallest=0.299)
    image = make_plate_image(3, 64, config=alone)
    assert image.kinds.count("vehicle") == 1
    top, right = image.corners[0, 0], image.corners[0, 1]
    # Perspective and turn change the width a little.
    assert np.linalg.norm(right - top) == pytest.approx(0.3 * 64, rel=0.2)
    sharp = make_plate_image(3, 64, config=PlateConfig(blur=0.0, noise=0.0)).image.astype(float)
    noisy = make_plate_image(3, 64, config=PlateConfig(blur=0.0, noise=4.0)).image.astype(float)
    assert (
        np.abs(np.diff(noisy[:, :, :20])).mean() > 1.25 * np.abs(np.diff(sharp[:, :, :20])).mean()
    )


@pytest.mark.parametrize(("seed", "size"), [(0, 16), (-1, 64)])
def test_refuses_what_it_cannot_draw(seed: int, size: int) -> None:
    with pytest.raises(ValueError, match="needs size >= 32 and seed >= 0"):
        make_plate_image(seed, size)


@pytest.mark.parametrize("size", [33, 60, 250])
def test_odd_sizes(size: int) -> None:
    image = make_plate_image(2, size, night=True)
    assert image.image.shape == (3, size, size)
    assert image.plate.shape == image.instances.shape == (size, size)


def test_quick_enough_to_train_on() -> None:
    start = time.process_time()
    for seed in range(8):
        make_plate_image(seed)
    assert (time.process_time() - start) / 8 < 0.4  # about 0.05 s on a free core
