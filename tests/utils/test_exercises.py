"""The checker of exercises accepts what is right, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.utils.exercises import check_answer


@pytest.mark.parametrize("stub", [..., [1.0, ...], (...,)], ids=["bare", "list", "tuple"])
def test_a_stub_waits(stub: object) -> None:
    assert check_answer(stub, [1.0, 2.0]) == "not answered yet"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1, 2])),
        ((0.1 + 0.2, torch.tensor(4.0)), [0.3, 4]),
        (float("nan"), float("nan")),
        ("rank", "rank"),
        ([[1, 2], (3.0,)], [(1, 2), [3]]),
        (np.array([1.0, 2.0]), [1, 2]),
    ],
    ids=["tensor", "numbers", "nan", "word", "nested", "array for a list"],
)
def test_right_answers(answer: object, expected: object) -> None:
    assert check_answer(answer, expected) == "right"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0, [1.0, 2.0]),  # a constant is not broadcast
        ([1.0], [1.0, 2.0]),
        (torch.zeros(2, 2), torch.zeros(4)),
        (1.001, 1.0),
        (None, 1.0),
        ("rank-1", 3),
    ],
    ids=["constant", "short", "shape", "far", "none", "word"],
)
def test_wrong_answers_are_told_with_both_values_and_the_hint(
    answer: object, expected: object
) -> None:
    with pytest.raises(ValueError, match=r"your answer is .*hint: look again"):
        check_answer(answer, expected, "look again")


def test_a_long_answer_is_shortened() -> None:
    with pytest.raises(ValueError, match=r"\.\.\.") as raised:
        check_answer(list(range(1000)), [1])
    assert len(str(raised.value)) < 200
