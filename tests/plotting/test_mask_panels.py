"""Answers of a model, panel by panel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfnet_lite.plotting import show_answers


def test_overlap_and_prompts_are_drawn() -> None:
    image, mask = np.zeros((3, 4, 4)), torch.zeros(4, 4, dtype=torch.bool)
    mask[:2] = True
    truth = torch.zeros(4, 4, dtype=torch.bool)
    truth[1:3] = True
    points, labels = torch.tensor([[1.0, 1.0], [2.0, 3.0]]), torch.tensor([1, 0])
    figure = show_answers(["a", "b"], [image] * 2, [mask] * 2, [truth, mask], [points] * 2, [labels] * 2)  # fmt: skip
    assert [ax.get_title() for ax in figure.axes] == ["a, IoU 0.33", "b, IoU 1.00"]
    drawn = [len(marks.get_offsets()) for marks in figure.axes[0].collections[-2:]]
    assert drawn == [1, 1]  # a star and a cross


def test_a_click_does_not_hide_a_small_object() -> None:
    small, large = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    small[30:34, 10:50], large[10:50, 10:50] = True, True
    masks, point = [small, large], [torch.tensor([[32.0, 31.0]])] * 2
    figure = show_answers(["car", "roof"], [np.zeros((64, 64))] * 2, masks, masks, point)
    star, usual = (ax.collections[-1].get_sizes()[0] for ax in figure.axes)
    assert star == usual / 4
    figure = show_answers(["car"], [np.zeros((64, 64))], [small], points=point[:1])
    assert figure.axes[0].collections[-1].get_sizes()[0] == usual  # who knows what is right?


def test_without_truth_the_title_stays() -> None:
    assert show_answers(["a"], [np.zeros((4, 4))], [np.eye(4)]).axes[0].get_title() == "a"


def test_a_missing_panel_is_named() -> None:
    with pytest.raises(ValueError, match="expected 2 masks, one per title, got 1"):
        show_answers(["a", "b"], [np.zeros((4, 4))] * 2, [np.eye(4)])
