"""The comparison of a page's answers with PyTorch's, and the record that the page quotes."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.sam import load_sam
from mfnet_lite.sam.onnx_models import OnnxDecoder, OnnxEncoder
from scripts.benchmarks.live_page import compare
from scripts.book.live_page import RESULTS, measured, sample_pictures


@torch.no_grad()
def test_equal_answers_agree_and_others_are_counted():
    sam = load_sam("tiny")
    image, _, (x, y) = sample_pictures()[0]
    embedding = OnnxEncoder(sam)(torch.from_numpy(image)[None].float())
    coords, labels = [float(x), float(y), 0.0, 0.0], [1, -1]
    masks, iou = OnnxDecoder(sam)(
        embedding,
        torch.tensor(coords).reshape(1, 2, 2),
        torch.tensor([labels]).float(),
        torch.zeros(1, 1, 128, 128),
        torch.zeros(1),
    )
    square = F.interpolate(masks[:, 1:2], (256, 256), mode="bilinear")
    mask = F.interpolate(square, (512, 512), mode="bilinear").flatten() > 0
    answer = {
        "picture": 0, "coords": coords, "labels": labels, "which": 1, "width": 512, "height": 512,
        "logits": masks.flatten().tolist(), "iou": iou.flatten().tolist(), "mask": mask.tolist(),
    }  # fmt: skip
    same = compare([answer])
    assert same["prompts"] == 1
    assert same["pixels"] == 512 * 512
    assert same["differing"] == 0
    assert same["logits"] < 1e-4
    answer["mask"][:7] = [not inside for inside in answer["mask"][:7]]
    answer["logits"][5] += 0.5
    other = compare([answer, answer])
    assert other["differing"] == 14
    assert other["logits"] == pytest.approx(0.5, abs=1e-3)


def test_the_page_keeps_what_it_promises_and_says_what_was_measured():
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert record["runs"] >= 3
    # on a core that nobody else wants, processor time is what a reader waits
    assert record["processor_seconds"]["first_mask"] < 3
    assert record["processor_seconds"]["next_click"] < 0.15
    assert record["parity"]["logits"] <= 1e-3
    assert record["parity"]["differing"] == 0
    text = measured(record)
    assert f"{record['processor_seconds']['first_mask']:.1f} s from there" in text
    assert f"{1000 * record['processor_seconds']['next_click']:.0f} ms" in text
    assert record["browser"] in text
