"""Two processes make one map and one set of masks: without holes, without double work, also after a kill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from mfnet_lite import world
from mfnet_lite.nets import MFuser
from mfnet_lite.rasters import read_raster
from mfnet_lite.rasters.write import write_raster
from mfnet_lite.scenes.evaluate import read_from
from mfnet_lite.scenes.flips import FlipAverage
from mfnet_lite.scenes.map_areas import AreaFiles, areas_of, network_plan
from mfnet_lite.scenes.predict import predict_scene
from mfnet_lite.scenes.windows import Windows, blend_windows
from mfnet_lite.utils.processes import Ranks
from tests.nets.small_pair import SmallPair, small_sam
from tests.scenes import two_processes_scenes as job
from tests.several_processes import finish, run, start

SCRIPT = Path(job.__file__)
MAPS = ("map.tif", "sure.tif", "masks/objects.tif", "masks/boundaries.tif")


@given(height=st.integers(1, 1100), width=st.integers(1, 1100), side=st.integers(1, 600))
def test_every_pixel_lies_in_one_area(height, width, side):
    seen = np.zeros((height, width), np.uint8)
    for area in areas_of(height, width, side):
        seen[area.top : area.bottom, area.left : area.right] += 1
        assert area.size == (area.bottom - area.top) * (area.right - area.left)
    assert (seen == 1).all()


@given(count=st.integers(0, 20), processes=st.integers(1, 6))
def test_every_item_has_one_process(count, processes):
    shares = [Ranks(rank, processes).share(range(count)) for rank in range(processes)]
    assert sorted(item for share in shares for item in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 70),
    cuts=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    blend=st.sampled_from(["smooth", "sum"]),
    repeat=st.booleans(),
    stride=st.integers(4, 12),
)
def test_rows_alone_are_those_of_the_whole(height, cuts, blend, repeat, stride):
    torch.manual_seed(0)
    model = torch.nn.Conv2d(2, 3, 5, padding=2)
    net = torch.nn.Module()
    net.conv = model
    net.forward = lambda sample: model(sample["optical"])  # type: ignore[method-assign]
    sample = {"optical": torch.rand(2, height, 40)}
    options = Windows(16, stride, blend, margin=2, repeat_border=repeat)

    def rows(upper: int, lower: int) -> torch.Tensor:
        found = list(
            blend_windows(
                net, read_from(sample), height, 40, options, columns=(5, 33), rows=(upper, lower)
            )
        )
        tops = [top for top, _ in found]
        assert tops[0] == upper
        assert tops[1:] == [top + part.shape[1] for top, part in found][:-1]
        return torch.cat([part for _, part in found], dim=1)

    edges = sorted({0, height, *(max(1, min(height, round(cut * height))) for cut in cuts)})
    joined = torch.cat([rows(a, b) for a, b in pairwise(edges)], dim=1)
    assert torch.equal(joined, rows(0, height))
    with pytest.raises(ValueError, match="expected rows between"):
        rows(0, height + 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, 620, 560), dtype=np.uint8)
    optical[:, :5, :7] = optical[:, 250:270, 500:] = 0
    dsm = rng.random((620, 560), dtype=np.float32) * 20 + 100
    dsm[400:404, 254:260] = -9999
    where = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)}
    write_raster(folder / "optical.tif", optical, nodata=0, **where)
    write_raster(folder / "dsm.tif", dsm, nodata=-9999, **where)
    write_raster(folder / "small.tif", optical[:, :200, :180], **where)
    world.write_folder(folder / "world", 3, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    return folder


@pytest.fixture(scope="module")
def alone(source) -> Path:
    out = source / "alone"
    out.mkdir()
    job.main(source, out)
    return out


def calls(out: Path) -> np.ndarray:
    """Calls of the model for the map and for masks, and the number of objects, of each process."""
    return np.array([[int(n) for n in (out / f"calls{r}").read_text().split()] for r in (0, 1)])


def check_same(out: Path, expected: Path) -> None:
    for name in MAPS:
        assert np.array_equal(read_raster(out / name).array, read_raster(expected / name).array), (
            name
        )
    with rasterio.open(out / "map.tif") as made, rasterio.open(expected / "map.tif") as first:
        assert made.tags() == first.tags()
        assert made.colormap(1) == first.colormap(1)
        assert made.profile == first.profile
    assert (out / "masks/scores.csv").read_text() == (expected / "masks/scores.csv").read_text()
    for path in (expected / "dataset").rglob("*.tif"):
        again = out / path.relative_to(expected)
        assert np.array_equal(read_raster(again).array, read_raster(path).array)
    left = {path.name for path in out.iterdir()} - {"calls", "calls0", "calls1", "hangs"}
    assert left == {"map.tif", "sure.tif", "masks", "dataset"}


@pytest.mark.slow
def test_two_processes_make_what_one_makes(source, alone, tmp_path):
    run(SCRIPT, source, tmp_path)
    check_same(tmp_path, alone)
    own = calls(tmp_path)
    whole = [int(n) for n in (alone / "calls").read_text().split()]
    assert own[:, 1].sum() == whole[1]  # no tile twice
    assert (own[:, :2] > 0).all()
    assert own[:, 2].tolist() == [whole[2], whole[2]]


@pytest.mark.slow
def test_what_a_killed_process_has_finished_is_kept(source, alone, tmp_path):
    for name, rank in (("predict", 1), ("masks", 0)):
        hangs = tmp_path / "hangs"
        hangs.unlink(missing_ok=True)
        # the second process hangs in its second area, the first one in its third tile
        pair = start(SCRIPT, source, tmp_path, name, str(rank), "20" if name == "predict" else "2")
        try:
            while not hangs.exists():
                assert [process.poll() for process in pair] == [None, None], "ended by itself"
                time.sleep(0.02)
        finally:
            pair[rank].kill()
            ended = finish(pair)
        assert "another of the 2 processes has ended" in ended[1 - rank][2]
        assert (tmp_path / "map.tif").exists() == (name == "masks")
    run(SCRIPT, source, tmp_path)
    check_same(tmp_path, alone)
    assert calls(tmp_path)[0, 1] < int((alone / "calls").read_text().split()[1]) / 2


def test_areas_of_two_maps_are_not_mixed(tmp_path):
    files = AreaFiles(tmp_path / "map.tif.parts", areas_of(600, 300, 256))
    files.begin(Ranks(), {"weights": "a"})
    first = files.areas[0]
    files.save(first, [(np.zeros((256, 256), np.uint8), None)])
    assert files.missing(Ranks()) == files.areas[1:]
    again = AreaFiles(tmp_path / "map.tif.parts", areas_of(600, 300, 256))
    again.begin(Ranks(), {"weights": "a"})
    with pytest.raises(ValueError, match="made with another weights"):
        again.begin(Ranks(), {"weights": "b"})


def small_mfuser() -> MFuser:
    torch.manual_seed(0)
    return MFuser(
        small_sam(), SmallPair(), ("roof", "meadow"), width=16, decoder_layers=1, heads=2, states=4
    )


class FirstOfTwo(Ranks):
    """The first of two processes, which does the other one's share, too."""

    def wait(self) -> None:
        """Do not wait: there is no other one."""

    def share(self, items):
        """Give everything."""
        return items


