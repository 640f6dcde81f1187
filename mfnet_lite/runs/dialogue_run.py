"""What ``config.json`` of a run of EarthGPT says, and the model rebuilt from its folder.

::

    config.json                                what was built, and on what it is trained
    stage0/ stage1/ stage2/                    one training each: model.safetensors, state.pt, log.csv, summary.json

A stage's ``model.safetensors`` holds what the stage trained and nothing else: of the second one a few thousand numbers.
They mean something beside the weights they were trained on alone, so ``before.json`` keeps the SHA-256 of the files of
the stages before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mfnet_lite.nets.earthgpt import STAGES, EarthGPT, EarthGPTConfig
from mfnet_lite.nets.registry import make_config
from mfnet_lite.runs.run_config import CONFIG_FILE
from mfnet_lite.training.state import MODEL_FILE, load_model
from mfnet_lite.tuning.bookkeeping import base_tensors
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.hashes import hash_tensors, sha256_of
from mfnet_lite.utils.typed_fields import check_fields

__all__ = [
    "DialogueRun",
    "holds_dialogue_run",
    "load_dialogue_run",
    "load_earthgpt",
    "stage_folder",
]

NAME = "earthgpt"
BEFORE_FILE = "before.json"


@dataclass(frozen=True)
class DialogueRun:
    """What ``config.json`` holds.

    Attributes:
        options: Options of :class:`~mfnet_lite.nets.earthgpt.EarthGPTConfig`.
        stages: Settings of each stage that is trained, by its number as text; see ``TrainConfig``.
        turns: Questions drawn of each dialogue in a step; 0 for all.
        seed: Of weights, samples and drawn questions.
        dataset: What it is trained on: files, dialogues of each, sensors.
        versions: Of Python and the libraries.
        base: SHA-256 of what no stage saves whole of encoders and language model, see :func:`run_base`.
        content: A hash of each file of dialogues and of each image.
    """

    options: dict[str, Any]
    stages: dict[str, dict[str, Any]]
    turns: int
    seed: int = 0
    dataset: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    base: str = ""
    content: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers of the stages."""
        unknown = [number for number in self.stages if number not in map(str, STAGES)]
        if unknown:
            raise ValueError(f"expected stages 0, 1 and 2, got {', '.join(unknown)}")

    @property
    def network(self) -> EarthGPTConfig:
        """The config of the model."""
        config = make_config(NAME, self.options)
        assert isinstance(config, EarthGPTConfig)
        return config

    def save(self, folder: Path) -> None:
        """Write ``config.json`` atomically."""
        text = json.dumps({"model": NAME} | asdict(self), indent=1) + "\n"
        write_text(folder / CONFIG_FILE, text)


def stage_folder(run: str | Path, stage: int) -> Path:
    """Return the folder of a stage."""
    return Path(run) / f"stage{stage}"


def summary_of(run: str | Path, stage: int) -> dict[str, Any] | None:
    """Read how a stage went.

    Args:
        run: The run's folder.
        stage: The stage.

    Returns:
        What :func:`~mfnet_lite.training.fit` returned; None before its end.

    Raises:
        ValueError: If the file cannot be understood.
    """
    path = stage_folder(run, stage) / "summary.json"
    return _content(path) if path.is_file() else None


def holds_dialogue_run(folder: str | Path) -> bool:
    """Say whether a folder is a run of EarthGPT.

    Args:
        folder: Any folder.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        return path.is_file() and _content(path).get("model") == NAME
    except ValueError:
        return False  # whoever reads it will say so


def load_dialogue_run(folder: str | Path) -> DialogueRun:
    """Read ``config.json`` of a run of EarthGPT.

    Args:
        folder: The run.

    Raises:
        FileNotFoundError: If the folder is no run.
        ValueError: If it is a run of another network, or the file cannot be understood.
    """
    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: expected the folder that `mfnet-lite train … --model {NAME} --out` wrote"
        )
    content = _content(path)
    name = content.pop("model", None)
    if name != NAME:
        raise ValueError(
            f"{folder} holds the network {name}, which answers no questions: expected a run of {NAME}; use "
            f"mfnet-lite predict or evaluate with it, or train with --model {NAME}"
        )
    known = {f.name for f in fields(DialogueRun)}
    try:
        check_fields(DialogueRun, content)
        run = DialogueRun(**{key: value for key, value in content.items() if key in known})
        make_config(NAME, run.options)
        return run
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not the config of a run ({error}); train again") from error


def _content(path: Path) -> dict[str, Any]:
    """The object of a JSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not the config of a run ({error}); train again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not the config of a run: expected an object; train again")
    return content


