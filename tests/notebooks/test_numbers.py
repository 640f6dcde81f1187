"""Numbers that the prose of a chapter takes from a file of results are those of the file.

An interval must be that of a claim. Other numbers stand here with their sentence, whose
braces are filled from the file; a new file of results, or a new sentence, fails until both agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
Record = dict[str, Any]

RECORDS: dict[str, tuple[str, ...]] = {
    "06_samlp": ("samlp",),
    "11_mfnet": ("mfnet", "mfnet_300"),
    "12_gopt": ("gopt",),
    "13_objects_and_boundaries": ("objects",),
    "14_sam_cd": ("sam_cd",),
    "16_mfuser": ("mfuser",),
    "17_earthgpt": ("earthgpt",),
}
"""Chapters and the experiments they tell of."""


@cache
def record(name: str, kind: str = "experiments") -> Record:
    path = BOOK / "results" / f"{name}_{kind}.json"
    found: Record = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def prose(chapter: str) -> str:
    """Texts, captions and alt texts of a chapter on one line, minus signs as a keyboard has them."""
    said = []
    for cell in nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4).cells:
        shown = cell.metadata.get("mystnb", {})
        said += [cell.source] if cell.cell_type == "markdown" else []
        said += [shown.get("figure", {}).get("caption", ""), shown.get("image", {}).get("alt", "")]
    text = " ".join(said)
    return re.sub(r"\s+", " ", text).replace("−", "-")


def claim(found: Record, name: str) -> float:
    """The mean difference of a claim, in points."""
    by_name = {c["name"]: c for c in found["claims"] if "name" in c}
    return 100 * float(by_name[name]["difference"])


def interval(found: Record, name: str) -> tuple[float, ...]:
    """The 95 % interval of a claim's difference, in points."""
    by_name = {c["name"]: c for c in found["claims"] if "name" in c}
    return tuple(100 * float(end) for end in by_name[name]["interval"])


def score(found: Record, row: str, *keys: str) -> float:
    """The mean of a row's score, in points."""
    value: Any = found["rows"][row]
    for key in keys:
        value = value[key]
    return 100 * float(value["mean"])


def seeds(found: Record, row: str, key: str = "mIoU") -> list[float]:
    return [100 * float(v) for v in found["rows"][row][key]["values"].values()]


def packaged(sensor: str, way: str, task: str, name: str) -> float:
    """A score of the small EarthGPT of the package."""
    return float(record("earthgpt", "tiny")["scores"][sensor][way][task][name])


