"""Trainings of both precisions are compared seed by seed, and made once."""

import json

import pytest

from scripts.benchmarks import mfnet_precision
from scripts.benchmarks.common import RESULTS, ROOT
from scripts.benchmarks.mfnet_precision import main, missing, summary


def line(seed: int, precision: str, value: float, steps: int = 10) -> dict:
    return {"seed": seed, "precision": precision, "steps": steps, "mIoU": value}


def test_differences_are_taken_within_a_seed():
    lines = [
        line(0, "32-true", 0.40), line(0, "bf16-mixed", 0.41),
        line(1, "32-true", 0.60), line(1, "bf16-mixed", 0.60),
        line(2, "32-true", 0.50), line(2, "bf16-mixed", 0.52),
        line(3, "32-true", 0.10), line(0, "bf16-mixed", 0.99, steps=20),
    ]  # fmt: skip
    found = summary(lines, 10)
    # 0.01, 0 and 0.02: a mean of 0.01, a deviation of 0.01, and t = 4.3027 with two degrees of freedom
    assert found["bf16-mixed less 32-true"] == {
        "mean": 0.01,
        "interval": [pytest.approx(-0.01484, abs=1e-5), pytest.approx(0.03484, abs=1e-5)],
        "seeds": 3,
    }
    assert found["mIoU"]["32-true"]["3"] == 0.1


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    trained = []

    def train(run, root, steps, rate, precision):
        if len(trained) == 3 and not (tmp_path / "again").exists():
            (tmp_path / "again").touch()
            raise KeyboardInterrupt
        trained.append((run.seed, precision))
        return {"scores": {"mIoU": 0.5 + 0.1 * run.seed + 0.01 * (precision == "bf16-mixed")}}

    monkeypatch.setattr(mfnet_precision, "train_world", train)
    words = [
        str(tmp_path),
        "--seeds",
        "0",
        "1",
        "--steps",
        "4",
        "--result",
        str(tmp_path / "r.json"),
    ]
    with pytest.raises(KeyboardInterrupt):
        main(words)
    assert missing(tmp_path, (0, 1), 4) == [(1, "bf16-mixed")]
    main(words)
    assert trained == [(s, p) for s in (0, 1) for p in ("32-true", "bf16-mixed")]
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["bf16-mixed less 32-true"]["mean"] == 0.01
    assert record["setting"]["steps"] == 4


def test_the_page_of_costs_says_what_the_record_holds():
    record = json.loads((RESULTS / "mfnet_precision.json").read_text(encoding="utf-8"))
    found = record["bf16-mixed less 32-true"]
    low, high = found["interval"]
    said = f"{100 * found['mean']:+.1f} points of mIoU ({100 * low:+.1f} to {100 * high:+.1f}"
    page = (ROOT / "book" / "costs.md").read_text(encoding="utf-8")
    assert said.replace("-", "−") in page
    assert found["seeds"] == 3  # "three short trainings"
