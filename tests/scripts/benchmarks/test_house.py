"""The paired benchmark: turns in both orders, ratios within a turn, processes of either tree, its record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.benchmarks import common, house, house_worker


def test_turns_alternate_and_ratios_stay_within_a_turn():
    order: list[str] = []

    def measure(name: str, seconds: list[float]):
        left = iter(seconds)

        def call() -> float:
            order.append(name)
            return next(left)

        return call

    # the machine is twice as slow in the second turn: no ratio knows of it
    measures = {"base": measure("base", [1.0, 2.0, 1.0]), "now": measure("now", [0.5, 1.0, 0.7])}
    found = house.row(house.take_turns(measures, 3))
    assert order == ["base", "now", "now", "base", "base", "now"]
    assert found["ratio"] == 0.5
    assert found["ratio_spread"] == [0.5, 0.7]
    assert found["cpu_seconds"] == {"base": 1.0, "now": 0.7}
    assert house.row({"base": [2.0], "now": [1.0]})["ratio_quartiles"] is None


@pytest.fixture
def tree(tmp_path: Path) -> house.Tree:
    """A package of the same name that costs nothing."""
    package = tmp_path / "files" / "mfnet_lite"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("FAKE = 7\n", encoding="utf-8")
    (tmp_path / "work").mkdir()
    return house.Tree(tmp_path / "files", tmp_path / "work")


def test_a_process_imports_its_own_tree(tree):
    seconds = house.whole_process(tree, ("-c", "import mfnet_lite; assert mfnet_lite.FAKE == 7"))
    assert 0 < seconds < 10
    with pytest.raises(RuntimeError, match=r"python -c raise ValueError failed \(1\)"):
        house.whole_process(tree, ("-c", "raise ValueError"))


def test_a_worker_answers_a_line_at_a_time(tree, tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\nprint('ready', flush=True)\nfor k, _ in enumerate(sys.stdin):\n    print(k, flush=True)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(house, "WORKER", script)
    worker = house.Worker(tree, "scene", tmp_path)
    assert [worker(), worker(), worker()] == [0.0, 1.0, 2.0]
    worker.end()
    script.write_text("", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"worker\.py scene .* ended"):
        house.Worker(tree, "scene", tmp_path)


def test_names_of_either_layout_are_found():
    assert house_worker.first_of("mfnet_lite.nowhere:x", "json:dumps") is json.dumps
    assert house_worker.first_of("json:nothing", "json:dumps") is json.dumps
    with pytest.raises(ImportError, match="expected one of json:nothing in"):
        house_worker.first_of("json:nothing")


def test_every_kind_of_work_is_known_to_the_worker():
    assert set(house.WORK.values()) == set(house_worker.CASES)


def test_the_record_names_both_commits(monkeypatch, tmp_path):
    asked = []

    def compare(base, folder, turns, tests):
        asked.append((base.name, turns, tests))
        return {"case": {"ratio": 1.0}}

    monkeypatch.setattr(house, "compare", compare)
    monkeypatch.setattr(house, "check_out", lambda commit, folder: folder)
    monkeypatch.setattr(house, "working_tree", lambda: "c" * 40)
    out = tmp_path / "out.json"
    house.main(["--base", "abc", "--turns", "1", "--tests", "--out", str(out)])
    record = json.loads(out.read_text())
    assert asked == [("base_files", 1, True)]
    assert record["results"] == {"case": {"ratio": 1.0}}
    assert (record["provenance"]["base"], record["provenance"]["commit"]) == ("abc", "c" * 40)


def test_too_few_turns_do_not_become_the_books_table(capsys):
    with pytest.raises(SystemExit):
        house.main(["--turns", "3"])
    assert "--turns 3: expected 7 or more" in capsys.readouterr().err


def test_an_unknown_commit_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="commit nothing: expected one that this checkout knows"):
        common.check_out("nothing", tmp_path / "base")
