"""The folder of a run of EarthGPT: what it says, and the model that comes out of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.nets.earthgpt import EarthGPT
from mfnet_lite.runs.dialogue_run import (
    DialogueRun,
    holds_dialogue_run,
    load_dialogue_run,
    load_earthgpt,
    run_base,
    stage_folder,
)
from mfnet_lite.runs.earthgpt import answer_dialogues, train_earthgpt
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.tuning import base_hash
from mfnet_lite.utils.hashes import hash_tensors
from tests.nets.small_earthgpt import write_dialogues
from tests.runs.small_dialogue_runs import shrink, small_run

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Dialogue]]:
    root = tmp_path_factory.mktemp("images")
    return root, write_dialogues(root)


@pytest.fixture(scope="module")
def trained(
    data: tuple[Path, list[Dialogue]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, EarthGPT]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        model, _ = train_earthgpt(small_run(data[1]), data[1], data[0], folder, progress=False)
    return folder, model


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def edit(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy of a run whose config says something else."""
    import shutil

    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    content = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps(content | changes), encoding="utf-8")
    return copied


def test_a_loaded_run_answers_as_the_trained_model(
    data: tuple[Path, list[Dialogue]], trained: tuple[Path, EarthGPT]
) -> None:
    root, dialogues = data
    folder, model = trained
    run, loaded = load_earthgpt(folder)
    assert run.network == small_run(dialogues).network
    assert loaded.stage == 2
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert hash_tensors(loaded.state_dict()) == hash_tensors(model.state_dict())
    said = [
        answer_dialogues(
            each,
            dialogues,
            ImageFeatures(each, root, dialogues),
            max_new_tokens=8,
            progress=False,
        )
        for each in (model, loaded)
    ]
    assert said[0] == said[1]
    assert [len(answers) for answers in said[0]] == [len(d.exchanges) for d in dialogues]


def test_stage_files_hold_what_their_stage_trained(trained: tuple[Path, EarthGPT]) -> None:
    folder, model = trained
    held = {n: load_file(stage_folder(folder, n) / "model.safetensors") for n in range(3)}
    assert all(name.startswith("model.language.network.") for name in held[0])
    assert {n.split(".")[1] for n in held[1]} == {"perception", "language"}
    assert {name.rpartition(".")[2] for name in held[2]} == {"scale", "shift"}
    numbers = sum(value.numel() for value in held[2].values())
    assert numbers == 2 * 2 * (4 * 32 + 2 * 48 + 32)
    assert (stage_folder(folder, 2) / "model.safetensors").stat().st_size < 4 * numbers + 6000
    for number in range(3):
        for name in ("model.safetensors", "state.pt", "log.csv", "summary.json"):
            assert (stage_folder(folder, number) / name).is_file()
    assert model.stage == 2


def test_earlier_stages_can_be_loaded(trained: tuple[Path, EarthGPT]) -> None:
    folder, _ = trained
    for stage in range(3):
        _, model = load_earthgpt(folder, stage=stage)
        assert model.stage == stage
    begun = load_dialogue_run(folder).network.open(0)
    _, first = load_earthgpt(folder, stage=0)
    projections = [m.perception.projection.weight for m in (begun, first)]
    assert torch.equal(*projections)
    table = [m.language.network.get_input_embeddings().weight for m in (begun, first)]
    assert not torch.equal(*table)


def test_config_round_trip(data: tuple[Path, list[Dialogue]], tmp_path: Path) -> None:
    facts = {"dataset": {"files": ["a"]}, "versions": {"torch": "2"}, "content": {"a": "b"}}
    run = small_run(data[1], facts=facts, form="input", output_projection=True)
    run.save(tmp_path)
    again = load_dialogue_run(tmp_path)
    assert again.network == run.network
    assert again.network.form == "input"
    assert again.network.output_projection
    assert (again.turns, again.seed, again.stages) == (run.turns, run.seed, run.stages)
    assert (again.dataset, again.versions, again.content) == tuple(facts.values())
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["model"] == "earthgpt"


def test_stages_are_loaded_in_their_order(trained: tuple[Path, EarthGPT], tmp_path: Path) -> None:
    folder, model = trained
    stages = load_dialogue_run(folder).stages
    copied = edit(folder, tmp_path, stages=dict(reversed(stages.items())))
    _, loaded = load_earthgpt(copied)
    assert hash_tensors(loaded.state_dict()) == hash_tensors(model.state_dict())


