"""Damaged files, one damage each: the right result, or one sentence; nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mfnet_lite.rasters import open_dataset
from mfnet_lite.training.state import load_state
from mfnet_lite.tuning import load_delta
from scripts.faults.damage import damages, json_damages
from scripts.faults.inputs import Inputs, tuned
from scripts.faults.verdict import Fault, run

Attempt = Callable[[], str]


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and what is then done with it.

    Attributes:
        path: The file.
        strategy: Draws the damages.
        attempt: Uses the file; gives the sentence it was refused with, empty if it was done rightly.
        share: Of all cases.
    """

    path: Path
    strategy: st.SearchStrategy[Any]
    attempt: Attempt
    share: float


def targets(inputs: Inputs, scratch: Path) -> Mapping[str, Target]:
    """List the files, by the name of their row.

    Args:
        inputs: Valid ones.
        scratch: Folder for what is written.
    """
    out = scratch / "map.tif"
    predict = (
        "predict",
        inputs.run,
        "--optical",
        inputs.optical,
        "--dsm",
        inputs.dsm,
        "--out",
        out,
    )
    expected = inputs.map.read_bytes()
    state = load_state(inputs.run / "state.pt")
    delta = tuned().state_dict()
    classes = 6

    def mapped(same: bool) -> Attempt:
        def attempt() -> str:
            out.unlink(missing_ok=True)
            refused = run(*predict)
            _check_map(out, None if refused else expected, same, classes)
            return refused

        return attempt

    def resumed() -> str:
        try:
            found = load_state(inputs.run / "state.pt")
        except ValueError as error:
            return _sentence(error, "state.pt")
        if not _same(found, state):
            raise Fault("state.pt loads with other numbers")
        return ""

    def tuned_again() -> str:
        net = tuned()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.requires_grad:
                    parameter.zero_()
        try:
            load_delta(net, inputs.delta)
        except ValueError as error:
            return _sentence(error, "delta.safetensors")
        if not _same(dict(net.state_dict()), dict(delta)):
            raise Fault("the delta loads with other numbers")
        return ""

    def opened() -> str:
        try:
            open_dataset(inputs.world)
        except ValueError as error:
            return _sentence(error, inputs.world.name)
        return ""

    def outlined() -> str:
        return run("vectors", inputs.map, "--out", scratch / "map.geojson")

    def scored() -> str:
        return run("evaluate", inputs.run, inputs.world)

    json_file = inputs.world / "dataset.json"
    return {
        "GeoTIFF, image of a scene": Target(inputs.optical, damages(0.1), mapped(False), 0.08),
        "GeoTIFF, heights of a scene": Target(inputs.dsm, damages(0.1), mapped(False), 0.06),
        "GeoTIFF, label": Target(inputs.label, damages(0.3), scored, 0.03),
        "GeoTIFF, map to outline": Target(inputs.map, damages(0.3), outlined, 0.08),
        "weights of a run": Target(
            inputs.run / "model.safetensors", damages(0.1), mapped(True), 0.12
        ),
        "state of a training": Target(inputs.run / "state.pt", damages(0.1), resumed, 0.25),
        "delta": Target(inputs.delta, damages(0.5), tuned_again, 0.25),
        "config.json of a run": Target(
            inputs.run / "config.json", json_damages(), mapped(False), 0.05
        ),
        "dataset.json, opened": Target(json_file, json_damages(), opened, 0.07),
        "dataset.json, evaluated": Target(json_file, json_damages(), scored, 0.01),
    }


def try_target(target: Target, cases: int, random_seed: int) -> Counter[str]:
    """Damage a file so many times.

    Args:
        target: The file and what is done with it.
        cases: How many damages; Hypothesis draws them, and leaves out those it has drawn before.
        random_seed: Of the damages.

    Returns:
        How often the end was ``done`` and ``refused``.

    Raises:
        Fault: With the damage, at the first other end.
    """
    whole, ends = target.path.read_bytes(), Counter[str]()
    beside = sorted(path.name for path in target.path.parent.iterdir())

    @seed(random_seed)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(target.strategy)
    def one(damage: Any) -> None:
        damaged = damage.apply(whole)
        target.path.write_bytes(damaged)
        try:
            ends["refused" if target.attempt() else "done"] += 1
        except Fault as fault:
            raise Fault(f"{target.path.name} with {damage}: {fault}") from fault
        finally:
            kept = target.path.read_bytes() == damaged
            target.path.write_bytes(whole)
        if not kept or beside != sorted(path.name for path in target.path.parent.iterdir()):
            raise Fault(f"{target.path.name} with {damage}: an input was changed or something left")

    one()
    return ends


def _check_map(out: Path, expected: bytes | None, same: bool, classes: int) -> None:
    """A refused map is not there; one that was made is whole, and equal where nothing else is right."""
    left = [path.name for path in out.parent.iterdir() if path.name.startswith(".")]
    if left or out.exists() != (expected is not None):
        raise Fault(f"{left or out.name} is there, or is not, against what the command said")
    if expected is None:
        return
    if same and out.read_bytes() != expected:
        raise Fault("another map, and no word about it")
    with rasterio.open(out) as file:
        values = np.unique(file.read(1))
    if not set(values.tolist()) <= {*range(classes), 255}:
        raise Fault(f"a map with the values {values.tolist()}")


def _sentence(error: Exception, name: str) -> str:
    """One line that names the file."""
    text = str(error)
    if "\n" in text or name not in text:
        raise Fault(f"expected one sentence that names {name}, found {text!r}")
    return text


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
