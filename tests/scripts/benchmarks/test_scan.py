"""The benchmark of the selective scan: its ways agree, its ratios are those of a turn."""

from __future__ import annotations

import torch

from scripts.benchmarks import scan


def test_all_ways_compute_one_thing():
    """Also the loop that indexes, which the benchmark itself compares no gradients of."""
    inputs = scan.tensors(2, 33, 3, 5)
    found = scan.ways()
    expected = scan.step(found[scan.UNBOUND], inputs)
    for name, way in found.items():
        for own, right in zip(scan.step(way, inputs), expected, strict=True):
            assert (own - right).abs().max() < 1e-5 * right.abs().max(), name
    assert max(scan.agreement((1, 20, 3, 4)).values()) < 1e-5


def test_ratios_are_taken_turn_by_turn():
    seconds = {scan.SEGMENTS: [1.0, 2.0, 4.0], scan.FUNCTION: [2.0, 2.0, 16.0], scan.INDEXED: [7.0]}
    found = scan.ratios(seconds, {scan.SEGMENTS: 10, scan.FUNCTION: 40})
    assert found[f"{scan.SEGMENTS}: times faster than {scan.FUNCTION}"] == 2.0
    assert found[f"{scan.SEGMENTS}: times faster than {scan.INDEXED}"] == 7.0
    assert found[f"{scan.SEGMENTS}: share of the peak memory of {scan.FUNCTION}"] == 0.25


def test_smoke_writes_nothing(tmp_path, monkeypatch, capsys):
    out = tmp_path / "table.json"
    monkeypatch.setattr(
        scan, "child", lambda _, what, *rest, **environment: {
            "times": lambda: scan.times((1, 20, 2, 2), 2, 1),
            "memory": lambda: 100,
            "sweep": lambda: scan.sweep((8, 16), 4, 2, 1),
        }[what](),
    )  # fmt: skip
    before = torch.get_num_threads()
    try:
        scan.main(["--smoke", "--out", str(out)])
    finally:
        torch.set_num_threads(before)
    assert not out.exists()
    printed = capsys.readouterr().out
    assert "times faster than loop that indexes" in printed
    assert "'length': 16" in printed


def test_attention_is_not_measured_where_it_takes_minutes(monkeypatch):
    monkeypatch.setattr(scan, "LONGEST_ATTENTION", 8)
    rows = scan.sweep((8, 16), 4, 2, 1)
    assert [set(row) for row in rows] == [{"length", "scan", "attention"}, {"length", "scan"}]
