"""The benchmark of a scene's map: what is compared, and what a row says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from mfnet_lite.scenes.windows import Windows
from scripts.benchmarks import peer_loops, scenes
from scripts.benchmarks.large_scene import write_large

LOOP = """
DATASET = 'Vaihingen'

def sliding_window(top, step, window_size):
    for x in range(0, top.shape[0], step):
        for y in range(0, top.shape[1], step):
            yield min(x, top.shape[0] - window_size[0]), min(y, top.shape[1] - window_size[1]), *window_size

def grouper(n, iterable):
    it = iter(iterable)
    while chunk := tuple(itertools.islice(it, n)):
        yield chunk

def test(net, test_ids, all=False, stride=WINDOW_SIZE[0], batch_size=BATCH_SIZE, window_size=WINDOW_SIZE):
    img = io.imread(DATA_FOLDER.format(id)) / 255
    dsm = io.imread(DSM_FOLDER.format(id))
    total = np.zeros(img.shape[:2] + (N_CLASSES,))
    for coords in grouper(batch_size, sliding_window(img, stride, window_size)):
        part = np.asarray([img[x:x + w, y:y + h].transpose(2, 0, 1) for x, y, w, h in coords])
        heights = np.asarray([dsm[x:x + w, y:y + h] for x, y, w, h in coords])
        part, heights = (torch.from_numpy(a).float().cuda() for a in (part, heights))
        for out, (x, y, w, h) in zip(net(part, heights, mode='Test').detach().numpy(), coords):
            total[x:x + w, y:y + h] += out.transpose(1, 2, 0)
    return metrics(total, dsm), [total.argmax(-1)], [dsm]

torch.load('not closed'')
"""
"""A loop of the form that the authors' file has, which does not parse as a whole either."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "MFNet").mkdir(parents=True)
    (folder / "MFNet" / "train.py").write_text(LOOP)
    (folder / "MFNet" / "utils.py").write_text("")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.mark.parametrize("size", [100, 256, 257, 384, 385, 2000])
def test_windows_are_counted(size: int) -> None:
    starts = Windows(scenes.WINDOW, scenes.STRIDE).starts(size)
    assert scenes.windows(size) == len(starts) ** 2


def test_a_row_compares_within_turns() -> None:
    times = {scenes.OURS: [1.0, 2.0, 4.0], "MONAI": [3.0, 2.0, 8.0]}
    row = scenes.row(times, "MONAI", 384)
    assert row["times_ours"] == 2.0
    assert row["times_ours_spread"] == [1.0, 3.0]
    assert row["windows_per_second"] == 1.3  # 2 x 2 windows in 3 seconds


@pytest.mark.slow
def test_a_loop_of_the_authors_form_gives_our_map(tmp_path: Path, checkout: Path) -> None:
    write_large(tmp_path, 300, quiet=True)
    compared = scenes.ways(checkout)
    assert {scenes.OURS, "authors"} <= compared.keys()
    same = scenes.agreement(compared, tmp_path, "narrow U-Net")
    assert all(
        share > 0.97 for share in same.values()
    )  # the loop weighs windows at the border twice
    with rasterio.open(tmp_path / "map.tif") as file:
        assert len(np.unique(file.read(1))) > 1


def test_a_folder_without_the_loop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no MFNet/train\.py"):
        peer_loops.authors(tmp_path)


@pytest.mark.slow
def test_smoke_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scenes, "run_module", lambda *_: "1048576")
    out = tmp_path / "table.json"
    before = torch.get_num_threads()
    try:
        scenes.main(["--smoke", "--out", str(out)])
    finally:
        torch.set_num_threads(before)
    assert not out.exists()
    assert "ours {'300': '1 MiB'}" in capsys.readouterr().out


def test_the_record_names_its_origin() -> None:
    record = json.loads((scenes.RESULTS / "scenes_benchmark.json").read_text(encoding="utf-8"))
    assert record["setting"]["windows"] == scenes.windows(record["setting"]["size"])
    for rows in record["speed"].values():
        assert rows[scenes.OURS]["times_ours"] == 1.0
        assert rows["MONAI"]["same_class"] > 0.999  # the same weights of windows
        assert all(row["same_class"] > 0.9 for row in rows.values())  # others weigh otherwise