def opened(run: DialogueRun, device: str | torch.device = "cpu") -> EarthGPT:
    """Build the model of a run before its first stage.

    Args:
        run: The run.
        device: Where it goes.

    Raises:
        ValueError: If encoders or language model are others than those of the training.
    """
    model = run.network.open(run.seed, device)
    if run.base and (found := run_base(run, model)) != run.base:
        raise ValueError(
            f"the run was trained on other weights of {run.network.backbone}, {run.network.cnn} or "
            f"{run.network.language}: expected SHA-256 {run.base[:12]}…, found {found[:12]}…; give the files it was "
            "trained with, or train again"
        )
    return model


def run_base(run: DialogueRun, model: EarthGPT) -> str:
    """Hash the weights that no stage of a run saves whole.

    Stage 0 saves the language model, stage 1 the projection. Where they begin is drawn from a seed, and differs in the
    last digit from one kind of processor to another: that must not shut out whoever loads what was learned.

    Args:
        run: The run.
        model: Before its first stage.

    Returns:
        SHA-256 as 64 hexadecimal digits.
    """
    saved = {"0": "language.", "1": "perception.projection."}
    begins = tuple(start for stage, start in saved.items() if stage in run.stages)
    kept = base_tensors(model, ())
    return hash_tensors(
        {name: value for name, value in kept.items() if not name.startswith(begins)}
    )


class Holder(nn.Module):
    """Names weights as the training does, which holds the model as ``model``.

    Args:
        model: The model.
    """

    def __init__(self, model: EarthGPT) -> None:
        super().__init__()
        self.model = model


def load_stage(model: EarthGPT, run: str | Path, stage: int) -> None:
    """Start a stage and fill in what it trained.

    Args:
        model: After the stages before.
        run: The run's folder.
        stage: The stage.

    Raises:
        FileNotFoundError: If its weights are not there.
        ValueError: If they do not fit, the file is damaged, or a stage before it is another one.
    """
    path = stage_folder(run, stage) / MODEL_FILE
    check_stages_before(run, stage)
    model.start_stage(stage)
    load_model(Holder(model), path)


def check_stages_before(run: str | Path, stage: int) -> None:
    """Compare the files of the stages before with those that a stage was trained on, as far as that was noted.

    Args:
        run: The run's folder.
        stage: The stage.

    Raises:
        ValueError: If one is missing or another one.
    """
    note = stage_folder(run, stage) / BEFORE_FILE
    for number, expected in (_content(note) if note.is_file() else {}).items():
        earlier = stage_folder(run, int(number)) / MODEL_FILE
        if not earlier.is_file() or sha256_of(earlier) != expected:
            raise ValueError(
                f"{stage_folder(run, stage)} was trained on another {earlier}: expected SHA-256 {str(expected)[:12]}…; "
                "copy all stages from the same run, or train again"
            )


def note_stages_before(folder: Path, stage: int, run: DialogueRun) -> None:
    """Write down what a stage is trained on: the files of the stages before it.

    Args:
        folder: The run's folder.
        stage: The stage that begins, or goes on.
        run: The run.
    """
    earlier = [int(number) for number in run.stages if int(number) < stage]
    files = {str(n): sha256_of(stage_folder(folder, n) / MODEL_FILE) for n in sorted(earlier)}
    write_text(stage_folder(folder, stage) / BEFORE_FILE, json.dumps(files, indent=1) + "\n")


def load_earthgpt(
    folder: str | Path, device: str | torch.device = "cpu", stage: int | None = None
) -> tuple[DialogueRun, EarthGPT]:
    """Rebuild the model of a run, in evaluation mode.

    Args:
        folder: The run.
        device: Where it goes.
        stage: The last stage to load; None for the last one trained.

    Returns:
        Config and model.

    Raises:
        FileNotFoundError: If the folder is no run, or a stage's weights are missing.
        ValueError: If it is a run of another network, the weights do not fit, or encoders or language model are
            others than those of the training.
    """
    run = load_dialogue_run(folder)
    stages = sorted(int(n) for n in run.stages if stage is None or int(n) <= stage)
    unfinished = [n for n in stages if not (stage_folder(folder, n) / MODEL_FILE).is_file()]
    if unfinished:
        raise FileNotFoundError(
            f"{stage_folder(folder, unfinished[0])} holds no {MODEL_FILE}: the training has not come that far; "
            "continue it with --resume"
        )
    model = opened(run, device)
    for number in stages:
        load_stage(model, folder, number)
    return run, model.requires_grad_(False).eval()
