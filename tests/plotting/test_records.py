"""A small record with two kinds of claims, and what happens where it is absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mfnet_lite.plotting import Record, read_record
from mfnet_lite.plotting.records import with_minus

USUAL = {"model": "mfnet", "sensors": ["optical", "dsm"], "effort": 1.0}


def row(values: dict[str, float], **run: Any) -> dict[str, Any]:
    return {
        "run": USUAL | run,
        "n": len(values),
        "mIoU": {"values": values},
        "also": {"holes": None},
    }


def verdict(name: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "claim": f"{name} wins.",
        "source": "ours",
        "verdict": verdict,
        "sentence": f"{verdict}: {name}.",
        **more,
    }


FACTS: dict[str, Any] = {
    "settings": {"steps": 60},
    "rule": "holds if it must",
    "multiplicity": "of 3 claims 0.1 would hold by chance",
    "claims": [
        verdict("first", "holds", hangs_on_one_seed=True),
        verdict(
            "second", "does not hold here", paper=[83.96, 82.74], source="paper", interval=[-0.1, 0]
        ),
        verdict("third", "not measured"),
        verdict("fourth", "not tested here"),
        verdict("fifth", "not decided here"),
    ],
    "rows": {
        "default": row({"0": 0.5, "1": 0.6}),
        "sensors=optical": row({"0": 0.4, "2": 0.3}, sensors=["optical"]),
        "model=unet effort=5.0": row({"0": 0.7}, model="unet", effort=5.0),
        "later=new": row({"0": 0.1}, later="new"),
        "model=lists": row({}, model="lists") | {"seeds": [3, 4], "mIoU": {"values": [0.25, 0.75]}},
    },
    "provenance": {
        "runs": 5,
        "dates": ["2026-11-21", "2026-11-22"],
        "hardware": ["one core"],
        "weights_sha256": "0123456789abcdef",
    },
}


@pytest.fixture
def record() -> Record:
    return Record(Path("results", "small.json"), FACTS)


def test_rows_by_their_settings(record: Record) -> None:
    assert record.row() is FACTS["rows"]["default"]
    assert record.row(effort=1.0, sensors="optical+dsm") is record.row()
    assert record.row(sensors="optical") is FACTS["rows"]["sensors=optical"]
    assert record.row(effort=5.0, model="unet") is FACTS["rows"]["model=unet effort=5.0"]
    assert record.row(effort=5.0) == {}
    with pytest.raises(ValueError, match=r"setting of small.json, one of .*, got 'colour'"):
        record.row(colour="red")


def test_a_setting_that_only_later_rows_name(record: Record) -> None:
    assert record.row(later="new") is FACTS["rows"]["later=new"]
    assert "later" not in record.row()["run"]


def test_scores_by_seed_in_points(record: Record) -> None:
    assert record.scores("mIoU", sensors="optical") == pytest.approx({0: 40, 2: 30})
    assert record.scores("mIoU", model="lists") == pytest.approx({3: 25, 4: 75})
    assert record.scores("also", "holes") == {}
    assert record.scores("mIoU", effort=2.0) == {}


def test_gains_are_paired_by_seed(record: Record) -> None:
    assert record.gains("mIoU", sensors="optical") == pytest.approx({0: -10})
    over = {"model": "unet", "effort": 5.0}
    assert record.gains("mIoU", over=over) == pytest.approx({0: -20})


def test_scores_in_words(record: Record) -> None:
    assert record.in_words("mIoU") == "55.0 ± 7.1 (n = 2)"
    assert record.in_words("mIoU", model="unet", effort=5.0) == "70.0 (n = 1)"
    assert record.in_words("mIoU", effort=2.0) == "not measured"


def test_provenance_in_one_line(record: Record) -> None:
    said = "5 runs of 60 steps; 2026-11-21 and 2026-11-22; one core; weights 0123456789ab"
    assert record.provenance() == said
    steps = {"settings": {"steps": {"unet": 80, "mfnet": 60}}}
    several = Record(record.path, FACTS | steps).provenance()
    assert several.startswith("5 runs of 80 (unet), 60 (mfnet) steps;")
    assert (
        Record(record.path, FACTS | {"remark": "older code"}).provenance() == f"{said}; older code"
    )


def test_table_of_claims(record: Record) -> None:
    above, table = record.table().split("\n\n")
    assert above == "\n".join(
        [
            "Rule: holds if it must.",
            "1 of 2 claims hold.",
            "Of 3 claims 0.1 would hold by chance.",
            "A star marks a verdict that would be another one without one of the seeds.",
            "Claims planned and not measured yet: 1.",
        ]
    )
    assert table.split("\n") == [
        "| | from | claim | in the paper | here |",
        "|---|---|---|---|---|",
        r"| 1 \* | ours | first wins. | – | holds: first. |",
        "| 2 | paper | second wins. | +1.2 (83.96 − 82.74) | does not hold here: second. |",
        "|  | ours | fourth wins. | – | not tested here: fourth. |",
        "|  | ours | fifth wins. | – | not decided here: fifth. |",
    ]


def test_claims_that_are_left_out_do_not_count_and_the_others_keep_their_numbers(
    record: Record,
) -> None:
    above, table = record.table(without=["first"]).split("\n\n")
    assert above.split("\n")[1:3] == [
        "0 of 1 claims hold.",
        "Of 1 claims none of which were true, 0.0 would hold by chance.",
    ]
    assert "star" not in above
    numbers = [line.split("|")[1].strip() for line in table.split("\n")[2:]]
    assert numbers == ["2", "", ""]  # the last two have no verdict, and say why
    with pytest.raises(ValueError, match=r"claims in small.json, got sixth"):
        record.table(["first", "sixth"])


def test_a_record_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    record = read_record("small", tmp_path)
    assert not record
    assert record.provenance() == record.table() == record.absent
    assert "small.json is not beside this notebook" in record.absent
    assert "clone the repository" in record.absent
    assert record.row(model="unet") == {}
    assert record.gains("mIoU", model="unet") == {}
    assert record.claims == []


def test_reads_the_file_beside_the_notebook(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(FACTS), encoding="utf-8")
    record = read_record("small", tmp_path)
    assert record.facts == FACTS
    assert record.absent == ""


@pytest.mark.parametrize("text", ["{", "[]", "{}"], ids=["no-json", "a-list", "nothing"])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "small.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"small\.json: expected"):
        read_record("small", tmp_path)


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).resolve().parents[2] / "book" / "results").glob("*_experiments.json")),
    ids=lambda path: path.stem,
)
def test_every_row_of_the_book_is_found_by_its_settings(path: Path) -> None:
    record = read_record(path.stem, path.parent)
    for name, row in record.rows.items():
        assert record.row(**row["run"]) is row, name


def test_the_table_has_minus_signs_and_no_negative_zero(tmp_path: Path) -> None:
    said = "Holds: -0.0 points (-1.1 to +0.3) over 5 seeds, -2 were needed; 2026-11-29, sam-2."
    assert with_minus(said) == (
        "Holds: +0.0 points (−1.1 to +0.3) over 5 seeds, −2 were needed; 2026-11-29, sam-2."
    )
    assert with_minus("-0.04 and -0.00") == "−0.04 and +0.00"
