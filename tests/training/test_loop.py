"""The loop: it learns, it resumes to the last bit, it leaves cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from mfnet_lite.training import TrainConfig, fit, load_model
from mfnet_lite.training.log import read_log
from mfnet_lite.training.optim import build_optimizer
from mfnet_lite.training.state import MODEL_FILE, load_state

CONFIG = TrainConfig(
    steps=6, batch=2, lr=0.01, warmup=2, device="cpu", progress=False, log_every=1, save_every=3
)


class Stripes:
    """Random images whose class is whether the value exceeds one half."""

    def __init__(self, length: int = 5, size: int = 8) -> None:
        self.length, self.size = length, size
        self.seen: list[int] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.seen.append(index)
        generator = torch.Generator().manual_seed(index)
        optical = torch.rand(3, self.size, self.size, generator=generator)
        return {"optical": optical, "label": (optical[0] > 0.5).long()}


class Net(nn.Module):
    """A frozen part, batch norm and dropout: everything a resume can get wrong."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.frozen = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).requires_grad_(False)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Conv2d(8, 2, 1)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.body(self.frozen(sample["optical"])))


def make(dropout: float = 0.2) -> Net:
    torch.manual_seed(0)
    return Net(dropout)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class KilledError(Exception):
    pass


class KilledAt(Stripes):
    """Fails when the n-th sample is read."""

    def __init__(self, reads: int) -> None:
        super().__init__()
        self.reads = reads

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if len(self.seen) == self.reads:
            raise KilledError
        return super().__getitem__(index)


def test_six_steps_equal_three_and_three(tmp_path):
    straight, broken, resumed = make(), make(), make()
    train = Stripes()
    fit(straight, train, Stripes(2), CONFIG, tmp_path / "a")
    with pytest.raises(KilledError):
        fit(broken, KilledAt(reads=9), Stripes(2), CONFIG, tmp_path / "b")  # in step 5
    assert load_state(tmp_path / "b" / "state.pt")["progress"]["step"] == 3
    again = Stripes()
    fit(resumed, again, Stripes(2), CONFIG, tmp_path / "b", resume=True)
    assert same(straight, resumed)
    assert again.seen == train.seen[6:]
    a, b = (read_log(tmp_path / run / "log.csv") for run in "ab")
    for row in (*a, *b):
        row.pop("seconds")
    assert a == b
    files = [(tmp_path / run / "model.safetensors").read_bytes() for run in "ab"]
    assert files[0] == files[1]


def test_accumulation_is_a_larger_batch():
    big, small = make(0.0), make(0.0)
    for net in (big, small):
        net.body[1].eval()  # batch statistics would differ by construction
        net.body[1].train = lambda mode=True, bn=net.body[1]: bn  # type: ignore[method-assign]
    config = replace(CONFIG, steps=3, clip=0.0, optimizer="sgd")
    fit(big, Stripes(4), config=replace(config, batch=4))
    fit(small, Stripes(4), config=replace(config, batch=2, accumulate=2))
    for a, b in zip(big.parameters(), small.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert not same(big, make(0.0))


def test_it_learns_and_writes_what_it_promises(tmp_path):
    net = make(0.0)
    before = {k: v.clone() for k, v in net.frozen.state_dict().items()}
    config = replace(CONFIG, steps=60, lr=0.05, log_every=10, evaluate_every=30)
    summary = fit(net, Stripes(20), Stripes(3), config, tmp_path)
    assert summary["val"]["OA"] > 0.9
    assert summary["steps"] == 60
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    log = read_log(tmp_path / "log.csv")
    assert [int(row["step"]) for row in log] == [10, 20, 30, 40, 50, 60]
    assert [bool(row["val_mIoU"]) for row in log] == [False, False, True, False, False, True]
    assert float(log[-1]["loss"]) < 0.5 * float(log[0]["loss"])
    assert all(torch.equal(before[k], v) for k, v in net.frozen.state_dict().items())
    fresh = make(0.0)
    load_model(fresh, tmp_path / "model.safetensors")
    assert same(fresh, net)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "log.csv",
        "model.safetensors",
        "state.pt",
        "summary.json",
    ]


def test_best_weights_are_kept(tmp_path):
    config = replace(CONFIG, steps=4, lr=1e-9, warmup=0, evaluate_every=1, keep="best")
    summary = fit(make(0.0), Stripes(), Stripes(2), config, tmp_path)
    assert summary["kept"] == "best"
    assert summary["best_step"] >= 1
    scores = [float(row["val_mIoU"]) for row in read_log(tmp_path / "log.csv")]
    assert summary["best_val_mIoU"] == pytest.approx(max(scores), abs=1e-6)
    assert scores.index(max(scores)) + 1 == summary["best_step"]


