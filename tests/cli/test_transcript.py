"""What a chapter shows of a command is what the command says."""

from __future__ import annotations

import pytest

from mfnet_lite.cli.transcript import fold, transcript


def test_the_line_comes_first_then_the_output() -> None:
    first, *rest = transcript("mfnet-lite info --help").splitlines()
    assert first == "$ mfnet-lite info --help"
    assert any("Usage" in line for line in rest)


def test_an_error_is_shown_and_folded_without_colours() -> None:
    text = transcript("mfnet-lite info 'no such run'", width=40)
    assert "error" in text.lower()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 40


def test_other_programs_are_refused() -> None:
    with pytest.raises(ValueError, match="begins with mfnet-lite, got 'rm -r x'"):
        transcript("rm -r x")


def test_short_lines_stay() -> None:
    assert fold("as it is") == "as it is"
    assert fold("one two-three four", width=14) == "one two-three\n    four"
