"""EarthGPT from end to end: dialogues in files, the stages of its training, answers and their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from mfnet_lite.language.instructions import Dialogue, Task, read_instructions
from mfnet_lite.language.scoring import TaskScores, score_answers
from mfnet_lite.language.tiny_llama import VOCABULARY, common_words
from mfnet_lite.nets.earthgpt import ANSWER_TOKENS, STAGES, EarthGPT, EarthGPTConfig, Example
from mfnet_lite.runs.dialogue_run import (
    DialogueRun,
    check_stages_before,
    load_dialogue_run,
    load_stage,
    note_stages_before,
    opened,
    run_base,
    stage_folder,
)
from mfnet_lite.runs.dialogue_samples import DialogueSamples, DialogueTraining
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.runs.run_config import CONFIG_FILE
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.state import STATE_FILE
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.devices import pick_device

__all__ = [
    "answer_dialogues",
    "dialogues_of_split",
    "new_run",
    "score_dialogues",
    "train_earthgpt",
    "vocabulary",
]

DIALOGUES_AT_ONCE = 16


def dialogues_of_split(
    folder: str | Path, split: str = "train", file: str = "instructions.json"
) -> tuple[Path, list[Dialogue]]:
    """Read the dialogues of a split.

    Args:
        folder: With ``{train,val,test}/instructions.json``, or one ``instructions.json`` that is every split.
        split: Which.
        file: Another file's name, such as that of the questions in other wordings.

    Returns:
        The folder that images are named relative to, and the dialogues.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be understood.
    """
    root = Path(folder)
    places = [place for place in (root / split, root) if (place / file).is_file()]
    if not places:
        raise FileNotFoundError(
            f"{root} holds neither {split}/{file} nor {file}: expected dialogues; write some with "
            "`mfnet-lite world instruct` or `mfnet-lite data convert`"
        )
    return places[0], read_instructions(places[0] / file)


def vocabulary(dialogues: Sequence[Dialogue]) -> tuple[str, ...]:
    """Choose the words that a tiny language model knows: those that the dialogues use most.

    Args:
        dialogues: Of the training.
    """
    texts = (t for d in dialogues for e in d.exchanges for t in (e.question, e.answer))
    return common_words(texts, VOCABULARY)


def new_run(
    dialogues: Sequence[Dialogue],
    network: EarthGPTConfig,
    stages: Mapping[int, TrainConfig],
    turns: int,
    seed: int = 0,
    **facts: Any,
) -> DialogueRun:
    """Write down a run before its first step.

    Args:
        dialogues: What it is trained on; a tiny language model gets their words.
        network: Options of the model.
        stages: How each stage is trained; one that is missing is left out.
        turns: Questions drawn of each dialogue in a step; 0 for all.
        seed: Of weights, samples and drawn questions.
        **facts: More of the fields of :class:`~mfnet_lite.runs.dialogue_run.DialogueRun`.

    Raises:
        ValueError: If no stage is to be trained.
    """
    if not stages:
        raise ValueError("expected at least one stage with a step, got none")
    if network.needs_text and network.words == EarthGPTConfig.words:
        network = replace(network, words=vocabulary(dialogues))
    settings = {str(number): asdict(stages[number]) for number in sorted(stages)}
    return DialogueRun(network.options(), settings, turns, seed, **facts)


def train_earthgpt(
    run: DialogueRun,
    dialogues: Sequence[Dialogue],
    root: str | Path,
    out: str | Path | None = None,
    *,
    first: tuple[Sequence[Dialogue], str | Path] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> tuple[EarthGPT, dict[int, dict[str, Any]]]:
    """Train stage after stage.

    Args:
        run: What is trained, and how.
        dialogues: The training split.
        root: Folder that their images are named relative to.
        out: Run folder; nothing is written without one.
        first: Other dialogues and their folder for stage 1, as in the paper, where they are about natural images.
        resume: Continue the run in ``out``: stages that have ended are loaded.
        progress: Whether to draw progress bars.

    Returns:
        The model in evaluation mode, and the summary of each stage.

    Raises:
        FileExistsError: If ``out`` holds a run and ``resume`` is off.
        FileNotFoundError: If an image is missing, or there is no run to resume.
        ValueError: If the run in ``out`` is another one, or an image cannot be read.
        KeyboardInterrupt: After Ctrl-C, once the state has been saved.
    """
    configs = {int(number): TrainConfig(**settings) for number, settings in run.stages.items()}
    device = pick_device(next(iter(configs.values())).device)
    model = opened(run, device)
    if not run.base:
        run = replace(run, base=run_base(run, model))
    folder = None if out is None else Path(out)
    if folder is not None:
        _settle(folder, run, resume)
    told = {2: (dialogues, root), 1: first or (dialogues, root), 0: (dialogues, None)}
    known: dict[tuple[int, Path], ImageFeatures] = {}
    summaries = {}
    for number, config in sorted(configs.items()):
        place = None if folder is None else stage_folder(folder, number)
        if place is not None and (place / "summary.json").is_file():
            load_stage(model, folder, number)  # type: ignore[arg-type]  # place is inside it
            summaries[number] = json.loads((place / "summary.json").read_text(encoding="utf-8"))
            continue
        said, images = told[number]
        features = None
        if images is not None:
            key = (id(said), Path(images))
            if key not in known:
                known[key] = ImageFeatures(model, images, said)
                known[key].compute(progress)
            features = known[key]
        going_on = place is not None and (place / STATE_FILE).is_file()
        if folder is not None:
            if going_on:
                check_stages_before(folder, number)
            else:
                note_stages_before(folder, number, run)
        model.start_stage(number)
        samples = DialogueSamples(said, run.turns, run.seed)
        summaries[number] = fit(
            DialogueTraining(model, said, features),
            samples,
            config=replace(config, progress=progress),
            out=place,
            loss=lambda value, _: value,
            resume=going_on,
        )
    return model.requires_grad_(False).eval(), summaries


def _settle(folder: Path, run: DialogueRun, resume: bool) -> None:
    """Write a new run's config, or compare that of the run to be continued."""
    if not resume:
        held = [folder / CONFIG_FILE, *(stage_folder(folder, number) for number in STAGES)]
        if any(path.exists() for path in held):
            raise FileExistsError(
                f"{folder} already holds a run; continue it with --resume, or choose another --out"
            )
        folder.mkdir(parents=True, exist_ok=True)
        run.save(folder)
        return
    before = load_dialogue_run(folder)
    check_same_stages(before, run, folder)
    differing = [
        name
        for name in ("options", "base", "content")
        if _plain(getattr(before, name)) != _plain(getattr(run, name))
    ]
    if differing:
        raise ValueError(
            f"cannot continue {folder}, which was begun with other {', '.join(differing)}: expected the same data and "
            "options; give them, or choose another --out"
        )