@pytest.mark.parametrize("asked", [{"keep": "best"}, {"evaluate_every": 2}])
def test_what_needs_validation_is_refused_without(tmp_path, asked):
    with pytest.raises(ValueError, match=r"needs validation tiles, found none: hold some out"):
        fit(make(0.0), Stripes(), config=replace(CONFIG, **asked), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_best_score_the_last_weights_are_kept_and_said_to_be(tmp_path):
    class OneClass(Stripes):
        """All of one class, so that a mean of 100 % would tell nothing."""

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample | {"label": torch.zeros_like(sample["label"])}

    config = replace(CONFIG, steps=2, evaluate_every=1, keep="best")
    summary = fit(make(0.0), Stripes(), OneClass(2), config, tmp_path)
    assert (summary["best_step"], summary["kept"]) == (0, "last")


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(make(), Stripes(), config=replace(CONFIG, steps=1))
    assert list(tmp_path.iterdir()) == []


def test_the_callers_random_stream_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(Net(), Stripes(), config=replace(CONFIG, steps=1))
    torch.manual_seed(5)
    net = Net()
    torch.manual_seed(5)
    fit(net, Stripes(), config=replace(CONFIG, steps=1))
    assert torch.equal(torch.rand(1), expected)


def test_ctrl_c_saves_and_the_run_continues_to_the_last_bit(tmp_path):
    class Interrupted(Stripes):
        def __getitem__(self, index):
            if len(self.seen) == 3:  # in the middle of step 2
                os.kill(os.getpid(), signal.SIGINT)
            return super().__getitem__(index)

    config = replace(CONFIG, save_every=100)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after step 2 of 6"):
        fit(make(), Interrupted(), config=config, out=tmp_path)
    assert signal.getsignal(signal.SIGINT) is before
    resumed, straight = make(), make()
    fit(resumed, Stripes(), config=config, out=tmp_path, resume=True)
    fit(straight, Stripes(), config=config)
    assert same(resumed, straight)


SCRIPT = """
import sys, time
sys.path.insert(0, {folder!r})
import test_loop as t
class Slow(t.Stripes):
    def __getitem__(self, index):
        # It must not end before it is killed, however late that is: step 200 lasts longer than the test.
        time.sleep(0.02 if len(self.seen) < 2 * 200 else 600)
        return super().__getitem__(index)
config = t.replace(t.CONFIG, steps=400, save_every=1, log_every=1)
t.fit(t.make(), Slow(), config=config, out=sys.argv[1])
"""


@pytest.mark.slow
def test_kill_at_any_moment_leaves_a_run_that_resumes(tmp_path):
    script = textwrap.dedent(SCRIPT).format(folder=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as process:
        state = tmp_path / "state.pt"
        try:
            while not state.exists():
                assert process.poll() is None, "the training ended by itself"
                time.sleep(0.05)
            time.sleep(0.3)
            assert process.poll() is None, "the training ended by itself"
        finally:
            process.kill()
    step = load_state(state)["progress"]["step"]
    assert 1 <= step < 400
    config = replace(CONFIG, steps=400, save_every=1000, log_every=1)
    resumed, straight = make(), make()
    fit(resumed, Stripes(), config=config, out=tmp_path, resume=True)
    fit(straight, Stripes(), config=config)
    assert same(resumed, straight)
    assert [int(row["step"]) for row in read_log(tmp_path / "log.csv")] == list(range(1, 401))


def test_workers_change_nothing():
    alone, helped = make(), make()
    fit(alone, Stripes(), config=replace(CONFIG, steps=2))
    fit(helped, Stripes(), config=replace(CONFIG, steps=2, workers=1))
    assert same(alone, helped)


def test_faults_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        fit(make(), Stripes(), config=CONFIG, out=tmp_path, resume=True)
    with pytest.raises(ValueError, match="folder of the run"):
        fit(make(), Stripes(), config=CONFIG, resume=True)
    fit(make(), Stripes(), config=CONFIG, out=tmp_path)
    with pytest.raises(FileExistsError, match="already holds a run"):
        fit(make(), Stripes(), config=CONFIG, out=tmp_path)
    with pytest.raises(ValueError, match=r"lr was 0\.01 and is now 0\.02"):
        fit(make(), Stripes(), config=replace(CONFIG, lr=0.02), out=tmp_path, resume=True)
    with pytest.raises(ValueError, match="no trainable parameter"):
        fit(make().requires_grad_(False), Stripes(), config=CONFIG)
    with pytest.raises(ValueError, match="training set is empty"):
        fit(make(), Stripes(0), config=CONFIG)


def test_a_device_that_is_not_here_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        fit(make(), Stripes(), None, TrainConfig(device="gpu"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nan_ends_the_run_with_advice():
    with pytest.raises(FloatingPointError, match="step 1; lower lr"):
        fit(make(), Stripes(), config=CONFIG, loss=lambda out, batch: out.sum() * float("nan"))


def spoils(after: int, how: str):
    """A loss that is no number, or has no finite gradient, from some step on."""
    steps = iter(range(100))

    def loss(out, batch):
        value = out.square().mean()
        if next(steps) < after:
            return value
        return value * float("nan") if how == "loss" else (value - value.detach()).abs().sqrt()

    return loss


@pytest.mark.parametrize("how", ["loss", "norm of the gradient"])
def test_a_run_that_diverges_keeps_its_last_good_state(tmp_path, how):
    config = replace(CONFIG, steps=9, save_every=2, log_every=100)
    with pytest.raises(FloatingPointError, match=rf"the {how} became \w+ at step 6; lower lr"):
        fit(make(), Stripes(), config=config, out=tmp_path, loss=spoils(5, how))
    assert load_state(tmp_path / "state.pt")["progress"]["step"] == 4
    assert all(value.isfinite().all() for value in load_file(tmp_path / MODEL_FILE).values())


@pytest.mark.parametrize("keep", ["last", "best"])
def test_weights_that_a_step_has_spoilt_are_neither_scored_nor_saved(tmp_path, keep):
    config = replace(CONFIG, steps=8, save_every=2, evaluate_every=2, keep=keep)
    steps = iter(range(1, 100))

    def spoil(optimizer, *_):
        if next(steps) == 4:
            optimizer.param_groups[0]["params"][0].detach().fill_(float("inf"))

    hook = register_optimizer_step_post_hook(spoil)
    try:
        with pytest.raises(FloatingPointError, match="weights became infinite or NaN at step 4"):
            fit(make(), Stripes(), Stripes(1), config, tmp_path)
    finally:
        hook.remove()
    assert load_state(tmp_path / "state.pt")["progress"]["step"] == 2
    assert all(value.isfinite().all() for value in load_file(tmp_path / MODEL_FILE).values())


def test_config_rejects_what_cannot_work():
    for wrong in (
        {"steps": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"clip": -1.0},
        {"optimizer": "adam"},
        {"schedule": "step"},
        {"precision": "16-mixed"},
        {"keep": "first"},
        {"seed": -1},
        {"seed": 2**63},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TrainConfig(**wrong)


def test_authors_recipe():
    config = TrainConfig.authors(batch=4)
    assert (config.steps, config.batch, config.lr, config.weight_decay) == (50_000, 4, 0.01, 5e-4)
    optimizer = build_optimizer(make(), config)
    assert isinstance(optimizer, torch.optim.SGD)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [5e-4]


def test_biases_and_norms_are_not_decayed():
    groups = build_optimizer(make(), CONFIG).param_groups
    assert [g["weight_decay"] for g in groups] == [0.01, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])


def test_the_schedule_keeps_the_ratio_of_the_rates():
    """Plain gradient descent of one step: ten times the rate, ten times the way."""

    class Mixed(Net):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Parameter(torch.tensor([0.5, 0.5]))

        def forward(self, sample: dict[str, torch.Tensor]) -> torch.Tensor:
            return super().forward(sample) * self.mix[:, None, None]

    ways = []
    for times in (1, 10):
        torch.manual_seed(0)
        net = Mixed()
        config = replace(CONFIG, steps=1, clip=0.0, optimizer="sgd", momentum=0.0, mixing_lr=times)
        fit(net, Stripes(4), config=config)
        ways.append(((net.mix - 0.5).tolist(), net.head.bias.tolist()))
    (slow, bias), (fast, same_bias) = ways
    assert max(map(abs, slow)) > 1e-5
    assert fast == pytest.approx([10 * way for way in slow], rel=1e-3)
    assert bias == same_bias


def test_a_run_of_before_mixing_weights_had_a_rate_goes_on(tmp_path):
    straight, resumed = make(), make()
    fit(straight, Stripes(), None, CONFIG, tmp_path / "a")
    with pytest.raises(KilledError):
        fit(make(), KilledAt(reads=9), None, CONFIG, tmp_path / "b")
    state = load_state(tmp_path / "b" / "state.pt")
    del state["config"]["mixing_lr"]
    for group in state["optimizer"]["param_groups"]:
        del group["times_lr"]
    torch.save(state, tmp_path / "b" / "state.pt")
    fit(resumed, Stripes(), None, CONFIG, tmp_path / "b", resume=True)
    assert same(straight, resumed)


def test_statistics_of_frozen_layers_stay(tmp_path):
    """A frozen encoder is the one that was loaded, also after training beside it."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4)).requires_grad_(
                False
            )
            self.head = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))

        def forward(self, sample):
            return self.head(self.encoder(sample["optical"]))

    torch.manual_seed(0)
    net = Net()
    frozen = {name: value.clone() for name, value in net.encoder.state_dict().items()}
    trained = net.head[0].running_mean.clone()
    samples = [
        {"optical": torch.rand(1, 8, 8), "label": torch.randint(2, (8, 8))} for _ in range(4)
    ]
    config = TrainConfig(steps=3, batch=2, device="cpu", progress=False)
    fit(net, samples, None, config, tmp_path)
    assert all(torch.equal(value, frozen[name]) for name, value in net.encoder.state_dict().items())
    assert not torch.equal(trained, net.head[0].running_mean)
