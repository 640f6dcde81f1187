"""Kills at random moments: what is there has a final name only if it is whole, and the same call ends it rightly."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import rasterio

from mfnet_lite.training.state import load_state
from mfnet_lite.utils.checked_files import read_tensors
from scripts.book.run_chapters import run_one
from scripts.faults.inputs import TRAINING, Inputs
from scripts.faults.verdict import Fault, contents, run


@dataclass(frozen=True)
class Work:
    """Something that takes a while and writes files.

    Attributes:
        start: Begins it, or goes on with what is in the folder; gives the sentence it was refused with.
        result: What of the folder must be equal in the end.
    """

    start: Callable[[Path], str]
    result: Callable[[Path], Any]


def works(inputs: Inputs) -> Mapping[str, Work]:
    """List what is killed, by the name of its row.

    Args:
        inputs: Valid ones.
    """

    def train(out: Path) -> str:
        words = ["train", inputs.world, "--out", out, *TRAINING, "--steps", 12, "--save-every", 1]
        return run(*words, *(["--resume"] if (out / "state.pt").exists() else []))

    def trained(out: Path) -> Any:
        with (out / "log.csv").open() as file:
            log = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
        return (out / "model.safetensors").read_bytes(), log

    def predict(out: Path) -> str:
        words = ("predict", inputs.run, "--optical", inputs.optical, "--dsm", inputs.dsm)
        return run(*words, "--window", 16, "--stride", 2, "--batch", 1, "--out", out / "map.tif")

    def masks(out: Path) -> str:
        return run("masks", inputs.optical, "--out", out / "masks", "--tile", 32, "--points", 2)

    def world(out: Path) -> str:
        if (out / "world" / "dataset.json").exists() and not list(out.rglob(".unfinished.json")):
            return ""
        return run("world", "make", out / "world", "--tiles", 3, "--size", 64)

    def chapter(out: Path) -> str:
        source, code = out.parent / "01_chapter.ipynb", "import time\ntime.sleep(0.2)\nprint(1)"
        cells = [nbformat.v4.new_code_cell(code, id=str(k)) for k in range(3)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
        out.mkdir(exist_ok=True)
        return run_one(str(source), str(out / source.name), False)[1] or ""

    return {
        "training": Work(train, trained),
        "prediction": Work(predict, _visible),
        "masks": Work(masks, _visible),
        "writing a world": Work(world, _visible),
        "running a chapter": Work(chapter, lambda out: (out / "01_chapter.ipynb").read_text()),
    }


def kill_often(work: Work, scratch: Path, kills: int, draw: random.Random) -> Counter[str]:
    """Kill a work so many times, and let it be ended each time.

    Args:
        work: What.
        scratch: An empty folder.
        kills: How often.
        draw: Draws the moments.

    Returns:
        How often it was ``killed``, and how often it had ``ended`` before.

    Raises:
        Fault: If a file under a final name is not whole, or the end differs from that without a kill.
    """
    ends = Counter[str]()
    begin = time.perf_counter()
    _do(work, scratch / "undisturbed")
    lasts = time.perf_counter() - begin
    expected = work.result(scratch / "undisturbed")
    for number in range(kills):
        out = scratch / f"killed{number}"
        ends["killed" if _killed(work, out, draw.uniform(0, 1.05 * lasts)) else "ended"] += 1
        check_whole_files(out)
        _do(work, out)
        if work.result(out) != expected:
            raise Fault(f"after kill {number} the end is another one")
        shutil.rmtree(out)
    return ends


def _do(work: Work, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if refused := work.start(out):
        raise Fault(f"refused after a kill: {refused}")


def _killed(work: Work, out: Path, after: float) -> bool:
    """Start a work in a copy of this process, and kill that after some seconds; whether it was in time."""
    out.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            work.start(out)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def check_whole_files(out: Path) -> None:
    """Read every file that has a final name.

    Args:
        out: The folder of a work that was killed.

    Raises:
        Fault: If one cannot be read.
    """
    for path in out.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        try:
            if path.suffix == ".tif":
                with rasterio.open(path) as file:
                    file.read()
            elif path.suffix == ".safetensors":
                read_tensors(path)
            elif path.suffix == ".pt":
                load_state(path)
            elif path.suffix in (".json", ".ipynb"):
                json.loads(path.read_text())
        except Exception as error:
            raise Fault(f"{path} is half-written: {error}") from error


def _visible(out: Path) -> dict[str, str]:
    """Hashes of all files but the hidden ones, which a kill may leave behind."""
    return {name: h for name, h in contents(out).items() if not Path(name).name.startswith(".")}
