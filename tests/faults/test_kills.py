"""Kills at random moments, in the short form: one each of training, prediction and writing a world."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("nbformat", reason="a chapter is among the works")

from scripts.faults.kills import Fault, check_whole_files, kill_often, works


@pytest.mark.slow
# forking is what is wanted here; the parent has no threads at work
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("name", ["training", "prediction", "writing a world"])
def test_killed_and_ended(name, inputs, tmp_path):
    ends = kill_often(works(inputs)[name], tmp_path / "scratch", 1, random.Random(3))
    assert ends.total() == 1


def test_half_a_file_under_a_final_name_is_a_fault(tmp_path):
    (tmp_path / ".a.part.json").write_text('{"half":')  # what a kill may leave
    check_whole_files(tmp_path)
    (tmp_path / "a.json").write_text('{"half":')
    with pytest.raises(Fault, match=r"a\.json is half-written"):
        check_whole_files(tmp_path)
