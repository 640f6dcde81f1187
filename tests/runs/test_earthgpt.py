"""EarthGPT from end to end: stages, interruptions, answers and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mfnet_lite.language.instructions import Dialogue, Exchange, write_instructions
from mfnet_lite.language.tiny_llama import WORDS
from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig, Example
from mfnet_lite.runs import earthgpt as runs
from mfnet_lite.runs.dialogue_run import load_earthgpt
from mfnet_lite.runs.earthgpt import (
    answer_dialogues,
    dialogues_of_split,
    new_run,
    score_dialogues,
    train_earthgpt,
    vocabulary,
)
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.utils.hashes import hash_tensors
from tests.nets.small_earthgpt import write_dialogues
from tests.runs.small_dialogue_runs import STEPS, settings, shrink, small_run

pytest.importorskip("transformers")

Data = tuple[Path, list[Dialogue]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root = tmp_path_factory.mktemp("images")
    return root, write_dialogues(root)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        yield


@pytest.fixture(scope="module")
def undisturbed(data: Data) -> str:
    """Digest of all weights after all stages."""
    return digest(trained(data))


def trained(data: Data, out: Path | None = None, **options: Any) -> EarthGPT:
    run = options.pop("run", None) or small_run(data[1])
    return train_earthgpt(run, data[1], data[0], out, progress=False, **options)[0]


def digest(model: EarthGPT) -> str:
    return hash_tensors(model.state_dict())


class HaltError(Exception):
    """Stands for a machine that goes down."""


def halt(patch: pytest.MonkeyPatch, stage: int, step: int) -> None:
    """Let the training break off in a stage, before the end of a step."""
    usual = EarthGPT.loss
    counts: dict[int, int] = {}

    def loss(self: EarthGPT, *args: Any, **kwargs: Any) -> torch.Tensor:
        assert self.stage is not None
        counts[self.stage] = counts.get(self.stage, 0) + 1
        if (self.stage, counts[self.stage]) == (stage, step):
            raise HaltError
        return usual(self, *args, **kwargs)

    patch.setattr(EarthGPT, "loss", loss)


# --- training


def test_stages_one_after_the_other(data: Data, tmp_path: Path, undisturbed: str) -> None:
    run = small_run(data[1])
    model, summaries = train_earthgpt(run, data[1], data[0], tmp_path / "run", progress=False)
    assert {number: s["steps"] for number, s in summaries.items()} == STEPS
    assert model.stage == 2
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    # as many as stand there, whether something is written or not
    assert digest(model) == undisturbed
    language = model.language.network
    assert summaries[2]["trained_parameters"] == 2 * 2 * (4 * 32 + 2 * 48 + 32)
    norms, qkv = 32 * 5, 2 * 3 * 32 * 32
    assert summaries[1]["trained_parameters"] == norms + qkv + 32 * (3 * 192 + 1)
    assert summaries[0]["trained_parameters"] == 512 * 32 + norms + 2 * (4 * 32 * 32 + 3 * 32 * 48)
    assert language.config.num_hidden_layers == 2


@pytest.mark.parametrize(("stage", "step"), [(0, 2), (1, 1), (1, 3), (2, 1), (2, 3)])
def test_resumed_is_undisturbed(
    data: Data, tmp_path: Path, undisturbed: str, stage: int, step: int
) -> None:
    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        halt(patch, stage, step)
        with pytest.raises(HaltError):
            trained(data, out)
    torch.manual_seed(99)
    assert digest(trained(data, out, resume=True)) == undisturbed
    assert digest(load_earthgpt(out)[1]) == undisturbed


def test_resuming_what_has_ended_changes_nothing(
    data: Data, tmp_path: Path, undisturbed: str
) -> None:
    out = tmp_path / "run"
    _, before = train_earthgpt(small_run(data[1]), data[1], data[0], out, progress=False)
    model, after = train_earthgpt(
        small_run(data[1]), data[1], data[0], out, resume=True, progress=False
    )
    assert after == before
    assert digest(model) == undisturbed


def test_killed_between_the_last_state_and_the_summary(
    data: Data, tmp_path: Path, undisturbed: str
) -> None:
    out = tmp_path / "run"
    trained(data, out)
    (out / "stage1" / "summary.json").unlink()
    for name in ("model.safetensors", "state.pt", "log.csv", "summary.json"):
        (out / "stage2" / name).unlink()
    assert digest(trained(data, out, resume=True)) == undisturbed


def test_workers_change_nothing(data: Data, undisturbed: str) -> None:
    run = small_run(data[1], settings(workers=2))
    assert digest(trained(data, run=run)) == undisturbed


def test_few_kept_features_train_alike(data: Data, tmp_path: Path) -> None:
    """Beyond the limit features are computed again in each step; resumed, they are the same again."""
    found = []
    for stop in (None, 3):
        out = tmp_path / str(stop)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs, "ImageFeatures", Forgetful)
            if stop is not None:
                with pytest.MonkeyPatch.context() as inner:
                    halt(inner, 1, stop)
                    with pytest.raises(HaltError):
                        trained(data, out)
            found.append(digest(trained(data, out, resume=stop is not None)))
    assert found[0] == found[1]


class Forgetful(ImageFeatures):
    """Keeps the features of two images."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, kept=2 * 2 * 4 * 3 * 192)


