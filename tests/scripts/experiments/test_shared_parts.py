"""What all experiments share: claims by hand, the order of a plan, the command line, data that are made once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.experiments import claims
from scripts.experiments.lines import mean_cpu_seconds
from scripts.experiments.loop import spent
from scripts.experiments.made_once import made_once
from scripts.experiments.options import Defaults, Options, parse
from scripts.experiments.planning import PlannedRun, planned


@dataclass(frozen=True)
class Run(PlannedRun):
    width: int = 8
    official: bool = False


WIDE, NARROW = Run(0, width=16), Run(0, width=4)


def line(run: Run, seed: int, score: float | None) -> dict:
    return {"row": run.row, "seed": seed, "score": score}


def read(line: dict, name: str) -> float | None:
    return line[name]


def test_a_run_is_named_by_what_is_not_at_its_default():
    assert Run(3).key == "default seed=3"
    assert replace(WIDE, seed=1, official=True).key == "width=16 official=True seed=1"


def test_a_plan_goes_group_by_group_and_seed_by_seed():
    groups = {"main": (WIDE, NARROW), "rest": (NARROW, Run(0))}
    assert [(g, r.key) for g, r in planned(groups, (0, 5))] == [
        ("main", "width=16 seed=0"), ("main", "width=4 seed=0"),
        ("main", "width=16 seed=5"), ("main", "width=4 seed=5"),
        ("rest", "default seed=0"), ("rest", "default seed=5"),
    ]  # fmt: skip
    assert [r.key for _, r in planned(groups, (0,), only="es")] == [
        "width=4 seed=0",
        "default seed=0",
    ]


def test_of_two_lines_the_later_counts_and_missing_scores_leave_a_seed_out():
    lines = [line(WIDE, 1, 0.1), line(WIDE, 0, 0.5), line(WIDE, 1, 0.7), line(WIDE, 2, 0.9)]
    lines += [line(NARROW, 0, 0.25), line(NARROW, 1, 0.5), line(NARROW, 2, None)]
    rows = claims.by_row(lines)
    assert [list(seeds) for seeds in rows.values()] == [[0, 1, 2], [0, 1, 2]]
    claim = claims.versus("wide", "Wide wins.", "ours", WIDE, NARROW, score="score")
    assert claims.differences(claim, rows, read) == pytest.approx({0: 0.25, 1: 0.2})
    assert claims.differences(replace(claim, absolute=0.25), rows, read)[0] == 0
    assert claims.judged(claim, rows, read)["verdict"] == "not measured"
    assert claim.rows == {"width=16", "width=4"}


def test_a_margin_may_be_a_loss_that_is_allowed():
    assert claims.judge([-0.01, -0.01, -0.01], -0.02)["verdict"] == "holds"
    assert claims.judge([-0.01, -0.01, -0.01])["verdict"] == "does not hold here"
    with_margin = claims.judge([0.05, 0.05, 0.06], 0.02)
    assert (
        with_margin["sentence"] == "Holds: +5.3 points (+3.9 to +6.8) over 3 seeds, 2 were needed."
    )


def test_spread_of_few_values():
    assert claims.spread([]) == {"mean": None, "std": None}
    assert claims.spread([0.5]) == {"mean": 0.5, "std": None}


DEFAULTS = Defaults(Path("result.json"), (0, 1), 60, real_option="--ign")


def test_a_run_costs_what_the_processor_worked():
    # the first was stopped for an hour by the clock; an early line has the older name
    lines = [{"seconds": 3700.0, "all_cpu_seconds": 100.0}, {"cpu_seconds": 50.5}]
    assert mean_cpu_seconds(lines) == pytest.approx(75.2, abs=0.051)
    assert spent(lines) == {"cpu_seconds": 150}
    assert mean_cpu_seconds([*lines, {}]) is None
    assert spent([*lines, {}]) == {}


def test_the_command_line_becomes_plain_parameters():
    assert parse("", DEFAULTS, ["OUT"]) == (
        "train", Options(Path("OUT"), Path("result.json"), (0, 1), 60)
    )  # fmt: skip
    words = ["OUT", "--list", "--seeds", "7", "--only", "main", "--steps", "2", "--ign", "TILE"]
    assert parse("", DEFAULTS, words) == (
        "list", Options(Path("OUT"), Path("result.json"), (7,), 2, "main", real=Path("TILE"))
    )  # fmt: skip
    assert parse("", DEFAULTS, ["OUT", "--summarise"])[0] == "summarise"
    with pytest.raises(SystemExit):
        parse("", DEFAULTS, ["OUT", "--summarise", "--list"])


def test_data_are_made_once_and_never_in_part(tmp_path):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "a").write_text("whole", encoding="utf-8")
        if len(made) == 1:
            raise KeyboardInterrupt

    wanted = tmp_path / "root" / "scenes"
    with pytest.raises(KeyboardInterrupt):
        made_once(wanted, make)
    assert not wanted.exists()
    for _ in range(2):
        assert made_once(wanted, make) == wanted
    assert len(made) == 2
    assert (wanted / "a").read_text(encoding="utf-8") == "whole"


def test_another_process_that_was_faster_wins(tmp_path):
    def make(folder: Path) -> None:
        (folder / "mine").touch()
        (tmp_path / "scenes").mkdir()
        (tmp_path / "scenes" / "theirs").touch()

    made_once(tmp_path / "scenes", make)
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]
    assert (tmp_path / "scenes" / "theirs").exists()
