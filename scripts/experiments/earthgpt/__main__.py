"""Experiments with EarthGPT: stages against their rivals, a real language model against a tiny one.

    python -m scripts.experiments.earthgpt OUT --pretrained FOLDER   train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.earthgpt OUT --summarise   sum up to book/results/earthgpt_experiments.json
    python -m scripts.experiments.earthgpt OUT --list        print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM or of the small EarthGPT do not
count. FOLDER holds the run folders tiny and smollm2 that scripts/pretraining/earthgpt.py trained; what begins with one
that is not there is left out. The plan is in plan.py,
one training in runs.py, the rules of the verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mfnet_lite.nets.earthgpt_weights import tiny_earthgpt_hash
from scripts.experiments.earthgpt import runs, verdicts
from scripts.experiments.earthgpt.plan import SEEDS, Run, plan
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "earthgpt_experiments.json",
    seeds=SEEDS,
    steps=None,
    real_option="--pretrained",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "image": runs.SIZE,
        "batch": runs.BATCH,
        "questions_of_a_dialogue": runs.TURNS,
        "steps": {f"{n} images": steps for n, steps in runs.STEPS.items()},
        "steps_without_having_seen_an_image": runs.BLIND_STEPS,
        "learning_rates": runs.RATES,
        "sensors_of_the_training": list(runs.TRAINED),
        "unseen_sensor": runs.UNSEEN,
        "test_images_per_sensor": runs.TEST_IMAGES,
        "tasks": list(runs.TASKS),
        "scores": runs.SCORE,
        "default_run": asdict(Run(0)),
    }


def wanted_steps(run: dict[str, Any], steps: int | None) -> int:
    """Return the steps that a line of results must have been trained for."""
    planned = Run(**run)
    if planned.tuning == "none":
        return 0
    return steps or (runs.BLIND_STEPS if planned.blind else runs.STEPS[planned.images])


EXPERIMENT = Experiment(
    question="What do stages, weights and real linguistic knowledge do for a small EarthGPT?",
    data="synthetic scenes of mfnet_lite.world with dialogues, images of 96 px as seen by a camera, a radar and a "
    "thermal camera; trained on the first two",
    command="python -m scripts.experiments.earthgpt OUT --pretrained FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "data", options.real, options.steps
    ),
    describe=lambda line: ", ".join(
        f"{name} {verdicts.read(line, f'all: home, {name}'):.3f}"
        for name in ("known", "other", "blank", "majority")
    ),
    settings=settings,
    summary=verdicts.summary,
    counts=lambda line, options: line["steps"] == wanted_steps(line["run"], options.steps),
    marks=lambda options: {"earthgpt_sha256": tiny_earthgpt_hash()},
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
