"""Checkers of exercises on a reader's data: right answers pass on any data, wrong ones are refused with a hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from mfnet_lite.utils.own_data import (
    check_additions,
    check_clicks,
    check_ground,
    check_offset,
    check_reliance,
    check_votes,
)

WAITING = "not answered yet"


def stub(*given: Any) -> Any:
    return ...


def test_stubs_wait() -> None:
    image = torch.rand(3, 16, 16)
    labels = [torch.zeros(2, 2, dtype=torch.long)]
    samples = [{"optical": image, "label": labels[0]}]
    for said in (
        check_clicks(stub, grow, TRUTH, 0.9),
        check_additions(stub, nn.Linear(2, 2), lambda model, x: model(x), torch.ones(2, 2)),
        check_reliance(stub, nn.Identity(), samples, lambda net, samples: 0.0),
        check_votes(stub, labels, labels, 2),
        check_offset(stub, [image]),
        check_ground(stub, torch.zeros(100), 10),
    ):
        assert said == WAITING


# Clicks. The model: every click on the object adds its column, every other removes its column.

TRUTH = np.zeros((4, 6), dtype=bool)
TRUTH[:, 1:5] = True


def grow(clicks: Any) -> np.ndarray:
    mask = np.zeros_like(TRUTH)
    for x, _, inside in clicks:
        mask[:, x] = inside
    return mask


RIGHT = [(1, 0, 1), (2, 3, 1), (3, 1, 1), (4, 2, 1)]


def test_clicks_are_played_again() -> None:
    said = check_clicks(lambda ask, truth, goal, most: RIGHT, grow, TRUTH, 0.8)
    assert said == "right: 4 clicks, IoU 0.25 0.50 0.75 1.00"


def test_clicks_may_give_up() -> None:
    assert check_clicks(lambda *_: RIGHT[:2], grow, TRUTH, 0.8, most=2).startswith("right: 2")


@pytest.mark.parametrize(
    ("clicks", "told"),
    [
        pytest.param([], "expected a list", id="none"),
        pytest.param(7, "expected a list", id="a number"),
        pytest.param([(1, 0)], "expected a list", id="pairs"),
        pytest.param(RIGHT[:3], "the last IoU is 0.75", id="too few"),
        pytest.param([*RIGHT, (0, 0, 0)], "comes after an IoU of 1.00", id="too many"),
        pytest.param([(0, 0, 0)], "lies where the mask is right", id="on a right pixel"),
        pytest.param([(1, 0, 0)], "has the label 0", id="called outside"),
        pytest.param([(2, 9, 1)], "beside the image", id="row and column exchanged"),
        pytest.param([(1, 0, 1), (1, 1, 1)], "click 2 .* is right", id="the same twice"),
    ],
)
def test_wrong_clicks_are_refused(clicks: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_clicks(lambda ask, truth, goal, most: clicks, grow, TRUTH, 0.8)


@pytest.mark.parametrize("value", [False, True], ids=["empty", "full"])
def test_a_mask_without_object_is_refused(value: bool) -> None:
    with pytest.raises(ValueError, match="make it 0 outside the object"):
        check_clicks(stub, grow, np.full((2, 2), value), 0.8)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="4 rows and 6 columns, found 4 and 5"):
        check_clicks(stub, grow, TRUTH[:, 1:], 0.8)


# Additions to a frozen network.


class Added(nn.Module):
    def __init__(self, base: nn.Module, down: float = 1.0, up: float = 0.0) -> None:
        super().__init__()
        self.base = base
        self.down, self.up = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False)
        nn.init.constant_(self.down.weight, down)
        nn.init.constant_(self.up.weight, up)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


def frozen() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3)).requires_grad_(False)


def judge(attach: Callable[[Any], Any], budget: int = 20) -> str:
    return check_additions(attach, frozen(), lambda model, x: model(x), torch.ones(2, 3), budget)


def put(**options: float) -> Callable[[Any], None]:
    def attach(model: Any) -> None:
        model[0] = Added(model[0], **options)

    return attach


def put_two(**options: float) -> Callable[[Any], None]:
    """A live addition before one with options of its own."""

    def attach(model: Any) -> None:
        model[0] = Added(model[0])
        model.append(Added(nn.Identity(), **options))

    return attach


def never_called(model: Any) -> None:
    model[0] = Added(model[0])
    model[0].unused = nn.Linear(3, 3, bias=False)


def test_additions_pass() -> None:
    assert judge(put()) == "right: 12 weights that change nothing at the start"
    assert judge(put_two(), 24) == "right: 24 weights that change nothing at the start"


@pytest.mark.parametrize(
    ("attach", "budget", "told"),
    [
        pytest.param(lambda model: None, 20, "0 added weights", id="nothing"),
        pytest.param(put(), 11, "12 added weights", id="too much"),
        pytest.param(
            lambda model: model.requires_grad_(True), 20, "frozen network learns", id="thawed"
        ),
        pytest.param(put(up=0.1), 20, "moves by", id="a start that moves"),
        pytest.param(put(down=0.0), 20, r"reaches 0\.down\.weight and 1 more", id="both zero"),
        pytest.param(put_two(down=0.0), 30, r"reaches 1\.down\.weight and 1 more", id="one dead"),
        pytest.param(never_called, 30, r"reaches 0\.unused\.weight; .* called", id="not called"),
    ],
)
def test_wrong_additions_are_refused(attach: Any, budget: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        judge(attach, budget)


def test_the_network_itself_stays_as_it_is() -> None:
    model = frozen()
    check_additions(put(), model, lambda net, x: net(x), torch.ones(2, 3))
    assert isinstance(model[0], nn.Linear)


# Reliance on a sensor. The network calls 1 where the height map is high; the image plays no part.

SAMPLES = [
    {"optical": torch.rand(3, 4, 6), "dsm": heights, "label": (heights[0] > 0).long()}
    for heights in ((torch.arange(24.0).reshape(1, 4, 6) % 6 < 3).float(), torch.eye(4)[None])
]


def score(net: Any, samples: Any) -> float:
    return 100 * float(np.mean([((s["dsm"][0] > 0) == s["label"]).float().mean() for s in samples]))


def loss(net: Any, samples: Any, sensor: str) -> float:
    moved = [s | {sensor: s[sensor].roll(s[sensor].shape[-1] // 2, -1)} for s in samples]
    return score(net, samples) - score(net, moved)


def test_reliance_passes() -> None:
    said = check_reliance(loss, nn.Identity(), SAMPLES, score)
    assert (
        said == "right: points lost without optical 0.0, dsm 75.0"
    )  # all of one, half of the other


def in_place(net: Any, samples: Any, sensor: str) -> float:
    whole = score(net, samples)
    for sample in samples:
        sample[sensor][:] = sample[sensor].roll(sample[sensor].shape[-1] // 2, -1)
    return whole - score(net, samples)


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(lambda *_: 0.0, id="zero"),
        pytest.param(lambda *given: -loss(*given), id="the other way round"),
        pytest.param(lambda *given: loss(*given) + 1, id="off by one"),
        pytest.param(in_place, id="in place"),
    ],
)
def test_wrong_reliance_is_refused(measure: Any) -> None:
    samples = [{name: value.clone() for name, value in s.items()} for s in SAMPLES]
    with pytest.raises(ValueError, match="hint"):
        check_reliance(measure, nn.Identity(), samples, score)


# Votes of objects.

LABELS = [torch.tensor([[0, 0, 1], [1, 1, 255]]), torch.tensor([[2, 2], [2, 0]])]
OBJECTS = [torch.tensor([[1, 1, 1], [2, 2, 2]]), torch.tensor([[1, 0], [1, 1]])]


def votes(labels: Any, objects: Any, classes: int) -> Tensor:
    kept, asked = torch.zeros(classes), torch.zeros(classes)
    for label, ids in zip(labels, objects, strict=True):
        for k in ids[ids > 0].unique():
            count = torch.bincount(label[(ids == k) & (label < classes)], minlength=classes)
            asked += count
            kept[count.argmax()] += count.max()
    return kept / asked


def test_votes_by_hand() -> None:
    # class 0: two pixels in the first object, which votes for it, one in the third, which does not;
    # class 1: one of three is outvoted; class 2: both keep it; no pixel of class 3
    by_hand = torch.tensor([2 / 3, 2 / 3, 1, float("nan")])
    assert check_votes(lambda *_: by_hand, LABELS, OBJECTS, 4) == "right"
    assert check_votes(votes, LABELS, OBJECTS, 4) == "right"


def test_no_object_at_all() -> None:
    none = [torch.zeros_like(ids) for ids in OBJECTS]
    assert check_votes(lambda *_: torch.full((4,), torch.nan), LABELS, none, 4) == "right"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda *_: torch.zeros(4), id="zeros"),
        pytest.param(lambda *_: torch.ones(4), id="ones"),
        pytest.param(lambda y, ids, n: votes([y[0]], [ids[0]], n), id="first tile only"),
        pytest.param(
            lambda y, ids, n: votes([torch.cat([t.flatten() for t in y])], [torch.cat([t.flatten() for t in ids])], n),
            id="objects of two tiles joined",
        ),
    ],
)  # fmt: skip
def test_wrong_votes_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="per class"):
        check_votes(wrong, LABELS, OBJECTS, 4)


# How far two images lie apart.


def offset(a: Tensor, b: Tensor) -> tuple[int, int]:
    one, two = (torch.fft.fft2(x.mean(0) - x.mean()) for x in (a, b))
    like = torch.fft.ifft2(two * one.conj()).real
    (row, col), (height, width) = divmod(int(like.argmax()), like.shape[1]), like.shape
    return row - height * (2 * row > height), col - width * (2 * col > width)


IMAGES = [torch.rand(3, 24, 31, generator=torch.Generator().manual_seed(k)) for k in range(2)]


def test_offsets_pass() -> None:
    assert check_offset(offset, IMAGES) == "right: known displacements of 2 images found"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda a, b: (0, 0), id="zeros"),
        pytest.param(lambda a, b: offset(b, a), id="sign"),
        pytest.param(lambda a, b: offset(a, b)[::-1], id="columns first"),
        pytest.param(lambda a, b: tuple(2 * k for k in offset(a, b)), id="twice"),
        pytest.param(lambda a, b: [k + 1 for k in offset(a, b)], id="off by one"),
        pytest.param(lambda a, b: 3, id="one number"),
        pytest.param(lambda a, b: None, id="nothing"),
    ],
)
def test_wrong_offsets_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="image 1, moved by"):
        check_offset(wrong, IMAGES)


def test_an_image_of_one_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="image 2 has one colour"):
        check_offset(offset, [IMAGES[0], torch.ones(3, 8, 8)])


# Ground along a row: a slope with two houses.

ROW = 200 + 0.01 * torch.arange(200.0)
ROW[60:75] += 7
ROW[140:150] += 4


def ground(z: Tensor) -> Tensor:
    return z - torch.from_numpy(ndimage.grey_opening(z.numpy(), size=41)) < 0.5


def test_ground_passes() -> None:
    assert check_ground(ground, ROW, 20) == "right: 88% of 200 tokens are ground"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param(lambda z: torch.ones_like(z).bool(), "a house of 6 m", id="all"),
        pytest.param(lambda z: torch.zeros_like(z).bool(), "no ground in", id="none"),
        pytest.param(lambda z: ~ground(z), "no ground in|a house", id="inverted"),
        pytest.param(lambda z: z < 203, "100 m further up", id="above the sea"),
        pytest.param(lambda z: z == z.min(), "no ground in", id="the lowest alone"),
        pytest.param(lambda z: z, "expected 200 values", id="heights"),
        pytest.param(lambda z: ground(z)[1:], "expected 200 values", id="one too few"),
        pytest.param(
            lambda z: z - torch.from_numpy(ndimage.grey_opening(z.numpy(), size=9)) < 0.5,
            "a house of 6 m", id="a window narrower than houses",
        ),
    ],
)  # fmt: skip
def test_wrong_ground_is_refused(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_ground(wrong, ROW, 20)


@pytest.mark.parametrize(
    "row", [ROW[:50], torch.full((200,), torch.nan)], ids=["too short", "holes"]
)
def test_rows_that_cannot_be_judged_are_refused(row: Tensor) -> None:
    with pytest.raises(ValueError, match="expected at least 80 finite heights"):
        check_ground(ground, row, 20)
