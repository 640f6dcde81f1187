"""Measure the small vision-language pair: ``python -m scripts.pretraining.evaluate_vision_language``.

Every pixel gets the class whose phrases it is nearest to, without any training on classes. Three vocabularies:
names that captions of the training used; other names of the same things; names of the classes that no caption used.
Scenes are held out, and haze, night and the other camera were never seen. Beside stand the most frequent class, and
a linear map of the frozen encoder's last features, fitted to the labels of clear scenes. ``--realdata`` adds real
tiles; the mapping of their classes is :data:`REAL`.

Writes the figures with their provenance.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import torch
from einops import rearrange
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.losses import pixel_text_cosine
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.nets.encoders.tiny_pair import SmallPair, load_tiny_pair
from mfnet_lite.nets.encoders.vision_language import VisionLanguage
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit, versions
from mfnet_lite.world import CLASSES, make_scene
from mfnet_lite.world.caption_words import (
    HELD_OUT_CLASS_NAMES,
    HELD_OUT_KINDS,
    KIND_WORDS,
    STREET,
    class_phrases,
)

IGNORE = 255
TILE = 256
FIRST_SEED = 960_000
PROBE_SEED = 970_000
DOMAINS = {
    "clear": {},
    "winter": {"season": "winter"},
    "haze": {"domain": "haze"},
    "night": {"domain": "night"},
    "other camera": {"domain": "other_camera"},
}
Vocabulary = list[list[str]]


class Case(NamedTuple):
    """A picture in [0, 1], its classes, and for scenes the kind of every pixel."""

    image: Float[Tensor, "3 rows cols"]
    label: Int[Tensor, "rows cols"]
    kinds: list[list[str]] | None = None


def world_cases(first: int, count: int, **parameters: str) -> list[Case]:
    """Scenes of 256 pixels of 0.25 m at the default parameters."""
    found = []
    for seed in range(first, first + count):
        scene = make_scene(seed, size=TILE, gsd=0.25, **parameters)
        names = {item.id: item.kind for item in scene.objects} | {0: STREET}
        kinds = [[names[i] for i in row] for row in scene.instances.tolist()]
        image = torch.from_numpy(scene.optical[:3].copy()).float() / 255
        found.append(Case(image, torch.from_numpy(scene.label.astype(np.int64)), kinds))
    return found


def tiles(case: Case) -> Iterator[Case]:
    """Pieces of at most 256 pixels; sides are cut to multiples of 8."""
    rows, cols = case.label.shape
    for top in range(0, rows - 7, TILE):
        for left in range(0, cols - 7, TILE):
            bottom, right = min(top + TILE, rows), min(left + TILE, cols)
            window = np.s_[top : bottom - (bottom - top) % 8, left : right - (right - left) % 8]
            yield Case(case.image[:, *window], case.label[window])


class Seen(NamedTuple):
    """What the encoder made of a picture."""

    features: Float[Tensor, "channels rows cols"]
    dense: Float[Tensor, "joint rows cols"]
    label: Int[Tensor, "height width"]


@torch.no_grad()
def look(pair: VisionLanguage, case: Case) -> Seen:
    """Run the image encoder: its last features, and the patches in the joint space."""
    images = ((case.image - pair.image.mean) / pair.image.std)[None]
    grid = pair.image.grid(images)
    tokens = pair.image.embed(images)
    for number in range(pair.image.depth):
        tokens = pair.image.block(number, tokens, grid)
    patches = pair.visual(tokens, grid)[0, 1:]
    dense = rearrange(patches, "(h w) c -> c h w", h=grid[0])
    return Seen(pair.image.final(tokens, grid)[0], dense, case.label)


def enlarge(
    logits: Float[Tensor, "class rows cols"], size: Sequence[int]
) -> Float[Tensor, "class height width"]:
    """Enlarge scores to pixels."""
    return F.interpolate(logits[None], tuple(size), mode="bilinear", align_corners=False)[0]


@torch.no_grad()
def zero_shot(pair: VisionLanguage, seen: list[Seen], words: Vocabulary) -> dict[str, float]:
    """Score classes by phrases; classes without a phrase cannot be found."""
    named = [k for k, phrases in enumerate(words) if phrases]
    text = pair.classes([words[k] for k in named])[None]
    numbers = torch.tensor(named)
    found = [
        numbers[enlarge(pixel_text_cosine(s.dense[None], text)[0], s.label.shape).argmax(0)]
        for s in seen
    ]
    return score(found, [s.label for s in seen], len(words))


def score(found: list[Tensor], labels: list[Tensor], classes: int) -> dict[str, float]:
    """Accuracy and mean IoU over all pixels with a label."""
    counted = ConfusionMatrix(classes, IGNORE)
    for prediction, label in zip(found, labels, strict=True):
        counted.update(prediction, label)
    result = counted.scores()
    return {"accuracy": round(result.OA, 4), "mIoU": round(result.mIoU, 4)}


def majority(seen: list[Seen], classes: int) -> dict[str, float]:
    """Score the most frequent class, chosen on these very labels."""
    every = torch.cat([s.label[s.label != IGNORE] for s in seen])
    top = int(torch.bincount(every, minlength=classes).argmax())
    return score([torch.full_like(s.label, top) for s in seen], [s.label for s in seen], classes)


def fit_probe(seen: list[Seen], classes: int, steps: int = 60) -> nn.Linear:
    """Fit a linear map from features to classes, on every second pixel."""
    features = torch.cat(
        [
            rearrange(enlarge(s.features, [n // 2 for n in s.label.shape]), "c h w -> (h w) c")
            for s in seen
        ]
    )
    labels = torch.cat([s.label[::2, ::2][: s.label.shape[0] // 2].flatten() for s in seen])
    known = labels != IGNORE
    features, labels = features[known], labels[known]
    torch.manual_seed(0)
    probe = nn.Linear(features.shape[1], classes)
    optimiser = torch.optim.LBFGS(probe.parameters(), max_iter=steps)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(probe(features), labels) + 1e-4 * probe.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return probe.requires_grad_(False)


def probed(probe: nn.Linear, seen: list[Seen], classes: int) -> dict[str, float]:
    """Score the linear map."""
    found = []
    for s in seen:
        logits = torch.einsum("kc,chw->khw", probe.weight, s.features)
        found.append(enlarge(logits + probe.bias[:, None, None], s.label.shape).argmax(0))
    return score(found, [s.label for s in seen], classes)


def area_under_curve(values: Float[Tensor, " pixel"], truth: Tensor) -> float:
    """Chance that a pixel of a kind has a higher cosine than one of another kind."""
    order = torch.empty_like(values)
    order[values.argsort()] = torch.arange(len(values), dtype=values.dtype)
    yes = int(truth.sum())
    low = yes * (yes - 1) / 2
    return float((order[truth].double().sum() - low) / (yes * (len(values) - yes)))


@torch.no_grad()
def kind_curves(pair: VisionLanguage, cases: list[Case], seen: list[Seen]) -> dict[str, dict]:
    """For every kind: area under the curve of its cosine, by its training names and its held-out names."""
    kinds = np.concatenate([np.array(c.kinds)[::2, ::2].ravel() for c in cases if c.kinds])
    result = {}
    for kind, words in KIND_WORDS.items():
        truth = torch.from_numpy(kinds == kind)
        if truth.sum() < 200:
            continue
        result[kind] = {"pixels": int(truth.sum())}
        for key, names in (
            ("training names", words.countable + words.mass),
            ("held-out names", words.held_out),
        ):
            if names:
                text = pair.classes([list(names)])[None]
                values = torch.cat(
                    [
                        enlarge(pixel_text_cosine(s.dense[None], text)[0], s.label.shape)[0, ::2, ::2].flatten()
                        for s in seen
                    ]
                )  # fmt: skip
                result[kind][key] = round(area_under_curve(values, truth), 4)
    return result


# Real tiles: what their classes are called here. A name of None is left out of the score.
TRAINING, HELD = class_phrases(), class_phrases(held_out=True)


def _of_kinds(*kinds: str) -> tuple[list[str], list[str]]:
    """Training and held-out names of kinds together."""
    words = [KIND_WORDS[kind] for kind in kinds]
    return (
        [name for w in words for name in w.countable + w.mass],
        [name for w in words for name in w.held_out],
    )


class RealClass(NamedTuple):
    """A class of a real tile: its own name, our training names, our held-out names, a name no caption used."""

    name: str
    training: list[str]
    held_out: list[str]
    unseen: list[str]


def _isprs(*labels: int) -> list[RealClass]:
    names = [list(names) for names in HELD_OUT_CLASS_NAMES]
    return [RealClass(CLASSES[k], TRAINING[k], HELD[k], names[k]) for k in labels]


REAL: dict[str, list[RealClass]] = {
    "Vaihingen": _isprs(0, 1, 2, 3, 4),
    "LoveDA": [
        RealClass("building", TRAINING[1], HELD[1], ["building", "buildings"]),
        RealClass("road", *_of_kinds(STREET), ["pavement"]),
        RealClass("water", *_of_kinds("pond"), ["river", "stream"]),
        RealClass("barren", *_of_kinds("construction site"), ["barren land", "desert"]),
        RealClass("forest", TRAINING[3], HELD[3], ["woodland", "forest"]),
        RealClass("agricultural", *_of_kinds("meadow", "bed"), ["agricultural land", "farmland"]),
    ],
    "IGN": [
        RealClass("ground", TRAINING[0] + TRAINING[2], HELD[0] + HELD[2], ["ground"]),
        RealClass("building", TRAINING[1], HELD[1], ["building", "buildings"]),
        RealClass("vegetation or other", TRAINING[3] + TRAINING[4], HELD[3] + HELD[4], ["vegetation"]),
    ],
}  # fmt: skip
METRES = {"Vaihingen": 0.09, "LoveDA": 0.3, "IGN": 0.2}


def _resized(image: np.ndarray, label: np.ndarray, factor: float) -> Case:
    """Bring a tile to 0.25 m a pixel or leave it; classes keep their nearest pixel."""
    picture = torch.from_numpy(np.ascontiguousarray(image)).float()[None] / 255
    truth = torch.from_numpy(label.astype(np.int64))
    if factor < 0.75:
        size = [round(n * factor) for n in label.shape]
        picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
        truth = F.interpolate(truth[None, None].double(), size, mode="nearest")[0, 0].long()
    return Case(picture[0].clamp(0, 1), truth)


def real_cases(folder: Path) -> dict[str, list[Case]]:
    """Read real tiles, labels in the order of :data:`REAL`, 255 where they do not count."""
    found: dict[str, list[Case]] = {}
    for name in sorted((folder / "vaihingen_tile" / "image").glob("*.png")):
        # bands are near infrared, red, green; there is no blue, so green stands for it
        infrared = np.moveaxis(np.asarray(Image.open(name).convert("RGB")), -1, 0)
        label = np.asarray(Image.open(folder / "vaihingen_tile" / "label" / name.name)).astype(int)
        label = np.where(label == 0, IGNORE, label - 1)
        case = _resized(infrared[[1, 2, 2]], label, METRES["Vaihingen"] / 0.25)
        found.setdefault("Vaihingen", []).append(case)
    for name in sorted((folder / "loveda" / "image").glob("*.png")):
        image = np.moveaxis(np.asarray(Image.open(name).convert("RGB")), -1, 0)
        label = np.asarray(Image.open(folder / "loveda" / "label" / name.name)).astype(int)
        label = np.where(label < 2, IGNORE, label - 2)  # background has no name
        found.setdefault("LoveDA", []).append(_resized(image, label, 1.0))
    for name in sorted((folder / "ign_ortho_lidar").glob("*/image_rgb/*.tif")):
        with rasterio.open(name) as file:
            image = file.read()
        with rasterio.open(name.parents[1] / "label" / name.name) as file:
            label = file.read(1).astype(int)
        found.setdefault("IGN", []).append(_resized(image, label, 1.0))
    return found


def measure(pair: VisionLanguage, scenes: int, realdata: Path | None) -> dict:
    """All figures."""
    vocabularies = {
        "training names": class_phrases(),
        "held-out names": class_phrases(held_out=True),
        "unseen class names": [list(names) for names in HELD_OUT_CLASS_NAMES],
    }
    clear = [look(pair, case) for case in world_cases(PROBE_SEED, 2 * scenes)]
    probe = fit_probe(clear, len(CLASSES))
    sets: dict[str, dict] = {}
    for name, parameters in DOMAINS.items():
        cases = world_cases(FIRST_SEED, scenes, **parameters)
        seen = [look(pair, case) for case in cases]
        sets[name] = {key: zero_shot(pair, seen, words) for key, words in vocabularies.items()}
        sets[name] |= {
            "most frequent class": majority(seen, len(CLASSES)),
            "linear probe": probed(probe, seen, len(CLASSES)),
            "chance": {"accuracy": round(1 / len(CLASSES), 4)},
        }
        if name == "clear":
            curves = kind_curves(pair, cases, seen)
    for name, cases in (real_cases(realdata) if realdata else {}).items():
        seen = [look(pair, tile) for case in cases for tile in tiles(case)]
        classes = REAL[name]
        sets[name] = {
            "training names": zero_shot(pair, seen, [c.training for c in classes]),
            "held-out names": zero_shot(pair, seen, [c.held_out for c in classes]),
            "unseen class names": zero_shot(pair, seen, [c.unseen for c in classes]),
            "most frequent class": majority(seen, len(classes)),
            "chance": {"accuracy": round(1 / len(classes), 4)},
        }
        if name == "Vaihingen":  # the only tile with the world's own classes
            sets[name]["linear probe"] = probed(probe, seen, len(CLASSES))
    return {"sets": sets, "kinds": curves, "held_out_kinds": list(HELD_OUT_KINDS)}


ROWS = (
    "training names",
    "held-out names",
    "unseen class names",
    "linear probe",
    "most frequent class",
    "chance",
)


def table(sets: dict[str, dict]) -> str:
    """Accuracy and mean IoU as a Markdown table."""
    lines = ["| accuracy / mIoU, % | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for row in ROWS:
        cells = []
        for values in sets.values():
            found = values.get(row, {})
            cells.append(" / ".join(f"{100 * x:.1f}" for x in found.values()) or "–")
        title = row if row in ROWS[:3] else f"*{row}*"
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def curves_table(curves: dict[str, dict]) -> str:
    """Areas under curves as a Markdown table."""
    lines = ["| kind | training names | held-out names |", "|---|---|---|"]
    for kind, values in curves.items():
        cells = [
            f"{values[key]:.3f}" if key in values else "–"
            for key in ("training names", "held-out names")
        ]
        lines.append(f"| {kind} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", default="tiny", help="name or file of the pair")
    parser.add_argument("--out", type=Path, default=Path("book/results/vision_language_tiny.json"))
    folder = os.environ.get("MFNET_LITE_REALDATA")
    parser.add_argument(
        "--realdata", type=Path, default=Path(folder) if folder else None,
        help="folder with vaihingen_tile, loveda and ign_ortho_lidar",
    )  # fmt: skip
    parser.add_argument("--scenes", type=int, default=12, help="scenes per domain")
    arguments = parser.parse_args()
    pair = load_tiny_pair(arguments.weights)
    assert isinstance(pair, SmallPair)
    record = {
        "what": "zero-shot segmentation by words with the small vision-language pair: pixels, all classes",
        "words": {
            "training": class_phrases(),
            "held_out": class_phrases(held_out=True),
            "unseen": [list(names) for names in HELD_OUT_CLASS_NAMES],
            "real": {
                name: [c._asdict() for c in classes if arguments.realdata]
                for name, classes in REAL.items()
            },
        },
        **measure(pair, arguments.scenes, arguments.realdata),
        "scenes_per_domain": arguments.scenes,
        "seeds": {"scenes": FIRST_SEED, "probe": PROBE_SEED},
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "versions": versions(),
        "commit": commit(Path(__file__).parent, short=True),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    write_text(arguments.out, json.dumps(record, indent=1) + "\n")
    print(table(record["sets"]))
    print(curves_table(record["kinds"]))


if __name__ == "__main__":
    main()