@pytest.mark.parametrize("half", [False, True])
def test_single_stages(data: Data, half: bool) -> None:
    for stages in ({1: 2}, {2: 2}, {1: 1, 2: 1}):
        run = small_run(data[1], settings(stages), half=half)
        assert trained(data, run=run).stage == max(stages)


def test_stage_one_may_have_other_images(data: Data, tmp_path: Path) -> None:
    others = write_dialogues(tmp_path / "first", count=2)
    run = small_run(data[1], settings({1: 2, 2: 2}))
    asked: list[tuple[int | None, int]] = []
    usual = runs.DialogueTraining.forward

    def forward(self: Any, batch: Any) -> Any:
        asked.append((self.model.stage, len(self.dialogues)))
        return usual(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs.DialogueTraining, "forward", forward)
        trained(data, run=run, first=(others, tmp_path / "first"))
    assert asked == [(1, 3)] * 2 + [(2, 6)] * 2


def test_the_same_dialogues_in_another_folder_have_other_images(data: Data, tmp_path: Path) -> None:
    """Stage 1 on the same questions about other images, named alike."""
    from mfnet_lite.rasters import read_raster, write_raster

    for dialogue in data[1][:-1]:
        array = read_raster(data[0] / dialogue.image).array
        write_raster(tmp_path / dialogue.image, array[:, ::-1])
    run = small_run(data[1], settings({1: 2, 2: 2}))
    seen: dict[int | None, Path] = {}
    usual = runs.DialogueTraining.forward

    def forward(self: Any, batch: Any) -> Any:
        seen[self.model.stage] = self.features.root
        return usual(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs.DialogueTraining, "forward", forward)
        trained(data, run=run, first=(data[1], tmp_path))
    assert seen == {1: tmp_path, 2: data[0]}


def test_a_few_answers_are_learned(data: Data) -> None:
    """Two images, two classes, and a language model that had never read a word."""
    dialogues = [
        Dialogue(d.image, d.sensor, (Exchange("classification", "what is it", name),))
        for d, name in zip(data[1], ("plane", "ship"), strict=False)
    ]
    stages = settings({0: 10, 1: 60}, batch=2)
    run = small_run(dialogues, stages, turns=1)
    model = trained((data[0], dialogues), run=run)
    features = ImageFeatures(model, data[0], dialogues)
    said = answer_dialogues(model, dialogues, features, max_new_tokens=4, progress=False)
    assert said == [["plane"], ["ship"]]
    scores = score_dialogues(dialogues, said)
    assert set(scores) == {"all", "optical", "sar"}


# --- folders that do not fit


