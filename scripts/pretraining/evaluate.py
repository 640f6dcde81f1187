"""Measure the small SAM beside what needs no learning: ``python -m scripts.pretraining.evaluate``.

Four sets of objects: held-out procedural pictures, objects of world scenes, and two kinds of real ones when a
folder of real tiles is given (tree crowns known by their boxes, new buildings known by their masks).
Beside the masks it measures the choice among them: the candidate that the model expects most of, the most stable one
and the best one, how far the expected IoU can be believed, and what the resolution of the masks allows at best
(``mask_resolution.py``). Writes the figures with their provenance as JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.stats import spearmanr
from segment_anything.modeling import Sam
from skimage.segmentation import felzenszwalb
from torch.nn import functional as F
from tqdm import tqdm

from mfnet_lite import load_sam
from mfnet_lite.sam.automatic import stability
from mfnet_lite.sam.checkpoints import find_checkpoint
from mfnet_lite.sam.interactive import Clicks, correction_clicks, mask_boxes, pick_best
from mfnet_lite.sam.prompt_sampling import distance_transform_centres
from mfnet_lite.sam.prompts import Prediction, embed_images, embed_points, predict_masks
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.hashes import sha256_of
from mfnet_lite.utils.provenance import commit
from mfnet_lite.world import make_scene
from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining.mask_resolution import reachable

SIZE = 256
SMALLEST = 64  # pixels
HELD_OUT = 3_000_000_000  # first seed of the held-out pictures; training stays far below
FIRST_SCENE = 910_000


@dataclass(frozen=True)
class Case:
    """One picture with the objects to be found in it."""

    image: NDArray[np.uint8]  # (SIZE, SIZE, 3)
    masks: NDArray[np.bool_]  # (n, SIZE, SIZE)


def procedural(pictures: int, per_picture: int) -> Iterator[Case]:
    """Masks of any level from pictures that training never drew."""
    rng = np.random.default_rng(0)
    for index in range(pictures):
        made = make_images(HELD_OUT + index, 1, SIZE)
        levels = made.levels[0].numpy()
        masks = [
            levels[level] == i for level in range(3) for i in np.unique(levels[level]) if i > 0
        ]
        yield Case(made.image[0].permute(1, 2, 0).numpy(), choose(masks, per_picture, rng))


def world_objects(scenes: int, per_crop: int) -> Iterator[Case]:
    """Instances of world scenes at the default parameters: buildings, crowns, cars, lawns, pools and so on."""
    rng = np.random.default_rng(1)
    for index in range(scenes):
        scene = make_scene(FIRST_SCENE + index, size=2 * SIZE)
        rgb = np.moveaxis(scene.optical[:3], 0, -1)
        for top in (0, SIZE):
            for left in (0, SIZE):
                window = np.s_[top : top + SIZE, left : left + SIZE]
                ids = scene.instances[window]
                masks = [ids == i for i in np.unique(ids) if i > 0]
                yield Case(np.ascontiguousarray(rgb[window]), choose(masks, per_crop, rng))


def new_buildings(folder: Path) -> Iterator[Case]:
    """Connected parts of the change labels, looked for in the later picture."""
    for label in sorted((folder / "label").glob("*.png")):
        image = np.asarray(Image.open(folder / "B" / label.name).convert("RGB"))
        parts, count = ndimage.label(np.asarray(Image.open(label).convert("L")) > 127)
        masks = [m for i in range(1, count + 1) if (m := parts == i).sum() >= SMALLEST]
        if masks:
            yield Case(image, np.stack(masks))


def crowns(folder: Path) -> Iterator[Case]:
    """A window around every tree crown, which is known by its box alone: the mask is the full box."""
    for annotation in sorted(folder.glob("*.xml")):
        image = np.asarray(Image.open(annotation.with_suffix(".png")).convert("RGB"))
        for box in ElementTree.parse(annotation).iter("bndbox"):
            x0, y0, x1, y1 = (int(box.findtext(k, "0")) for k in ("xmin", "ymin", "xmax", "ymax"))
            left = int(np.clip((x0 + x1) // 2 - SIZE // 2, 0, image.shape[1] - SIZE))
            top = int(np.clip((y0 + y1) // 2 - SIZE // 2, 0, image.shape[0] - SIZE))
            mask = np.zeros((1, SIZE, SIZE), bool)
            mask[0, max(0, y0 - top) : y1 - top, max(0, x0 - left) : x1 - left] = True
            if mask.sum() >= SMALLEST:
                yield Case(image[top : top + SIZE, left : left + SIZE], mask)


def choose(
    masks: list[NDArray[np.bool_]], count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """At most ``count`` masks which are neither tiny nor nearly the whole picture."""
    fit = [m for m in masks if SMALLEST <= m.sum() <= 0.9 * m.size]
    order = rng.permutation(len(fit))[:count]
    return np.stack([fit[i] for i in order]) if fit else np.zeros((0, SIZE, SIZE), bool)


def iou(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks."""
    return float((predicted & true).sum() / max(1, (predicted | true).sum()))