QUOTED: list[tuple[str, str, Callable[[Record], tuple[float, ...]]]] = [
    (
        "06_samlp",
        "by {:.0f} to {:.0f} points on average. But the U-Net's seeds",
        lambda r: (
            min(claim(r, f"samlp>unet {n}") for n in (1, 5, 10, 50, 200)),
            max(claim(r, f"samlp>unet {n}") for n in (1, 5, 10, 50, 200)),
        ),
    ),
    (
        "06_samlp",
        "the cut at 0.5 is better ({:.1f} against {:.1f} points of mask IoU)",
        lambda r: tuple(
            100 * r["rows"]["official=True"]["stages"][stage]["mask IoU"]["mean"]
            for stage in ("step 1, cut at 0.5", "step 1")
        ),
    ),
    (
        "11_mfnet",
        "MFNet with both sensors reaches {:.1f} points of mIoU, a U-Net on the same crops {:.1f}",
        lambda _: tuple(
            score(record("mfnet_300"), row, "mIoU") for row in ("default", "model=unet")
        ),
    ),
    (
        "11_mfnet",
        "between {:.2f} and {:.2f}; at ten times the rate they spread from {:.2f} to {:.2f}",
        lambda _: tuple(
            extreme(sensor)
            for row in ("default", "mixing=10.0")
            for extreme, sensor in (
                (min, record("mfnet_300")["rows"][row]["shares"]["least"]),
                (max, record("mfnet_300")["rows"][row]["shares"]["most"]),
            )
        ),
    ),
    (
        "11_mfnet",
        "it has caught up with MFNet's 300: {:.1f} against {:.1f} points",
        lambda r: (score(r, "model=unet effort=25.0", "mIoU"), score(r, "effort=5.0", "mIoU")),
    ),
    (
        "11_mfnet",
        "at ambiguity 0 both sensors reach {:.1f} points and the image alone {:.1f}; at 0.7 it is {:.1f} and {:.1f}",
        lambda r: (
            score(r, "ambiguity=0.0", "mIoU"),
            score(r, "sensors=optical tuning=lora ambiguity=0.0", "mIoU"),
            score(r, "default", "mIoU"),
            score(r, "sensors=optical tuning=lora", "mIoU"),
        ),
    ),
    (
        "11_mfnet",
        "the picture alone falls from {:.1f} to {:.1f} points, while both sensors together do not fall ({:.1f} and "
        "{:.1f})",
        lambda r: tuple(
            score(r, f"{sensors}ambiguity={much}", "mIoU")
            for sensors in ("sensors=optical tuning=lora ", "")
            for much in (0.0, 1.0)
        ),
    ),
    (
        "11_mfnet",
        "most of it in one seed, which ended at {:.1f}",
        lambda r: (min(seeds(r, "sensors=optical+dsm+thermal+sar")),),
    ),
    (
        "12_gopt",
        "about {:.0f} points of mIoU if its own token may ask, at four times the steps about {:.0f}; a radar image "
        "brings about {:.0f}",
        lambda r: (claim(r, "both>optical"), claim(r, "longer both>optical"), claim(r, "sar")),
    ),
    (
        "12_gopt",
        "With RGB tokens alone asking, prompts are worth about {:.0f} points",
        lambda r: (claim(r, "notes: rgb asks"),),
    ),
    (
        "12_gopt",
        "under the same head is about {:.0f} points better at equal steps",
        lambda r: (-claim(r, "gopt>mmlora"),),
    ),
    (
        "12_gopt",
        "are about {:.0f} points better than the default, in which they pass frozen blocks",
        lambda r: (-claim(r, "frozen>embed"),),
    ),
    (
        "12_gopt",
        "were still about {:.0f} points below the picture alone",
        lambda r: (-claim(r, "missing, withheld"),),
    ),
    (
        "13_objects_and_boundaries",
        "lowest mean, {:.1f} points against {:.1f} without a loss",
        lambda r: (
            score(r, "data=world model=unet boundaries=1.0", "mIoU"),
            score(r, "data=world model=unet", "mIoU"),
        ),
    ),
    (
        "13_objects_and_boundaries",
        "one run that went wrong ({:.1f})",
        lambda r: (min(seeds(r, "data=world model=unet boundaries=1.0")),),
    ),
    (
        "13_objects_and_boundaries",
        "{:.1f} points with perfect objects, {:.1f} with the small SAM's, {:.1f} with superpixels",
        lambda r: tuple(
            score(r, f"data=world model=unet objects=1.0 boundaries=0.1{maps}", "mIoU")
            for maps in (" maps=perfect", "", " maps=superpixels")
        ),
    ),
    (
        "14_sam_cd",
        "our default with concatenated dates scores {:.1f}, their wiring {:.1f}",
        lambda r: (score(r, "symmetric=False", "F1"), score(r, "official=True", "F1")),
    ),
    (
        "16_mfuser",
        "the language encoder *alone* is {:.1f} points ahead",
        lambda r: (-claim(r, "both>language"),),
    ),
    (
        "16_mfuser",
        "each difference points the paper's way ({:.1f}, {:.1f} and {:.1f} points)",
        lambda r: (claim(r, "fused>joined"), claim(r, "scan>attention"), claim(r, "enhancer")),
    ),
    (
        "16_mfuser",
        "is {:.0f} points ahead of an MFuser trained for 200 steps",
        lambda r: (-claim(r, "mfuser>pair"),),
    ),
    (
        "16_mfuser",
        "reads both ways gains nothing ({:+.1f} points)",
        lambda r: (claim(r, "two ways"),),
    ),
    (
        "16_mfuser",
        "in the place of the small SAM gains {:.0f} points ({:.0f} to {:.0f})",
        lambda r: (claim(r, "imagenet"), *interval(r, "imagenet")),
    ),
    (
        "16_mfuser",
        "falls from {:.0f} points to {:.0f} at night; the U-Net, without knowledge, from {:.0f} to {:.0f}",
        lambda r: tuple(
            score(r, row, "mIoU", air)
            for row in ("default", "model=unet")
            for air in ("clear", "night")
        ),
    ),
    (
        "16_mfuser",
        "without its image side {:.0f} points elsewhere become {:.0f}",
        lambda r: tuple(
            score(r, row, "mIoU", "elsewhere") for row in ("default", "streams=vision")
        ),
    ),
    (
        "17_earthgpt",
        "is {:.1f} points ahead of the tiny model",
        lambda r: (claim(r, "other words: real>tiny"),),
    ),
    (
        "17_earthgpt",
        "In familiar words it is {:.1f} points behind, on the unseen sensor {:.1f}.",
        lambda r: (-claim(r, "few: real>tiny"), -claim(r, "unseen sensor: real>tiny")),
    ),
    (
        "17_earthgpt",
        "mean IoU of {:.2f} on photographs and {:.2f} on radar",
        lambda _: tuple(
            packaged(sensor, "known", "grounding", "mean IoU") for sensor in ("optical", "sar")
        ),
    ),
    (
        "17_earthgpt",
        "F1 of detection is {:.2f}, against {:.2f} with the mean image",
        lambda _: tuple(
            packaged("optical", way, "detection", "F1") for way in ("known", "mean image")
        ),
    ),
    (
        "17_earthgpt",
        "right in {:.0f} of 100 cases on photographs; without looking it would be {:.0f}",
        lambda _: tuple(
            100 * packaged("optical", way, "vqa", "accuracy") for way in ("known", "mean image")
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("told_in", "sentence", "values"), QUOTED, ids=[f"{row[0]}-{row[1][:30]}" for row in QUOTED]
)
def test_sentence_has_the_numbers_of_the_file(
    told_in: str, sentence: str, values: Callable[[Record], tuple[float, ...]]
) -> None:
    assert sentence.format(*values(record(RECORDS[told_in][0]))) in prose(told_in)


ENDS = re.compile(r"([+-]\d+\.\d) to ([+-]\d+\.\d)")
"""Of an interval."""


@pytest.mark.parametrize("told_in", RECORDS)
def test_intervals_are_those_of_claims(told_in: str) -> None:
    told = {
        ends
        for name in RECORDS[told_in]
        for found in record(name)["claims"]
        for ends in ENDS.findall(found["sentence"])
    }
    elsewhere = {
        ends
        for name, sentence, values in QUOTED
        if name == told_in and " to " in sentence
        for ends in ENDS.findall(sentence.format(*values(record(RECORDS[told_in][0]))))
    }
    assert set(ENDS.findall(prose(told_in))) <= told | elsewhere


@pytest.mark.parametrize("told_in", RECORDS)
def test_no_difference_is_told_with_its_standard_error(told_in: str) -> None:
    """The verdicts are by intervals: a reader who takes ± for one would be misled."""
    assert not re.findall(r"[+-]?\d+\.\d ± \d+\.\d", prose(told_in))


def test_a_wrong_number_is_found() -> None:
    text = prose("11_mfnet")
    assert "reaches 81.1 points" in text
    assert "reaches 81.2 points" not in text


def test_chapter_3_has_the_scores_of_the_small_sam():
    sets = json.loads((BOOK / "results" / "sam_tiny.json").read_text(encoding="utf-8"))["sets"]
    drawn, aerial = sets["held-out pictures"], sets["world objects"]
    told = prose("03_training_a_promptable_model")
    assert f"| drawn images ({drawn['objects']}) | aerial scenes ({aerial['objects']}) |" in told
    for method, value in drawn["mean_iou"].items():
        assert f"| {method} | {value:.2f} | {aerial['mean_iou'][method]:.2f} |" in told
