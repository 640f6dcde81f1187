"""A small EarthGPT for tests, and the command line that trains one in seconds."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from mfnet_lite.cli import app

SMALL = ("--backbone", "tiny", "--cnn", "none", "--image-size", 64, "--grid", 2)
"""Options of a model that needs neither downloads nor time."""
FEW = (
    "--stage0-steps", 2, "--stage1-steps", 3, "--steps", 4, "--batch", 2, "--turns", 1, "--device", "cpu",
)  # fmt: skip
"""Options of a training of a second."""


def call(*words: object, typed: str | None = None):
    """Run the command line."""
    return CliRunner().invoke(app, [str(word) for word in words], input=typed)


def refused(result, *words: str) -> None:
    """Assert that a command ended with one sentence that holds some words."""
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0]


def write_dialogues(out: Path, tiles: int = 3, seed: int = 4) -> Path:
    """Write a small world with dialogues, as seen by two sensors."""
    options = ("--tiles", tiles, "--size", 48, "--seed", seed, "--parameter", "ambiguity=0")
    result = call("world", "instruct", out, *options, "--sensors", "optical,sar")
    assert result.exit_code == 0, result.output
    return out


def train(folder: Path, out: Path, *words: object):
    """Train a small model on dialogues."""
    return call("train", folder, "--model", "earthgpt", *SMALL, *FEW, "--out", out, *words)
