"""Full disks, absurd sizes, odd scenes, code in place of weights, in the short form."""

from __future__ import annotations

import pytest

from scripts.faults.situations import (
    absurd_options,
    full_disks,
    odd_scenes,
    pickled_code,
    try_cases,
)


def test_absurd_options(inputs, out):
    cases = absurd_options(inputs, out)
    assert len(cases) > 50
    assert try_cases(cases[::4], out).total() == len(cases[::4])


# scenes of one pixel and heights without a place are among them
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_odd_scenes(inputs, tmp_path, out):
    cases = odd_scenes(inputs, tmp_path / "odd", out)
    ends = try_cases(cases, out)
    assert ends.total() == len(cases)
    assert ends["done"] >= 7


def test_code_in_place_of_weights(inputs, tmp_path, out, capfd):
    cases = pickled_code(inputs, tmp_path / "code", out)
    assert try_cases(cases, out) == {"refused": len(cases)}
    assert "a pickle was run" not in capfd.readouterr().out


def test_full_disks(inputs, out):
    assert full_disks(inputs, out, steps=2) == {"refused": 8, "done": 3}
