"""The benchmark of throughput: all windows of a scene are counted, and none twice."""

from __future__ import annotations

import json

from mfnet_lite.scenes.windows import Windows
from scripts.benchmarks import throughput
from scripts.benchmarks.large_scene import write_large


def test_windows_of_the_second_map_are_counted(tmp_path):
    write_large(tmp_path, 160, quiet=True)
    found = throughput.measure(tmp_path, "tiny", "cpu", Windows(64, stride=64))
    assert found["windows"] == 9  # three along each side of 160 pixels
    assert found["windows_per_second"] == 9 / found["seconds"]
    assert (tmp_path / "map1.tif").is_file()


def test_the_table_says_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "SCENE", 64)
    monkeypatch.setattr(
        throughput, "run_module",
        lambda module, line, **_: json.dumps({"of": line[-1], "windows_per_second": 2.0}),
    )  # fmt: skip
    out = tmp_path / "table.json"
    throughput.main(["--backbones", "tiny", "vit_h", "--out", str(out)])
    table = json.loads(out.read_text())
    assert {name: row["of"] for name, row in table["results"].items()} == {
        "tiny": "tiny", "vit_h": "vit_h",
    }  # fmt: skip
    assert "--device cpu" in table["provenance"]["script"]
