"""Experiments with MFuser on small encoders: many short trainings, one line of results each.

    python -m scripts.experiments.mfuser OUT --real FOLDER   train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.mfuser OUT --summarise     sum up to book/results/mfuser_experiments.json
    python -m scripts.experiments.mfuser OUT --list          print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM or of the small vision-language pair
or another number of steps do not count. FOLDER holds real tiles of Vaihingen, LoveDA and IGN; what is not there is
not scored. The plan is in plan.py, one training in runs.py, the real tiles in real_tiles.py, the rules of the
verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mfnet_lite.nets.encoders.tiny_pair import tiny_pair_hash
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment
from scripts.experiments.mfuser import runs, verdicts
from scripts.experiments.mfuser.plan import RATES, SEEDS, TUNING_SEEDS, Run, plan
from scripts.experiments.mfuser.real_tiles import TILES
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "mfuser_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
    real_option="--real",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZE,
        "batch": runs.BATCH,
        "steps": runs.STEPS,
        "learning_rates": RATES,
        "chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": runs.WEIGHT_DECAY,
        "training_scenes": runs.SCENES,
        "test_scenes_per_domain": runs.TEST_SCENES,
        "ambiguity": runs.AMBIGUITY,
        "domains": {name: dict(seen) for name, seen in runs.DOMAINS.items()},
        "unseen_words": dict(zip(("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter"),
                                 [words[0] for words in runs.SYNONYMS], strict=True)),
        "real_tiles": {name: asdict(tiles) for name, tiles in TILES.items()},
        "default_run": asdict(Run(0)),
        "score": "mIoU over five classes, clutter left out, one confusion matrix over all test scenes of a "
        "domain; on real tiles over the classes that both sides have",
    }  # fmt: skip


EXPERIMENT = Experiment(
    question="Does what a vision model and a vision-language pair see together generalise?",
    data="synthetic scenes of mfnet_lite.world: trained on clear summer scenes of one camera, tested there, in haze, "
    "at night, with another camera, in winter; and on one real tile each of ISPRS Vaihingen and LoveDA (its middle) "
    "and two of IGN, all resampled to the world's pixels",
    command="python -m scripts.experiments.mfuser OUT --real FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "scenes", options.real, options.steps or runs.STEPS
    ),
    describe=lambda line: (
        f"clear {line['scores']['clear']['mIoU']:.3f}, elsewhere "
        f"{verdicts.read(line, 'elsewhere'):.3f}"
    ),
    settings=settings,
    summary=verdicts.summary,
    counts=lambda line, options: line["steps"] == (options.steps or runs.STEPS),
    marks=lambda options: {"pair_sha256": tiny_pair_hash()},
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
