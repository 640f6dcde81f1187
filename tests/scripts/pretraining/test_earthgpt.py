"""Pre-training of the small EarthGPT: what the first stage is asked, and that a stopped training goes on."""

from __future__ import annotations

import pytest

from mfnet_lite.language.instructions import Dialogue, Exchange
from mfnet_lite.runs.dialogue_run import load_earthgpt, stage_folder
from scripts.pretraining import earthgpt
from tests.packaged import skip_without_package


def test_a_task_is_left_out_and_dialogues_without_a_question_go():
    one = Exchange("vqa", "a?", "b")
    other = Exchange("oriented detection", "c?", "There are no cars.")
    said = [Dialogue("a.tif", "optical", (one, other)), Dialogue("b.tif", "optical", (other,))]
    assert earthgpt.without(said, "oriented detection") == [Dialogue("a.tif", "optical", (one,))]


def test_it_trains_both_stages_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    pytest.importorskip("transformers")
    skip_without_package()
    monkeypatch.setattr(earthgpt, "CROPS", 1)
    earthgpt.main([str(tmp_path), "--smoke", "--device", "cpu"])
    run, model = load_earthgpt(tmp_path / "tiny")
    assert run.network.output_projection
    assert model.stage == 1
    (stage_folder(tmp_path / "tiny", 1) / "summary.json").unlink()  # as after a kill at the end
    before = capsys.readouterr().out
    earthgpt.main([str(tmp_path), "--smoke", "--device", "cpu"])
    assert capsys.readouterr().out == before
