"""The benchmark's loop is the authors' loss, and what it runs of their file is one class."""

from __future__ import annotations

import subprocess

import pytest
import torch

from scripts.benchmarks import objects

THEIRS = '''
import a_module_that_nobody_has
class ObjectLoss(nn.Module):
    """A stand-in with the words that matter."""
    def forward(self, pred, gt):
        return torch.zeros(1).to('cuda').sum() + pred.mean()
'''


def test_loop_is_the_loss_of_the_formula():
    logits, numbers = objects.problem(2, 64)
    assert sorted(numbers.unique().tolist()) == list(range(49))
    value, gradient = objects.step(objects.ours, logits, numbers)
    other, slope = objects.step(objects.loop, logits, numbers)
    torch.testing.assert_close(value, other)
    torch.testing.assert_close(gradient, slope, atol=1e-10, rtol=1e-4)
    rows = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 0], [2, 2, 2, 0]])[None]
    golden = objects.loop(torch.arange(32.0).reshape(1, 2, 4, 4), rows)
    assert golden.item() == pytest.approx(1.965714286, abs=1e-6)  # by hand from the formula


def test_their_class_runs_without_a_gpu_and_without_their_imports(tmp_path):
    folder = tmp_path / "SAM_RS"
    folder.mkdir()
    (folder / "utils.py").write_text(THEIRS, encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    loss, commit = objects.authors(tmp_path)
    assert loss(torch.ones(1, 2, 3, 3), torch.zeros(1, 3, 3)) == 1
    assert len(commit) == 40
    with pytest.raises(FileNotFoundError, match=r"holds no SAM_RS/utils\.py: expected a checkout"):
        objects.authors(tmp_path / "SAM_RS" / "nothing")


def test_measure():
    setting = objects.Setting(None, batch=1, size=32, rounds=2, smoke=True)
    rows = objects.measure(setting)
    assert list(rows) == ["loop", "ours"]
    assert rows["ours"]["times_ours"] == 1.0
    assert rows["loop"]["difference"] < 1e-6
    assert rows["loop"]["gradient_difference"] < 1e-9
    assert objects.alone("ours", setting) >= 0
