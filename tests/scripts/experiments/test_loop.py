"""The loop of the experiments: lines that count, runs that are taken once, kills that lose nothing."""

from __future__ import annotations

import importlib
import json
import os
from argparse import Namespace
from dataclasses import dataclass

import pytest


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


@pytest.fixture
def loop(monkeypatch):
    module = importlib.import_module("scripts.experiments.loop")
    monkeypatch.setattr(module, "weights", lambda: "w" * 64)
    return module


@pytest.fixture
def args(tmp_path):
    return Namespace(
        out=tmp_path, only="", seeds=[0, 1], steps=10, limit=0, list=False, summarise=False,
        result=tmp_path / "result.json",
    )  # fmt: skip


def experiment(loop, do=lambda run, args, digest: {"steps": 10, "score": run.seed}, **more):
    """Two words, two seeds, no training."""
    return loop.Experiment(
        question="?", data="none", command="none", do=do, settings=dict,
        plan=lambda seeds, only: (("g", Run(s, w)) for w in "ab" for s in seeds if only in w),
        told=lambda line: str(line["score"]),
        summary=lambda lines: {
            "claims": [{"verdict": "holds", "claim": "c", "sentence": "s"}], "n": len(lines)
        },
        counts=loop.planned_steps, **more,
    )  # fmt: skip


def test_trains_what_is_missing_and_sums_up(loop, args, capsys):
    made = []

    def do(run, args, digest):
        made.append(run.key)
        return None if run.key == "b seed=1" else {"steps": 10, "score": 0.5}

    here = experiment(loop, do)
    args.only = "a"
    here.work(args)
    assert made == ["a seed=0", "a seed=1"]
    args.only = ""
    here.work(args)  # the rest; what has no data gets no line and is asked for again
    assert made[2:] == ["b seed=0", "b seed=1"]
    args.list = True
    capsys.readouterr()
    here.run(args)
    assert capsys.readouterr().out.splitlines() == [
        "done g | a seed=0", "done g | a seed=1", "done g | b seed=0", "     g | b seed=1"
    ]  # fmt: skip
    here.summarise(args)
    content = json.loads(args.result.read_text())
    assert content["n"] == content["provenance"]["runs"] == 3
    assert content["provenance"]["weights_sha256"] == "w" * 64
    assert content["provenance"]["cpu_seconds"] >= 0


def test_lines_of_other_weights_data_or_steps_do_not_count(loop, args):
    good = {"weights_sha256": "w" * 64, "pictures": "p", "steps": 10, "run": {"effort": 1.0}}
    longer = good | {"run": {"effort": 4.0}, "steps": 40}
    without = good | {"weights_sha256": "any"}  # a U-Net outlives the weights
    others = [good | {"steps": 9}, good | {"weights_sha256": "v" * 64}, good | {"pictures": "q"}]
    path = args.out / "runs.jsonl"
    text = "\n".join(map(json.dumps, [good, longer, without, *others]))
    path.write_text(text + "\n{cut", encoding="utf-8")
    here = experiment(loop, marks=lambda args: {"pictures": "p"})
    assert here.lines(args) == [good, longer, without]


def test_a_line_cut_short_is_passed_over_and_not_continued(loop, args):
    path = args.out / "runs.jsonl"
    loop.append_line(path, {"a": 1})
    path.write_text(path.read_text() + '{"a": 2, "b', encoding="utf-8")
    loop.append_line(path, {"a": 3})
    assert [line["a"] for line in loop.read_lines(path)] == [1, 3]


def test_two_processes_do_not_take_the_same_run(loop, args):
    made = []

    def do(run, args, digest):
        made.append(run.key)
        return {"steps": 10, "score": 0.5}

    mark = loop.claim_key(args.out / "taken", "a seed=0")
    assert loop.claim_key(args.out / "taken", "a seed=0") is None
    experiment(loop, do).work(args)
    assert made == ["a seed=1", "b seed=0", "b seed=1"]
    hour_ago = mark.stat().st_mtime - loop.STALE - 1
    os.utime(mark, (hour_ago, hour_ago))  # whoever took it was killed
    experiment(loop, do).work(args)
    assert made[3:] == ["a seed=0"]
    assert list((args.out / "taken").iterdir()) == []


def test_a_training_that_fails_leaves_no_mark(loop, args):
    def do(run, args, digest):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment(loop, do).work(args)
    assert list((args.out / "taken").iterdir()) == []
    assert not (args.out / "runs.jsonl").exists()
    with pytest.raises(SystemExit, match="start the runs first"):
        experiment(loop).summarise(args)