def test_a_map_by_other_words_is_not_gone_on_with(tmp_path, monkeypatch):
    @contextmanager
    def two() -> Iterator[Ranks]:
        yield FirstOfTwo(0, 2)

    scene, out = tmp_path / "scene.tif", tmp_path / "map.tif"
    write_raster(
        scene, np.full((3, 300, 40), 128, np.uint8), crs="EPSG:25832", transform=Affine.scale(1, -1)
    )
    net = small_mfuser()

    def predict() -> None:
        predict_scene(
            net,
            {"optical": scene},
            out,
            window=64,
            stride=64,
            classes=("a", "b"),
            panel=1,
            progress=False,
        )

    monkeypatch.setattr("mfnet_lite.scenes.predict.working_together", two)
    save, saved = AreaFiles.save, []

    def killed_at_the_second(self, area, rows):
        if saved:
            raise KeyboardInterrupt
        saved.append(area)
        save(self, area, rows)

    net.ask([("roof",), ("meadow",)])
    with monkeypatch.context() as patched:
        patched.setattr(AreaFiles, "save", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            predict()
    net.ask([("roof", "asphalt"), ("meadow",)])
    with pytest.raises(ValueError, match="made with another words"):
        predict()
    net.ask([("roof",), ("meadow",)])
    predict()
    assert out.exists()
    assert not (tmp_path / "map.tif.parts").exists()


def test_the_plan_of_a_network_holds_its_words():
    net = small_mfuser()
    net.ask(["car"])
    assert network_plan(net)["words"] == [[["car"]]]
    assert network_plan(FlipAverage(net))["words"] == [[["car"]]]
    assert network_plan(torch.nn.Linear(1, 1)).keys() == {"weights"}  # as before there were words


@pytest.mark.parametrize(
    "words", [(1, 2), ("a", None), ("a", "b"), (("a", 1),), (("a",), "b"), ["a"], {"a": 1}, 3]
)
def test_words_of_another_kind_are_not_in_the_plan(words):
    net = torch.nn.Linear(1, 1)
    net.words = words
    assert network_plan(net).keys() == {"weights"}


def test_a_folder_of_before_words_were_noted(tmp_path):
    net, plain = small_mfuser(), torch.nn.Linear(1, 1)
    for name, network in (("words", net), ("plain", plain)):
        old = {"weights": network_plan(network)["weights"]}
        AreaFiles(tmp_path / name, []).begin(Ranks(), old)
    AreaFiles(tmp_path / "plain", []).begin(Ranks(), network_plan(plain))
    with pytest.raises(ValueError, match="made with another words"):
        AreaFiles(tmp_path / "words", []).begin(Ranks(), network_plan(net))