def check_same_stages(old: DialogueRun, new: DialogueRun, out: Path) -> None:
    """Refuse to resume with other settings of a training, also of a stage that has ended or not begun.

    Args:
        old: The run in the folder.
        new: The one that is asked for.
        out: The folder, for the message.

    Raises:
        ValueError: Naming what differs.
    """
    stages = {each: ", ".join(sorted(run.stages)) for each, run in (("was", old), ("is", new))}
    pairs = {
        "turns": (old.turns, new.turns),
        "seed": (old.seed, new.seed),
        "stages": (stages["was"], stages["is"]),
    }
    for name, (was, now) in pairs.items():
        if was != now:
            raise ValueError(
                f"cannot resume {out} under other settings: {name} was {was} and is now {now}; "
                "give the old ones or choose another --out"
            )
    for number, settings in new.stages.items():
        try:
            TrainConfig(**settings).check_resumes(old.stages[number])
        except ValueError as error:
            raise ValueError(f"stage {number} of {out}: {error}") from error


def _plain(value: Any) -> Any:
    """As JSON keeps it."""
    return json.loads(json.dumps(value))


def answer_dialogues(
    model: EarthGPT,
    dialogues: Sequence[Dialogue],
    features: ImageFeatures,
    *,
    max_new_tokens: int = ANSWER_TOKENS,
    progress: bool = True,
) -> list[list[str]]:
    """Answer every question of dialogues, each alone: no other question or answer is seen.

    Args:
        model: The model.
        dialogues: The questions.
        features: Of their images.
        max_new_tokens: Tokens of an answer at most.
        progress: Whether to draw a progress bar.

    Returns:
        Answers by dialogue.

    Raises:
        ValueError: If the features are those of other images.
    """
    if features.files != [dialogue.image for dialogue in dialogues]:
        raise ValueError(
            f"the features of {counted(len(features), 'image')} are not those of "
            f"{counted(len(dialogues), 'dialogue')}: expected one for each, in their order; make ImageFeatures "
            "of these dialogues"
        )
    answers: list[list[str]] = []
    steps = range(0, len(dialogues), DIALOGUES_AT_ONCE)
    for begin in tqdm(steps, desc="answers", unit="batch", disable=not progress):
        some = dialogues[begin : begin + DIALOGUES_AT_ONCE]
        images = features.of(range(begin, begin + len(some)))
        asked = [
            Example([(exchange.question, None)], (image,))
            for dialogue, image in zip(some, images, strict=True)
            for exchange in dialogue.exchanges
        ]
        said = iter(model.answer(asked, max_new_tokens))
        answers += [[next(said) for _ in dialogue.exchanges] for dialogue in some]
    return answers


def score_dialogues(
    dialogues: Sequence[Dialogue],
    answers: Sequence[Sequence[str]],
    corpus: Sequence[Dialogue] = (),
) -> dict[str, dict[Task, TaskScores]]:
    """Score answers, over all and sensor by sensor.

    Args:
        dialogues: What was asked.
        answers: What was answered.
        corpus: Dialogues whose captions weigh n-grams in CIDEr, such as those of the training split.

    Returns:
        ``"all"`` and each sensor → scores by task.
    """
    sensors = list(dict.fromkeys(dialogue.sensor for dialogue in dialogues))
    found = {"all": score_answers(dialogues, answers, corpus)}
    for sensor in sensors if len(sensors) > 1 else ():
        own = [k for k, dialogue in enumerate(dialogues) if dialogue.sensor == sensor]
        weigh = [d for d in corpus if d.sensor == sensor]
        found[sensor] = score_answers([dialogues[k] for k in own], [answers[k] for k in own], weigh)
    return found
