"""The rule of all verdicts, by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from scripts.experiments import claims
from scripts.experiments.planning import PlannedRun


@dataclass(frozen=True)
class Run(PlannedRun):
    """A configuration that has a name and nothing else."""

    name: str = ""

    @property
    def row(self) -> str:
        """The name."""
        return self.name


def test_verdicts_by_hand():
    # mean 0.03: two standard errors above zero, but not 4.3
    close = [0.01, 0.03, 0.05]
    assert claims.judge(close)["verdict"] == "does not hold here"
    assert "too small" in claims.judge(close)["sentence"]
    clear = claims.judge([0.02, 0.03, 0.04, 0.03])
    assert clear["verdict"] == "holds"
    assert not clear["hangs_on_one_seed"]
    assert clear["difference"] == 0.03
    assert clear["standard_deviation"] == pytest.approx(0.00816, abs=1e-5)
    assert clear["interval"] == pytest.approx([0.01701, 0.04299], abs=1e-5)
    assert claims.judge([0.02, 0.03, 0.04, 0.03], 0.03)["verdict"] == "does not hold here"
    assert "other way" in claims.judge([-0.02, -0.03, -0.04])["sentence"]
    # ahead, but by less than was asked for
    ahead = claims.judge([0.02, 0.03, 0.04], 0.08)["sentence"]
    assert ahead.endswith("8 were needed, which it stays below.")
    assert claims.judge([0.02, 0.03])["verdict"] == "not measured"
    # without the last, which spreads the rest, it would hold
    assert claims.judge([0.02, 0.021, 0.02, 0.0])["hangs_on_one_seed"]


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_seed_without_a_score_is_left_out(missing):
    ours, theirs = Run(0, "ours"), Run(0, "theirs")
    scores = {"ours": [0.5, 0.6, 0.7, missing], "theirs": [0.25, 0.25, 0.25, 0.25]}
    rows = {
        row: {seed: {"mIoU": value} for seed, value in enumerate(values)}
        for row, values in scores.items()
    }
    claim = claims.versus("n", "ours wins", "ours", ours, theirs, score="mIoU")
    found = claims.differences(claim, rows, lambda line, score: line[score])
    assert found == pytest.approx({0: 0.25, 1: 0.35, 2: 0.45})
    assert claims.judged(claim, rows, lambda line, score: line[score])["n"] == 3


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_differences_are_numbers(wrong):
    with pytest.raises(
        ValueError, match=r"expected finite differences, got \[0\.1, 0\.2, (nan|inf)"
    ):
        claims.judge([0.1, 0.2, wrong])


def test_only_what_has_an_interval_is_counted_as_judged():
    verdicts = [claims.judge([0.02, 0.03, 0.04])] * 8 + [claims.judge([0.1])]
    verdicts.append({"verdict": "not tested here"})
    told = claims.rule(verdicts)["multiplicity"]
    assert told == "of 8 claims none of which were true, 0.2 would hold by chance"
