"""SAM-CD behind the interface of all networks: one logit as two classes, its own loss, the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app
from mfnet_lite.losses import temporal_similarity
from mfnet_lite.nets import ChangeDetector, ChangeOutput, SamPyramid, build_model
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(image_size=64, patch_size=8, width=16, depth=4, heads=2, window=4, prompt_dim=32)
DATES = {"before": 3, "after": 3}


def detector(**options) -> ChangeDetector:
    torch.manual_seed(0)
    return ChangeDetector(SamPyramid(build_sam(SIZES, seed=0)), **options)


def pair(height: int = 64, width: int = 64) -> dict[str, torch.Tensor]:
    before, after = torch.rand(2, 2, 3, height, width)
    label = torch.randint(2, (2, height, width))
    label[:, :8] = 255
    return {"before": before, "after": after, "label": label}


def test_one_logit_as_two_classes() -> None:
    net, batch = detector().eval(), pair()
    with torch.no_grad():
        logits = net(batch)
        change = net.net(batch["before"], batch["after"]).change
    torch.testing.assert_close(logits.softmax(dim=1)[:, 1:], change.sigmoid())


@pytest.mark.parametrize("official", [False, True])
def test_loss_is_binary_cross_entropy_and_the_constraint(official: bool) -> None:
    net, batch = detector(temporal=0.5, temperature=2.0, official=official).train(), pair()
    output, label = net(batch), batch["label"]
    kept = label != 255
    cross = F.binary_cross_entropy_with_logits(output.change[:, 0][kept], label[kept].float())
    constraint = temporal_similarity(output.before, output.after, label != 0, 2.0)
    if not official:  # over unchanged pixels instead of all
        constraint = constraint * label.numel() / (label == 0).sum()
    torch.testing.assert_close(net.loss(output, batch), cross + 0.5 * constraint)
    assert detector(semantic=False).temporal == 0


def test_weight_of_changed_pixels_by_hand() -> None:
    change = torch.tensor([0.0, 2.0, -1.0]).reshape(1, 1, 1, 3)
    net = detector(changed_weight=3.0, semantic=False)
    label = torch.tensor([0, 1, 255]).reshape(1, 1, 3)
    output = ChangeOutput(change, change[:, :0], change[:, :0])
    # (1 · log 2 + 3 · log(1 + e⁻²)) / 4; the third pixel has no label
    expected = (math.log(2) + 3 * math.log(1 + math.exp(-2))) / 4
    assert net.loss(output, {"label": label}).item() == pytest.approx(expected, abs=1e-6)


def test_any_size() -> None:
    assert detector().eval()(pair(50, 37)).shape == (2, 2, 50, 37)


def test_errors() -> None:
    with pytest.raises(ValueError, match="needs before and after, but the sample holds"):
        detector()({"before": torch.rand(1, 3, 32, 32)})
    with pytest.raises(ValueError, match=r"expected after of shape .* got \(1, 4, 32, 32\)"):
        detector()({"before": torch.rand(1, 3, 32, 32), "after": torch.rand(1, 4, 32, 32)})
    with pytest.raises(ValueError, match="train it on a folder of pairs"):
        build_model("sam_cd", {"optical": 3, "dsm": 1}, 6)


def test_from_pairs_to_a_change_map(tmp_path: Path) -> None:
    def call(*arguments: object):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result

    pairs, run = tmp_path / "pairs", tmp_path / "run"
    world.write_pairs(pairs, tiles=3, size=64, seed=0)
    settings = ["--steps", 2, "--size", 32, "--batch", 2, "--device", "cpu"]
    call("train", pairs, "--model", "sam_cd", "--out", run, *settings)
    scores = json.loads(call("evaluate", run, pairs, "--json", "--device", "cpu").stdout)
    assert next(iter(scores)) == "changed"
    assert scores["changed"]["F1"] == scores["per_class"]["changed"]["F1"]
    shown = call("evaluate", run, pairs, "--device", "cpu").stdout
    assert shown.index("changed class: F1") < shown.index("means over both classes: OA")
    before = next(iter(sorted(pairs.rglob("A/*.tif"))))
    after = before.parent.parent / "B" / before.name
    where = tmp_path / "map.tif"
    call("predict", run, "--before", before, "--after", after, "--out", where, "--device", "cpu")
    assert where.is_file()
