"""Scores: golden numbers of the authors' code, a referee (torchmetrics), and properties."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.metrics.segmentation import ConfusionMatrix


def golden_case() -> tuple[torch.Tensor, torch.Tensor]:
    n = torch.arange(1000)
    truth = (n // 3) % 7
    prediction = torch.where(n % 4 == 0, (n * 5) % 6, truth % 6)
    return prediction, truth


def test_golden_numbers_of_the_authors_metrics():
    prediction, truth = golden_case()
    matrix = ConfusionMatrix(6)
    matrix.update(prediction, truth)
    scores = matrix.scores("authors")
    assert int(matrix.counts.sum()) == 859
    assert pytest.approx(79.28, abs=5e-3) == 100 * scores.OA
    assert scores.f1 == pytest.approx([0.7407, 0.8571, 0.7430, 0.8571, 0.7438, 0.8583], abs=5e-5)
    assert scores.iou == pytest.approx(
        [0.588235, 0.75, 0.591133, 0.75, 0.592040, 0.751773], abs=5e-7
    )
    assert scores.mF1 == pytest.approx(0.7884, abs=5e-5)
    assert scores.mIoU == pytest.approx(0.654282, abs=5e-7)
    assert scores.kappa == pytest.approx(0.7513, abs=5e-5)
    assert scores.averaged == (0, 1, 2, 3, 4)


def test_conventions_differ_only_in_the_means():
    matrix = ConfusionMatrix(6)
    matrix.update(*golden_case())
    authors, everything = matrix.scores("authors"), matrix.scores("all")
    assert authors.OA == everything.OA
    assert authors.iou == everything.iou
    assert everything.mIoU == pytest.approx(sum(everything.iou) / 6)
    assert everything.mIoU != authors.mIoU
    assert matrix.scores(exclude=(5,)) == authors


def test_authors_convention_averages_all_classes_of_mmhunan():
    matrix = ConfusionMatrix(7)
    matrix.update(torch.arange(7), torch.arange(7))
    assert matrix.scores("authors").averaged == tuple(range(7))


def test_equals_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    generator = torch.Generator().manual_seed(3)
    prediction = torch.randint(0, 4, (2, 33, 17), generator=generator)
    truth = torch.randint(0, 4, (2, 33, 17), generator=generator)
    truth[torch.rand(truth.shape, generator=generator) < 0.2] = 255
    matrix = ConfusionMatrix(4)
    matrix.update(prediction, truth)
    scores = matrix.scores()
    options = {"num_classes": 4, "ignore_index": 255}
    assert torch.equal(
        matrix.counts, torchmetrics.multiclass_confusion_matrix(prediction, truth, **options)
    )
    iou = torchmetrics.multiclass_jaccard_index(prediction, truth, average="none", **options)
    f1 = torchmetrics.multiclass_f1_score(prediction, truth, average="none", **options)
    kappa = torchmetrics.multiclass_cohen_kappa(prediction, truth, **options)
    accuracy = torchmetrics.multiclass_accuracy(prediction, truth, average="micro", **options)
    assert scores.iou == pytest.approx(iou.tolist(), abs=1e-6)
    assert scores.f1 == pytest.approx(f1.tolist(), abs=1e-6)
    assert scores.kappa == pytest.approx(float(kappa), abs=1e-6)
    assert pytest.approx(float(accuracy), abs=1e-6) == scores.OA


@settings(deadline=None, max_examples=50)
@given(
    pixels=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-1, 0, 1, 2, 3, 4, 255]))),
    cuts=st.lists(st.integers(0, 100), max_size=4),
)
def test_streamed_equals_whole(pixels, cuts):
    data = torch.tensor(pixels, dtype=torch.int64).reshape(-1, 2)
    whole = ConfusionMatrix(4)
    whole.update(data[:, 0], data[:, 1])
    streamed, pooled = ConfusionMatrix(4), ConfusionMatrix(4)
    borders = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    for a, b in itertools.pairwise(borders):
        streamed.update(data[a:b, 0], data[a:b, 1])
        part = ConfusionMatrix(4)
        part.update(data[a:b, 0], data[a:b, 1])
        pooled = pooled + part
    assert torch.equal(whole.counts, streamed.counts)
    assert torch.equal(whole.counts, pooled.counts)
    assert int(whole.counts.sum()) == sum(0 <= t < 4 for _, t in pixels)


def test_absent_class_is_undefined_and_not_averaged():
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    scores = matrix.scores()
    assert math.isnan(scores.iou[2])
    assert scores.averaged == (0, 1)
    assert scores.mIoU == pytest.approx(0.5)
    as_dict = scores.as_dict(["a", "b", "c"])
    assert as_dict["per_class"]["c"] == {"F1": None, "IoU": None, "pixels": 0}
    json.dumps(as_dict, allow_nan=False)


def test_one_class_has_no_means():
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([1, 1, 1]), torch.tensor([1, 1, 255]))
    scores = matrix.scores()
    assert (scores.single, scores.mIoU) == (1, 1)
    as_dict = scores.as_dict(["a", "b", "c"])
    assert (as_dict["mF1"], as_dict["mIoU"], as_dict["OA"]) == (None, None, 1)
    assert as_dict["reason"] == "all labelled pixels are b"
    one = ConfusionMatrix(1)
    one.update(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    assert one.scores().single is None


def test_small_unsigned_labels_do_not_overflow():
    matrix = ConfusionMatrix(20)
    matrix.update(torch.full((5,), 19, dtype=torch.uint8), torch.full((5,), 19, dtype=torch.uint8))
    assert int(matrix.counts[19, 19]) == 5


def test_faults_are_named():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match="one shape"):
        matrix.update(torch.zeros(3, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"lie in 0…1"):
        matrix.update(torch.tensor([2]), torch.tensor([0]))
    with pytest.raises(ValueError, match="convention"):
        matrix.scores("isprs")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="class names"):
        matrix.scores().as_dict(["one"])
    with pytest.raises(ValueError, match="2 and 3 classes"):
        matrix + ConfusionMatrix(3)
    with pytest.raises(ValueError, match="at least 1"):
        ConfusionMatrix(0)