# --- the base


def nudge(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Move a weight in its last digit, as another kind of processor does when it draws random numbers."""
    from mfnet_lite.nets.earthgpt import EarthGPTConfig

    usual = EarthGPTConfig.open

    def opened(self: EarthGPTConfig, seed: int = 0, device: Any = "cpu") -> EarthGPT:
        model = usual(self, seed, device)
        weight = dict(model.named_parameters())[part].data
        weight.flatten()[0] *= 1 + 2**-20
        return model

    monkeypatch.setattr(EarthGPTConfig, "open", opened)


@pytest.mark.parametrize(
    "part", ["language.network.model.embed_tokens.weight", "perception.projection.weight"]
)
def test_where_trained_weights_began_does_not_matter(
    trained: tuple[Path, EarthGPT], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    folder, model = trained
    nudge(monkeypatch, part)
    _, loaded = load_earthgpt(folder)
    assert hash_tensors(loaded.state_dict()) == hash_tensors(model.state_dict())


def test_another_base_is_refused(
    trained: tuple[Path, EarthGPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    nudge(monkeypatch, "perception.vit.encoder.image_encoder.patch_embed.proj.weight")
    with pytest.raises(
        ValueError, match=r"trained on other weights of tiny, none or tiny: expected"
    ):
        load_earthgpt(trained[0])


def test_what_no_stage_saves_is_base(data: tuple[Path, list[Dialogue]]) -> None:
    run = small_run(data[1])
    model = run.network.open(run.seed)
    bases = {
        stages: run_base(replace(run, stages={n: run.stages[n] for n in stages}), model)
        for stages in ("0", "1", "2", "01", "12", "012")
    }
    assert bases["2"] == base_hash(model)
    assert bases["01"] == bases["012"]
    assert bases["1"] == bases["12"]
    assert len(set(bases.values())) == 4


# --- mistakes


def test_no_run(tmp_path: Path) -> None:
    assert not holds_dialogue_run(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"config\.json does not exist: expected the folder"
    ):
        load_dialogue_run(tmp_path)
    for text, reason in (("{", "is not the config of a run"), ("[]", "expected an object")):
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
        assert not holds_dialogue_run(tmp_path)
        with pytest.raises(ValueError, match=reason):
            load_dialogue_run(tmp_path)
    (tmp_path / "config.json").write_text('{"model": "earthgpt"}', encoding="utf-8")
    assert holds_dialogue_run(tmp_path)
    with pytest.raises(ValueError, match=r"is not the config of a run .*missing.*train again"):
        load_dialogue_run(tmp_path)


def test_a_run_of_another_network_is_refused(
    trained: tuple[Path, EarthGPT], tmp_path: Path
) -> None:
    other = edit(trained[0], tmp_path, model="unet")
    assert not holds_dialogue_run(other)
    with pytest.raises(ValueError, match="holds the network unet, which answers no questions"):
        load_earthgpt(other)


def test_a_missing_stage_is_named(trained: tuple[Path, EarthGPT], tmp_path: Path) -> None:
    copied = edit(trained[0], tmp_path)
    (stage_folder(copied, 1) / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"stage1 holds no model\.safetensors.*--resume"):
        load_earthgpt(copied)
    _, model = load_earthgpt(copied, stage=0)
    assert model.stage == 0


def test_a_damaged_or_strange_stage_is_named(
    trained: tuple[Path, EarthGPT], tmp_path: Path
) -> None:
    copied = edit(trained[0], tmp_path)
    path = stage_folder(copied, 2) / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"stage2.model\.safetensors cannot be read"):
        load_earthgpt(copied)
    path.write_bytes((stage_folder(copied, 0) / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="does not fit this model: it lacks"):
        load_earthgpt(copied)


@pytest.mark.parametrize("options", [{"grid": 2, "colour": 3}, {"grid": 0}])
def test_options_that_cannot_be_are_named(
    trained: tuple[Path, EarthGPT], tmp_path: Path, options: dict[str, Any]
) -> None:
    copied = edit(trained[0], tmp_path, options=options)
    with pytest.raises(ValueError, match=r"colour is no option of earthgpt|grid at least 1"):
        load_earthgpt(copied)


def test_stages_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match="expected stages 0, 1 and 2, got first"):
        DialogueRun({}, {"first": {}}, 0)
