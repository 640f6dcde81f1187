"""Experiments with EarthGPT: a real language model against a tiny one, stages against their rivals.

    python -m scripts.experiments.earthgpt OUT               train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.earthgpt OUT --summarise   sum up to book/results/earthgpt_experiments.json
    python -m scripts.experiments.earthgpt OUT --list        print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM do not count. The plan is in plan.py,
one training in runs.py, the rules of the verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scripts.experiments.earthgpt import runs, verdicts
from scripts.experiments.earthgpt.plan import SEEDS, Run, plan
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "earthgpt_experiments.json", seeds=SEEDS, steps=None
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "image": runs.SIZE,
        "visual_tokens": runs.GRID**2,
        "batch": {f"{n} images": batch for n, batch in runs.BATCH.items()},
        "questions_of_a_dialogue": runs.TURNS,
        "steps": {f"{n} images": list(steps) for n, steps in runs.STEPS.items()},
        "learning_rates": {name: list(rates) for name, rates in runs.RATES.items()},
        "sensors_of_the_training": list(runs.TRAINED),
        "unseen_sensor": runs.UNSEEN,
        "test_images_per_sensor": runs.TEST_IMAGES,
        "tasks": list(runs.TASKS),
        "scores": runs.SCORE,
        "default_run": asdict(Run(0)),
    }


EXPERIMENT = Experiment(
    question="What do stages, weights and real linguistic knowledge do for a small EarthGPT?",
    data="synthetic scenes of mfnet_lite.world with dialogues, images of 96 px as seen by a camera, a radar and a "
    "thermal camera; trained on the first two",
    command="python -m scripts.experiments.earthgpt OUT",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "data", (options.steps,) * 3 if options.steps else None
    ),
    describe=lambda line: ", ".join(
        f"{name} {verdicts.read(line, f'all: home, {name}'):.3f}"
        for name in ("known", "other", "blank", "majority")
    ),
    settings=settings,
    summary=verdicts.summary,
    counts=lambda line, options: (
        line["steps"]
        == list((options.steps,) * 3 if options.steps else runs.STEPS[line["run"]["images"]])
    ),
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
