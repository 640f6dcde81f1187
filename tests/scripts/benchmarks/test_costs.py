"""The table of costs: every row can be read, and the page shows what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.benchmarks import costs
from scripts.benchmarks.common import RESULTS


def test_page_and_record_are_those_of_the_records() -> None:
    costs.main(["--check"])


def test_rows_are_what_the_records_hold() -> None:
    rows = {(row["work"], row["beside"]): row for row in costs.collect()}
    assert len(rows) == len(costs.COMPARISONS)
    objects = json.loads((RESULTS / "objects_benchmark.json").read_text(encoding="utf-8"))
    row = rows["Object loss, forward and backward", "authors' code"]
    assert row["times_faster"] == objects["rows"]["authors"]["times_ours"]
    memory = objects["rows"]["ours"]["memory_mib"] / objects["rows"]["authors"]["memory_mib"]
    assert row["share_of_memory"] == pytest.approx(memory, abs=5e-4)
    sam = json.loads((RESULTS / "sam_benchmark.json").read_text(encoding="utf-8"))
    masks = sam["results"]["automatic masks, 256 px"]
    slower = masks["official"]["cpu_seconds_min"] / masks["ours"]["cpu_seconds_min"]
    row = rows["SAM: automatic masks, 256 px", "segment_anything"]
    assert row["times_faster"] == pytest.approx(slower, abs=0.01)


def test_every_script_of_the_table_is_run() -> None:
    assert {c.record for c in costs.COMPARISONS} == set(costs.SCRIPTS)
    assert set(costs.AUTHORS + costs.GROUPVIT) <= set(costs.SCRIPTS)


@pytest.mark.parametrize(("value", "text"), [(0.874, "0.87"), (2.31, "2.3"), (46.5, "46")])
def test_ratios_have_two_digits(value: float, text: str) -> None:
    assert costs.number(value) == text


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no single section between"):
        costs.filled("# nothing", [])


def test_a_page_of_another_day_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "costs.md"
    page.write_text(f"{costs.BEGIN}\n{costs.END}\n", encoding="utf-8")
    monkeypatch.setattr(costs, "PAGE", page)
    monkeypatch.setattr(costs, "OUT", tmp_path / "benchmarks.json")
    with pytest.raises(SystemExit, match="found another table"):
        costs.main(["--check"])
    costs.main([])
    costs.main(["--check"])
    assert page.read_text(encoding="utf-8").count("| SAM: ") == 5
