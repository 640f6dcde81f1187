"""The loop of the experiments: lines that count, runs that are taken once, kills that lose nothing."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.experiments import loop
from scripts.experiments.options import Defaults, Options


@dataclass(frozen=True)
class Run:
    seed: int
    word: str = "a"
    effort: float = 1.0
    needs_weights: bool = True

    @property
    def row(self) -> str:
        return self.word

    @property
    def key(self) -> str:
        return f"{self.word} seed={self.seed}"


@pytest.fixture(autouse=True)
def known_weights(monkeypatch):
    monkeypatch.setattr(loop, "weights", lambda: "w" * 64)
    monkeypatch.setattr(loop, "with_equal_masks", lambda: frozenset({"w" * 64, "before"}))


@pytest.fixture
def options(tmp_path):
    return Options(tmp_path, tmp_path / "result.json", seeds=(0, 1), steps=10)


def experiment(train=lambda run, options, digest: {"steps": 10, "score": run.seed}, **more):
    """Two words, two seeds, no training."""
    return loop.Experiment(
        question="?", data="none", command="none", train=train,
        defaults=Defaults(Path("result.json"), (0, 1), 10), settings=dict,
        plan=lambda seeds, only: (("g", Run(s, w)) for w in "ab" for s in seeds if only in w),
        describe=lambda line: str(line["score"]),
        summary=lambda lines: {
            "claims": [
                {"verdict": "holds", "claim": "c", "sentence": "s", "n": 2},
                {"verdict": "not measured", "claim": "d", "sentence": "s", "n": 0},
            ],
            "n": len(lines),
        },
        counts=loop.planned_steps, **more,
    )  # fmt: skip


def test_trains_what_is_missing_and_sums_up(options, capsys):
    made = []

    def train(run, options, digest):
        made.append(run.key)
        return None if run.key == "b seed=1" else {"steps": 10, "score": 0.5}

    here = experiment(train)
    here.train_missing(replace(options, only="a"))
    assert made == ["a seed=0", "a seed=1"]
    here.train_missing(options)  # the rest; what has no data gets no line and is asked for again
    assert made[2:] == ["b seed=0", "b seed=1"]
    capsys.readouterr()
    here.print_plan(options)
    assert capsys.readouterr().out.splitlines() == [
        "done g | a seed=0", "done g | a seed=1", "done g | b seed=0", "     g | b seed=1"
    ]  # fmt: skip
    here.summarise(options)
    content = json.loads(options.result.read_text())
    assert content["n"] == content["provenance"]["runs"] == 3
    assert content["provenance"]["weights_sha256"] == "w" * 64
    assert content["provenance"]["cpu_seconds"] >= 0
    assert [claim["claim"] for claim in content["claims"]] == ["c", "d"]
    capsys.readouterr()

    here.summarise(replace(options, only="b"))
    part = json.loads(options.result.read_text())
    assert part["provenance"]["command"] == "none --only b"
    assert [claim["claim"] for claim in part["claims"]] == ["c"]  # no seed has all terms of d


def test_lines_of_other_weights_data_or_steps_do_not_count(options):
    good = {"weights_sha256": "w" * 64, "pictures": "p", "steps": 10, "run": {"effort": 1.0}}
    longer = good | {"run": {"effort": 4.0}, "steps": 40}
    without = good | {"weights_sha256": "any"}  # a U-Net outlives the weights
    others = [good | {"steps": 9}, good | {"weights_sha256": "v" * 64}, good | {"pictures": "q"}]
    path = options.out / "runs.jsonl"
    text = "\n".join(map(json.dumps, [good, longer, without, *others]))
    path.write_text(text + "\n{cut", encoding="utf-8")
    here = experiment(marks=lambda options: {"pictures": "p"})
    assert here.lines(options) == [good, longer, without]


def test_lines_of_weights_with_equal_masks_count_where_nothing_is_chosen(options):
    now = {"weights_sha256": "w" * 64, "steps": 10, "run": {}, "seed": 0, "key": "a seed=0"} | {
        "commit": "c", "date": "d", "hardware": "h"
    }  # fmt: skip
    before = now | {"weights_sha256": "before", "key": "b seed=0"}
    text = "\n".join(map(json.dumps, [now, before, now | {"weights_sha256": "other"}]))
    (options.out / "runs.jsonl").write_text(text + "\n", encoding="utf-8")
    assert experiment().lines(options) == [now, before]
    assert experiment(chooses_masks=True).lines(options) == [now]
    experiment().summarise(options)  # names the weights that the last line was made with
    assert json.loads(options.result.read_text())["provenance"]["weights_sha256"] == "before"


def test_a_line_cut_short_is_passed_over_and_not_continued(options):
    path = options.out / "runs.jsonl"
    loop.append_line(path, {"a": 1})
    path.write_text(path.read_text() + '{"a": 2, "b', encoding="utf-8")
    loop.append_line(path, {"a": 3})
    assert [line["a"] for line in loop.read_lines(path)] == [1, 3]


def test_two_processes_do_not_take_the_same_run(options):
    made = []

    def train(run, options, digest):
        made.append(run.key)
        return {"steps": 10, "score": 0.5}

    mark = loop.claim_key(options.out / "taken", "a seed=0")
    assert loop.claim_key(options.out / "taken", "a seed=0") is None
    experiment(train).train_missing(options)
    assert made == ["a seed=1", "b seed=0", "b seed=1"]
    hour_ago = mark.stat().st_mtime - loop.STALE - 1
    os.utime(mark, (hour_ago, hour_ago))  # whoever took it was killed
    experiment(train).train_missing(options)
    assert made[3:] == ["a seed=0"]
    assert list((options.out / "taken").iterdir()) == []


def test_a_training_that_fails_leaves_no_mark(options):
    def train(run, options, digest):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment(train).train_missing(options)
    assert list((options.out / "taken").iterdir()) == []
    assert not (options.out / "runs.jsonl").exists()
    with pytest.raises(SystemExit, match="start the runs first"):
        experiment().summarise(options)
