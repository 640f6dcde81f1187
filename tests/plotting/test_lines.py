"""Line plots: what is drawn, named and told apart."""

from __future__ import annotations

import torch

from mfnet_lite.plotting import panels, show_lines


def test_lines_are_drawn_as_given_and_told_apart_without_colour() -> None:
    figure = show_lines(
        [1, 2, 3], {"a": torch.tensor([1.0, 4.0, 9.0]), "b": [3, 2, 1]}, "step", "loss"
    )
    first, second = figure.axes[0].lines
    assert first.get_xydata().tolist() == [[1, 1], [2, 4], [3, 9]]
    assert first.get_marker() != second.get_marker()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("step", "loss")


def test_one_line_needs_no_legend_and_goes_where_it_is_told() -> None:
    figure, (left, right) = panels(["left", "right"])
    assert show_lines([0, 1], {"only": [0, 1]}, "x", "y", ax=right) is figure
    assert len(left.lines) == 0
    assert right.get_legend() is None
    assert right.get_ylim()[0] < 0
    show_lines([0, 1], {"only": [0.5, 1]}, "x", "y", ax=left, from_zero=True)
    assert left.get_ylim()[0] == 0
    assert left.get_ylim()[1] > 1.05  # also where the axis was extended to 0
    assert not left.lines[0].get_clip_on()


def test_names_without_an_order_are_not_joined() -> None:
    axes = show_lines(["a", "b"], {"one": [1, 2], "two": [3, 4]}, "", "y", joined=False).axes[0]
    assert [line.get_linestyle() for line in axes.lines] == ["None", "None"]
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[0, 1], [1, 2]],
        [[0, 3], [1, 4]],
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