def test_a_run_is_not_written_over(data: Data, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(data, out, run=small_run(data[1], settings({1: 1})))
    with pytest.raises(FileExistsError, match="already holds a run; continue it with --resume"):
        trained(data, out)
    # nor are its stages taken for those of a new run where the config got lost
    (out / "config.json").unlink()
    with pytest.raises(FileExistsError, match="already holds a run"):
        trained(data, out)
    with pytest.raises(FileNotFoundError, match=r"config\.json does not exist"):
        trained(data, out, resume=True)


def test_another_run_is_not_continued(data: Data, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stages = settings({1: 1, 2: 1})
    run = small_run(data[1], stages, facts={"content": {"a.json": "12"}})
    trained(data, out, run=run)
    changes: dict[str, dict[str, Any]] = {
        "options": {"grid": 1},
        "turns": {"turns": 3},
        "seed": {"seed": 1},
        "content": {"facts": {"content": {"a.json": "13"}}},
        "stages": {"stages": settings({2: 1})},
    }
    for name, change in changes.items():
        facts = {"stages": stages, "facts": {"content": {"a.json": "12"}}} | change
        other = small_run(data[1], **facts)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"cannot (continue|resume) .* other .*{name}"):
            trained(data, out, run=other, resume=True)
    longer = replace(run, stages=run.stages | {"1": run.stages["1"] | {"steps": 9}})
    with pytest.raises(ValueError, match=r"stage 1 of .*cannot resume .*steps was 1 and is now 9"):
        trained(data, out, run=longer, resume=True)
    other_base = replace(run, base="0" * 64)
    with pytest.raises(ValueError, match="trained on other weights"):
        trained(data, out, run=other_base, resume=True)
    elsewhere = {n: s | {"workers": 1, "log_every": 3} for n, s in run.stages.items()}
    assert trained(data, out, run=replace(run, stages=elsewhere), resume=True).stage == 2


def test_a_missing_image_is_named(data: Data, tmp_path: Path) -> None:
    write_dialogues(tmp_path)
    (tmp_path / data[1][2].image).unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.tif"):
        trained((tmp_path, data[1]))


# --- a new run


def test_the_tiny_model_knows_the_words_of_the_dialogues(data: Data) -> None:
    words = vocabulary(data[1])
    assert words[:2] == ("it", "is")
    assert {"ship", "infrared", "describe"} <= set(words)
    assert small_run(data[1]).network.words == words
    own = small_run(data[1], words=("ship", "plane"))
    assert own.network.words == ("ship", "plane")
    real = new_run(data[1], EarthGPTConfig(language="smollm2"), settings({1: 1}), 2)
    assert real.network.words == WORDS
    with pytest.raises(ValueError, match="at least one stage with a step, got none"):
        new_run(data[1], EarthGPTConfig(), {}, 2)


def test_dialogues_of_a_split(data: Data, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds neither val/instructions\.json nor"):
        dialogues_of_split(tmp_path, "val")
    write_instructions(tmp_path / "instructions.json", data[1][:2])
    (tmp_path / "train").mkdir()
    write_instructions(tmp_path / "train" / "instructions.json", data[1])
    write_instructions(tmp_path / "train" / "other.json", data[1][:3])
    assert dialogues_of_split(tmp_path) == (tmp_path / "train", data[1])
    assert dialogues_of_split(tmp_path, "test") == (tmp_path, data[1][:2])
    assert dialogues_of_split(tmp_path, "train", "other.json")[1] == data[1][:3]


# --- answers and scores


def test_questions_are_answered_alone(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(data)
    features = ImageFeatures(model, *data)
    monkeypatch.setattr(runs, "DIALOGUES_AT_ONCE", 2)
    said = answer_dialogues(model, data[1], features, max_new_tokens=6, progress=False)
    for number, (dialogue, answers) in enumerate(zip(data[1], said, strict=True)):
        for exchange, answer in zip(dialogue.exchanges, answers, strict=True):
            alone = Example([(exchange.question, None)], [features[number]])
            assert model.answer([alone], 6) == [answer]


def test_scores_sensor_by_sensor(data: Data) -> None:
    dialogues = data[1]
    right = [[e.answer for e in d.exchanges] for d in dialogues]
    scores = score_dialogues(dialogues, right, dialogues)
    assert set(scores) == {"all", "optical", "sar", "infrared"}
    assert scores["all"]["classification"].scores["accuracy"] == 1
    wrong = [
        ["zebra"] * len(a) if d.sensor == "sar" else a
        for d, a in zip(dialogues, right, strict=True)
    ]
    scores = score_dialogues(dialogues, wrong)
    assert scores["sar"]["classification"].scores["accuracy"] == 0
    assert scores["optical"]["classification"].scores["accuracy"] == 1
    one = [k for k, d in enumerate(dialogues) if d.sensor == "sar"]
    assert set(score_dialogues([dialogues[k] for k in one], [right[k] for k in one])) == {"all"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_a_cuda_device(data: Data, tmp_path: Path) -> None:
    run = small_run(data[1], settings(device="cuda"))
    model = trained(data, tmp_path / "run", run=run)
    assert model.device.type == "cuda"
    for device in ("cuda", "cpu"):
        _, loaded = load_earthgpt(tmp_path / "run", device)
        for (name, one), (_, other) in zip(
            model.state_dict().items(), loaded.state_dict().items(), strict=True
        ):
            assert torch.equal(one.cpu(), other.cpu()), name


def test_features_of_other_images_are_refused(data: Data) -> None:
    root, dialogues = data[0], list(data[1])
    model = trained(data, run=small_run(data[1], settings({1: 1})))
    features = ImageFeatures(model, root, dialogues)
    with pytest.raises(ValueError, match=r"are not those of 1 dialogue"):
        answer_dialogues(model, dialogues[:1], features, max_new_tokens=1, progress=False)
    turned = ImageFeatures(model, root, dialogues[::-1])
    with pytest.raises(ValueError, match="in their order"):
        answer_dialogues(model, dialogues, turned, max_new_tokens=1, progress=False)


def test_a_stage_knows_the_stages_it_was_trained_on(data: Data, tmp_path: Path) -> None:
    stages = settings({1: 1, 2: 1})
    outs = [tmp_path / "one", tmp_path / "two"]
    for seed, out in enumerate(outs):
        run = small_run(data[1], stages, seed=seed)
        trained(data, out, run=run)
    one, two = (out / "stage1" / "model.safetensors" for out in outs)
    whole = one.read_bytes()
    one.write_bytes(two.read_bytes())
    with pytest.raises(ValueError, match=r"stage2 was trained on another .*stage1"):
        load_earthgpt(outs[0])
    one.write_bytes(whole)
    load_earthgpt(outs[0])
    (outs[0] / "stage2" / "before.json").unlink()  # of runs that noted nothing, nothing is asked
    load_earthgpt(outs[0])
