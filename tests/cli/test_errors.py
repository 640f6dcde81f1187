"""How a command ends: one sentence and an exit code, a traceback only for who asks for it."""

from __future__ import annotations

import logging

import pytest
import typer
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app
from mfnet_lite.cli.errors import plain_errors, sentence

WORDS = ("world", "make", "out")


def failing(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(world, "write_folder", fail)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("this; do that"), "error: this; do that\n"),
        (KeyError("dsm"), "error: unforeseen KeyError ('dsm'); call again with --debug and report what it says\n"),
        (MemoryError("9 TiB"), "error: 9 TiB: not enough memory; choose smaller sizes or batches, or another device\n"),
        (RuntimeError("CUDA out of memory\nlong story"), "error: CUDA out of memory long story: not enough memory; "),
    ],
    ids=["mistake", "unforeseen", "memory", "device memory"],
)  # fmt: skip
def test_one_sentence_and_exit_code_1(monkeypatch, error, said):
    failing(monkeypatch, error)
    result = CliRunner().invoke(app, [*WORDS])
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error", [ValueError("this"), KeyError("dsm")], ids=["ValueError", "KeyError"]
)
@pytest.mark.parametrize("place", [0, 2, 3])
def test_debug_shows_the_traceback_wherever_it_stands(monkeypatch, error, place):
    failing(monkeypatch, error)
    words = list(WORDS)
    words.insert(place, "--debug")
    assert CliRunner().invoke(app, words).exception is error
    again = CliRunner().invoke(app, [*WORDS])  # it counts for one call
    assert isinstance(again.exception, SystemExit)
    words = [*WORDS[:2], "--", "--debug"]  # a folder of that name
    assert isinstance(CliRunner().invoke(app, words).exception, SystemExit)


def test_what_gdal_hides_is_said():
    error = OSError("Read failed. See previous exception for details.")
    error.__cause__ = RuntimeError("a.tif, band 1: IReadBlock failed")
    assert sentence(error).startswith("a.tif, band 1: IReadBlock failed; the file is damaged")


def test_a_damaged_file_is_not_printed_whole():
    assert len(sentence(ValueError("x" * 1_000_000))) < 3000


def test_a_command_may_reword_notes_and_errors(capsys):
    def command():
        logging.getLogger("mfnet_lite.rasters").warning("a.tif is odd")
        raise ValueError("b.tif is odder")

    with pytest.raises(typer.Exit):
        plain_errors(command, reword=lambda text: f"{text}, says x")()
    assert capsys.readouterr().err.splitlines() == [
        "note: a.tif is odd, says x",
        "error: b.tif is odder, says x",
    ]
