"""The benchmark's loop is the authors' loss, and what it runs of their file is one class."""

from __future__ import annotations

import importlib
import subprocess
from argparse import Namespace

import pytest
import torch

THEIRS = '''
import a_module_that_nobody_has
class ObjectLoss(nn.Module):
    """A stand-in with the words that matter."""
    def forward(self, pred, gt):
        return torch.zeros(1).to('cuda').sum() + pred.mean()
'''


@pytest.fixture
def script(monkeypatch):
    return importlib.import_module("scripts.benchmarks.objects")


def test_loop_is_the_loss_of_the_fact_sheet(script):
    logits, objects = script.problem(2, 64)
    assert sorted(objects.unique().tolist()) == list(range(49))
    value, gradient = script.step(script.ours, logits, objects)
    other, slope = script.step(script.loop, logits, objects)
    torch.testing.assert_close(value, other)
    torch.testing.assert_close(gradient, slope, atol=1e-10, rtol=1e-4)
    rows = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 0], [2, 2, 2, 0]])[None]
    golden = script.loop(torch.arange(32.0).reshape(1, 2, 4, 4), rows)
    assert golden.item() == pytest.approx(1.965714286, abs=1e-6)  # O1


def test_their_class_runs_without_a_gpu_and_without_their_imports(script, tmp_path):
    folder = tmp_path / "SAM_RS"
    folder.mkdir()
    (folder / "utils.py").write_text(THEIRS, encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    loss, commit = script.authors(tmp_path)
    assert loss(torch.ones(1, 2, 3, 3), torch.zeros(1, 3, 3)) == 1
    assert len(commit) == 40
    with pytest.raises(FileNotFoundError, match=r"holds no SAM_RS/utils\.py: expected a checkout"):
        script.authors(tmp_path / "SAM_RS" / "nothing")


def test_measure(script):
    args = Namespace(authors=None, batch=1, size=32, rounds=2, smoke=True)
    rows = script.measure(args)
    assert list(rows) == ["loop", "ours"]
    assert rows["ours"]["times_ours"] == 1.0
    assert rows["loop"]["difference"] < 1e-6
    assert rows["loop"]["gradient_difference"] < 1e-9
    assert script.peak() > 50
