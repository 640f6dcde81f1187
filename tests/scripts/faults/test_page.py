"""The page of faults shows the record, and the record is one of the full form without a fault."""

from __future__ import annotations

import json

from scripts.faults.page import PAGE, RECORD, section, with_section


def test_page_and_record_agree():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert section(record) in page
    assert with_section(page, record) == page


def test_the_record_is_of_the_full_form():
    rows = json.loads(RECORD.read_text(encoding="utf-8"))["rows"]
    damaged = [row for row in rows if row["group"] == "damaged"]
    killed = [row for row in rows if row["group"] == "killed"]
    assert sum(row["cases"] for row in damaged) >= 2000
    assert len(killed) == 5
    assert sum(row.get("killed", 0) for row in killed) >= 20
    for row in rows:
        ends = sum(row.get(end, 0) for end in ("done", "refused", "killed", "ended"))
        assert ends == row["cases"], row["name"]


def test_another_record_gives_another_page():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert with_section(page, record | {"seed": 12345}) != page
