"""The live slider appears only where somebody can move it."""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

import pytest

from mfnet_lite.plotting import live


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(live.STATIC_VARIABLE, raising=False)
    monkeypatch.setattr(
        # A stand-in that answers whatever matplotlib asks of a shell, should pyplot be loaded.
        "IPython.core.getipython.get_ipython",
        lambda: MagicMock(kernel=object()),
    )


def test_without_a_kernel_nothing_is_drawn() -> None:
    assert live.live_slider(lambda _: pytest.fail("drawn"), [1, 2], "rank") is None


@pytest.mark.usefixtures("kernel")
def test_bulk_runs_of_the_book_stay_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert live.kernel_alive()
    monkeypatch.setenv(live.STATIC_VARIABLE, "1")
    assert not live.kernel_alive()


@pytest.mark.usefixtures("kernel")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_with_a_kernel_the_widget_offers_every_value() -> None:
    seen: list[int] = []
    widget = live.live_slider(seen.append, [1, 4, 16], "rank", start=1)
    choice = widget.children[0]
    assert [value for _, value in choice.options] == [1, 4, 16]
    assert choice.value == 4
    assert choice.description == "rank"


@pytest.mark.usefixtures("kernel")
def test_missing_ipywidgets_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        live.live_slider(print, [1], "rank")


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="'rank'"):
        live.live_slider(print, [], "rank")


def test_without_a_kernel_no_text_box_appears() -> None:
    assert live.live_text(lambda _: pytest.fail("drawn"), "roof", "words") is None


@pytest.mark.usefixtures("kernel")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_with_a_kernel_a_text_is_drawn_and_a_refusal_is_said() -> None:
    def draw(text: str) -> str:
        if not text:
            raise ValueError("say something")
        return text.upper()

    widget = live.live_text(draw, "roof", "words")
    box = widget.children[0]
    assert (box.value, box.description, box.continuous_update) == ("roof", "words", False)
    assert [widget.f(text) for text in ("lawn", "")] == ["LAWN", "say something"]


@pytest.mark.usefixtures("kernel")
def test_a_text_box_needs_ipywidgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        live.live_text(print, "roof", "words")
