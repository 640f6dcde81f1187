"""The page on few labels shows its record, and leaves out what was not measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from scripts.experiments.few_labels import page
from scripts.experiments.few_labels.plan import PIXELS, UNET
from scripts.experiments.few_labels.verdicts import CLAIMS, OLD_RECIPE

J = page.JOINED


def row(run: Any, score: str, *values: float) -> dict[str, Any]:
    return {
        "n": len(values),
        "scores": {score: {"mean": sum(values) / len(values), "values": dict(enumerate(values))}},
    }


def record(rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": rows,
        "claims": [{"name": claim.name, "verdict": "not measured"} for claim in CLAIMS],
        "rule": "a rule",
        "multiplicity": "two claims",
        "provenance": {
            "runs": 6, "cpu_seconds": 150, "dates": ["2026-11-29"], "commits": ["abc"],
            "hardware": ["a CPU"], "versions": {"torch": "2.15.0"},
        },
    }  # fmt: skip


def test_page_and_record_agree() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_section(text, json.loads(page.RECORD.read_text(encoding="utf-8"))) == text


def test_what_was_not_measured_is_left_out() -> None:
    rows = {
        PIXELS.row: row(PIXELS, "mIoU", 0.25, 0.5, 0.75),
        replace(UNET, height=True).row: row(UNET, "mIoU", 0.1, 0.2, 0.3),
        UNET.row: row(UNET, "mIoU", 0.1, 0.2),  # two seeds are too few
    }
    assert page.tables(record(rows)) == [
        "| mIoU in points, mean of the seeds (range) | IGN, optical | IGN, optical and height |\n"
        "|---|--:|--:|\n"
        f"| forest on pixels | 50.0 (25{J}–{J}75) |  |\n"
        f"| U-Net |  | 20.0 (10{J}–{J}30) |"
    ]
    text = page.section(record(rows))
    assert "help the U-Net" not in text
    assert (
        "6 trainings, 2 minutes of one core; 2026-11-29, commit `abc`, a CPU; torch 2.15.0." in text
    )


def test_pairs_and_fewer_tiles_have_tables_of_their_own() -> None:
    rows = {
        replace(PIXELS, data="levir").row: row(PIXELS, "F1", 0.25, 0.5, 0.75),
        replace(page.TILE_WAYS[1].run, data="vaihingen", tiles=2).row: row(
            UNET, "mIoU", 0.2, 0.2, 0.2
        ),
    }
    change, tiles = page.tables(record(rows))
    assert change.splitlines()[-1] == f"| forest on pixels | 50.0 (25{J}–{J}75) |"
    assert tiles.splitlines()[0] == "| mIoU on Vaihingen | 2 tiles |"
    assert tiles.splitlines()[-1] == f"| U-Net, rate 0.01 | 20.0 (20{J}–{J}20) |"


def test_verdicts_stand_by_place() -> None:
    known = record({})
    for claim, numbers in zip(
        known["claims"][:3],
        [
            {"verdict": "holds", "interval": (0.005, 0.055), "hangs_on_one_seed": True},
            {"verdict": "does not hold here", "interval": (-0.02, 0.08), "hangs_on_one_seed": False},
            {"verdict": "does not hold here", "interval": (-0.02, -0.01), "hangs_on_one_seed": False},
        ],
        strict=True,
    ):  # fmt: skip
        claim |= numbers | {"difference": sum(numbers["interval"]) / 2, "margin": 0.0}
    ahead = {**known["claims"][1], "margin": 0.1}
    assert page.verdict(ahead) == "below +3.0 (−2.0 to +8.0)"
    text = page.verdicts(known, OLD_RECIPE, "verdict")
    assert text.splitlines() == [
        "| verdict | IGN, optical | IGN, optical and height | Vaihingen, optical |",
        "|---|--:|--:|--:|",
        "| Class weights to the power of a half help the U-Net. | **holds**\\* +3.0 (+0.5 to +5.5) "
        "| open +3.0 (−2.0 to +8.0) | turned −1.5 (−2.0 to −1.0) |",
    ]


def test_check_fails_where_they_differ(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    where = tmp_path / "page.md"
    where.write_text(f"before\n{page.MARKS[0]}\nSTALE\n{page.MARKS[1]}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", where)
    monkeypatch.setattr(sys, "argv", ["page", "--check"])
    with pytest.raises(SystemExit, match="is not what"):
        page.main()
    assert "STALE" in where.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["page"])
    page.main()
    written = where.read_text(encoding="utf-8")
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "STALE" not in written
    monkeypatch.setattr(sys, "argv", ["page", "--check"])
    with pytest.raises(SystemExit) as ended:
        page.main()
    assert ended.value.code is None