def box_iou(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """IoU of the masks' bounding boxes, for objects known by their boxes."""
    boxes = mask_boxes(torch.from_numpy(np.stack([predicted, true])))
    filled = np.zeros((2, *true.shape), bool)
    for target, (x0, y0, x1, y1) in zip(filled, boxes.int().tolist(), strict=True):
        target[y0 : y1 + 1, x0 : x1 + 1] = True
    return iou(filled[0] & predicted.any(), filled[1])


def full_size(logits: torch.Tensor) -> torch.Tensor:
    """Logits (1, prompts, y, x) at picture size."""
    return F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Answers:
    """What the model said about the objects of a picture.

    Attributes:
        masks: Masks (n, SIZE, SIZE) of one click, three clicks and a box.
        candidates: All three answers to one click, (n, 3, SIZE, SIZE).
        expected: IoU that the model expects of each candidate, (n, 3).
        stability: Stability score of each candidate, (n, 3).
    """

    masks: dict[str, NDArray[np.bool_]]
    candidates: NDArray[np.bool_]
    expected: NDArray[np.floating]
    stability: NDArray[np.floating]


@torch.no_grad()
def with_sam(sam: Sam, case: Case) -> Answers:
    """Ask for every object of a picture by one click, three clicks and a box."""
    image = torch.from_numpy(case.image.copy()).permute(2, 0, 1)[None].float().to(sam.device)
    truth = torch.from_numpy(case.masks)[None].to(sam.device)
    embedding = embed_images(sam, image)
    first = distance_transform_centres(truth)
    ones = torch.ones(first.shape[:3], dtype=torch.long, device=sam.device)
    padding = Clicks(torch.zeros_like(first), -ones)
    clicks = Clicks(first, ones)

    def ask(now: Clicks, fed_back: torch.Tensor | None, multimask: bool) -> Prediction:
        padded = now.add(padding)
        tokens = embed_points(sam, padded.points, padded.labels)
        return predict_masks(
            sam, embedding, tokens=tokens, mask_inputs=fed_back, multimask=multimask
        )

    prediction = ask(clicks, None, True)
    best = pick_best(prediction)
    three = torch.stack([full_size(prediction.masks[:, :, k]) for k in range(3)], dim=2)[0]
    found = {"one click": full_size(best)[0]}
    generator = torch.Generator(device=sam.device).manual_seed(0)
    for _ in range(2):
        clicks = clicks.add(correction_clicks(full_size(best), truth, generator))
        best = ask(clicks, best, False).masks[:, :, 0]
    found["three clicks"] = full_size(best)[0]
    boxed = predict_masks(sam, embedding, boxes=mask_boxes(truth), multimask=False)
    found["box"] = full_size(boxed.masks[:, :, 0])[0]
    return Answers(
        {name: (logits > 0).cpu().numpy() for name, logits in found.items()},
        (three > 0).cpu().numpy(),
        prediction.iou[0].cpu().numpy(),
        # No stability where nothing lies above either threshold: such a mask is never chosen.
        stability(three, 0.0, 1.0).nan_to_num(-1.0).cpu().numpy(),
    )


def calibration_error(
    expected: NDArray[np.floating], true: NDArray[np.floating], bins: int = 10
) -> float:
    """Mean distance of expected from true IoU over bins of equal width, weighted by their number of masks."""
    place = np.clip((expected * bins).astype(int), 0, bins - 1)
    gaps = [abs(expected[place == k].sum() - true[place == k].sum()) for k in range(bins)]
    return float(sum(gaps) / len(expected))


def segment_under_click(case: Case) -> NDArray[np.bool_]:
    """The Felzenszwalb segment under each click (scale 100, sigma 0.8, at least 20 pixels)."""
    segments = felzenszwalb(case.image, scale=100, sigma=0.8, min_size=20)
    x, y = distance_transform_centres(torch.from_numpy(case.masks)[None])[0, :, 0].int().numpy().T
    return segments[None] == segments[y, x][:, None, None]


def grab_cut(case: Case) -> NDArray[np.bool_]:
    """GrabCut from each true box (five iterations); the box itself where GrabCut finds nothing."""
    boxes = mask_boxes(torch.from_numpy(case.masks)).int().tolist()
    found = np.zeros_like(case.masks)
    for out, (x0, y0, x1, y1) in zip(found, boxes, strict=True):
        state = np.full(case.image.shape[:2], cv2.GC_BGD, np.uint8)
        state[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
        if (state == cv2.GC_BGD).sum() < 10:  # too little background for a model of its colours
            out[:] = True
            continue
        cv2.setRNGSeed(0)
        cv2.grabCut(
            np.ascontiguousarray(case.image[..., ::-1]),
            state,
            None,
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            5,
            cv2.GC_INIT_WITH_MASK,
        )
        out[:] = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
        if not out.any():  # colours of the object all around: a user would keep the box
            out[y0 : y1 + 1, x0 : x1 + 1] = True
    return found


def measure(
    sam: Sam, cases: list[Case], name: str, score: Callable[..., float] = iou, boxes: bool = True
) -> dict:
    """Mean scores over all objects of a set, and how far what the model expects of a candidate can be believed."""
    sums: dict[str, list[float]] = {}
    expected, true = [], []
    for case in tqdm(cases, desc=name):
        if not len(case.masks):
            continue
        answers = with_sam(sam, case)
        found = dict(answers.masks)
        rows = np.arange(len(case.masks))
        found["one click, most stable of three"] = answers.candidates[
            rows, answers.stability.argmax(axis=1)
        ]
        found["felzenszwalb under the click"] = segment_under_click(case)
        if boxes:
            found["grabcut from the box"] = grab_cut(case)
            best = reachable(torch.from_numpy(case.masks))
            found |= {method: masks.numpy() for method, masks in best.items()}
        else:
            del found["box"], found["three clicks"]
        for method, masks in found.items():
            sums.setdefault(method, []).extend(
                score(m, t) for m, t in zip(masks, case.masks, strict=True)
            )
        each = [
            [score(m, t) for m in three]
            for three, t in zip(answers.candidates, case.masks, strict=True)
        ]
        sums.setdefault("one click, best of three", []).extend(max(scores) for scores in each)
        expected.append(answers.expected.ravel())
        true.append(np.ravel(each))
    means = {method: round(float(np.mean(values)), 4) for method, values in sums.items()}
    said, worth = np.concatenate(expected), np.concatenate(true)
    return {
        "objects": len(sums["one click"]),
        "pictures": len(cases),
        "mean_iou": means,
        "expected_iou": {
            "rank_correlation": round(float(spearmanr(said, worth).statistic), 4),
            "calibration_error": round(calibration_error(said, worth), 4),
        },
    }


METHODS = {
    "one click": "one click, most confident of three",
    "one click, most stable of three": "one click, most stable of three",
    "one click, best of three": "one click, best of three",
    "three clicks": "three clicks",
    "box": "box",
    "felzenszwalb under the click": "*no learning:* Felzenszwalb segment under the click",
    "grabcut from the box": "*no learning:* GrabCut from the box",
    "perfect on the coarse grid": "*limit:* perfect masks on the decoder's grid of 128 × 128",
    "perfect at full size": "*limit:* logits on that grid, fitted to each mask at 256 × 256",
}

BELIEF = {
    "rank_correlation": "expected and true IoU of the three, Spearman's rank correlation",
    "calibration_error": "expected and true IoU of the three, calibration error (10 bins)",
}


def table(sets: dict[str, dict]) -> str:
    """The figures as a Markdown table."""
    lines = ["| mean IoU | " + " | ".join(f"{n} ({s['objects']})" for n, s in sets.items()) + " |"]
    lines.append("|---" * (len(sets) + 1) + "|")
    for key, title in METHODS.items():
        cells = [
            f"{s['mean_iou'][key]:.3f}" if key in s["mean_iou"] else "–" for s in sets.values()
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for key, title in BELIEF.items():
        cells = [f"{s['expected_iou'][key]:.3f}" for s in sets.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", default="tiny", help="name or file for load_sam")
    parser.add_argument("--out", type=Path, default=Path("book/results/sam_tiny.json"))
    parser.add_argument(
        "--realdata", type=Path, help="folder with change_levir and deepforest_boxes"
    )
    parser.add_argument(
        "--crowns", type=Path, help="more tiles with crowns, PNG and XML, as deepforest brings them"
    )
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--training", type=Path, help="training.json written by sam_tiny.py")
    arguments = parser.parse_args()

    sam = load_sam(arguments.weights, image_size=SIZE).eval()
    sets = {
        "held-out pictures": measure(sam, list(procedural(arguments.pictures, 10)), "pictures"),
        "world objects": measure(sam, list(world_objects(arguments.scenes, 10)), "world"),
    }
    if arguments.realdata:
        buildings = list(new_buildings(arguments.realdata / "change_levir"))
        sets["real buildings (LEVIR-CD)"] = measure(sam, buildings, "buildings")
        trees = list(crowns(arguments.realdata / "deepforest_boxes"))
        sets["real crowns (NEON), box IoU"] = measure(sam, trees, "crowns", box_iou, boxes=False)
    if arguments.crowns:
        trees = list(crowns(arguments.crowns))
        sets["crowns of other tiles (NEON), box IoU"] = measure(
            sam, trees, "more crowns", box_iou, boxes=False
        )
    record = {
        "what": "mean IoU per object of the small SAM and of methods without learning",
        "sets": sets,
        "click": "pixel farthest from the object's border; later clicks uniform in the error region",
        "smallest_object_px": SMALLEST,
        "seeds": {"pictures": HELD_OUT, "scenes": FIRST_SCENE},
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "weights_sha256": sha256_of(find_checkpoint(arguments.weights)),
        "commit": commit(Path(__file__).parent, short=True),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    if arguments.training:
        record["training"] = json.loads(arguments.training.read_text())
    write_text(arguments.out, json.dumps(record, indent=1) + "\n")
    print(table(sets))


if __name__ == "__main__":
    main()
