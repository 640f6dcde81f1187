"""EarthGPT: what trains in which stage, what stays, and that dialogues do not see each other."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mfnet_lite.language.language_models import LanguageModel
from mfnet_lite.language.packing import IGNORE, answer_loss, vectors_of
from mfnet_lite.language.tiny_llama import tiny_llama, word_tokenizer
from mfnet_lite.nets import EarthGPT, EarthGPTConfig, build_model, make_config
from mfnet_lite.nets.earthgpt import Example
from mfnet_lite.nets.encoders.plain_vit import SamViT
from mfnet_lite.nets.encoders.visual_perception import ScalesNetwork, VisualPerception
from mfnet_lite.training import load_model, save_model
from mfnet_lite.tuning import attach_lora, base_hash, trained_state
from mfnet_lite.tuning.delta import describe
from mfnet_lite.tuning.scale_shift import ScaleShiftLinear
from tests.language.small_models import small_model
from tests.nets.small_earthgpt import TOKENS, asked, examples, pictures, small_earthgpt, train

pytest.importorskip("transformers")

BLOCK = "language.network.model.layers.{}."
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
LINEARS = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")


def first_stage(output_projection: bool) -> set[str]:
    parts = (*ATTENTION[: 4 if output_projection else 3], *NORMS)
    return {
        "perception.projection.weight",
        "perception.projection.bias",
        "language.network.model.norm.weight",
    } | {f"{BLOCK.format(n)}{part}.weight" for n in range(2) for part in parts}


def second_stage() -> set[str]:
    return {
        f"{BLOCK.format(n)}{part}.{what}"
        for n in range(2)
        for part in LINEARS
        for what in ("scale", "shift")
    }


def training(model: EarthGPT) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def answer_logits(model: EarthGPT, about: list[Example], length: int | None = None) -> list[Tensor]:
    """Scores of the answers' tokens, by dialogue."""
    rows, visual = model.packed(about, length)
    with torch.no_grad():
        scores = model.language(
            vectors_of(model.language, rows, visual), rows.mask(), rows.positions
        )
    found = []
    for row, place in rows.order:
        own = (rows.dialogue[row] == place) & (rows.labels[row] != IGNORE)
        found.append(scores[row, :-1][own[1:]])
    return found


# --- stages


@pytest.mark.parametrize("output_projection", [False, True])
def test_stage_one_trains_attention_norms_and_the_projection(output_projection: bool) -> None:
    model = small_earthgpt(output_projection=output_projection)
    assert training(model) == set()
    names = model.start_stage(1)
    assert set(names) == training(model) == first_stage(output_projection)
    assert model.stage == 1


def test_stage_two_trains_scale_and_shift() -> None:
    model = small_earthgpt()
    model.start_stage(1)
    assert set(model.start_stage(2)) == training(model) == second_stage()


def test_stage_zero_trains_the_language_model() -> None:
    model = small_earthgpt()
    names = model.start_stage(0)
    everything = {f"language.network.{n}" for n, _ in model.language.network.named_parameters()}
    assert set(names) == training(model) == everything
    model.start_stage(1)
    assert training(model) == first_stage(False)


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("half", [False, True])
def test_what_is_frozen_stays_bit_for_bit(stage: int, half: bool) -> None:
    model = small_earthgpt(half=half)
    about = examples(model)
    names = model.start_stage(stage)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    train(model, about)
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    tied = {"language.network.lm_head.weight"} if stage == 0 else set()
    # nothing looks at the keys' common part: a shift of all keys moves all scores of a query alike
    still = {f"{BLOCK.format(n)}self_attn.k_proj.shift" for n in range(2)} if stage == 2 else set()
    assert moved - still == set(names) - still | tied


def test_stage_two_begins_as_the_first_ended() -> None:
    model = small_earthgpt()
    about = examples(model)
    model.start_stage(1)
    train(model, about)
    before = answer_logits(model, about)
    loss = model.loss(about)
    model.start_stage(2)
    for now, then in zip(answer_logits(model, about), before, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(model.loss(about), loss)


@pytest.mark.parametrize("form", ["output", "input"])
def test_merged_is_the_same(form: Any) -> None:
    model = small_earthgpt(form=form)
    about = examples(model)
    model.start_stage(2)
    train(model, about, steps=3, lr=0.02)
    apart, said = answer_logits(model, about), model.answer(asked(about), 8)
    layers = [m for m in model.modules() if isinstance(m, ScaleShiftLinear)]
    assert len(layers) == 2 * len(LINEARS)
    for layer in layers:
        layer.merge()
    for now, then in zip(answer_logits(model, about), apart, strict=True):
        torch.testing.assert_close(now, then, atol=2e-4, rtol=1e-4)
    assert model.answer(asked(about), 8) == said
    model.train()
    for now, then in zip(answer_logits(model, about), apart, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize(("form", "numbers"), [("output", 10_624), ("input", 9_760)])
def test_the_tiny_model_keeps_kilobytes_of_its_second_stage(
    tmp_path: Path, form: Any, numbers: int
) -> None:
    tokenizer = word_tokenizer()
    language = LanguageModel("tiny", tiny_llama(tokenizer), tokenizer)
    vit = small_earthgpt().perception.vit
    model = EarthGPT(
        VisualPerception(vit, None, language.width, grid=(2, 2)),
        language,
        EarthGPTConfig(form=form),
    )
    model.start_stage(1)
    model.start_stage(2)
    state = trained_state(model)
    assert sum(value.numel() for value in state.values()) == numbers
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    # four bytes a number, and 28 layers' names
    assert 4 * numbers < path.stat().st_size < 4 * numbers + 10_000
    load_model(model, path)


def test_smollm2_keeps_311040_numbers() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
        eos_token_id=2,
    )
    with torch.device("meta"):
        network = transformers.LlamaForCausalLM(config)
    language = LanguageModel("smollm2", network, word_tokenizer())
    vit = small_earthgpt().perception.vit
    perception = VisualPerception(vit, None, language.width, grid=(2, 2)).to("meta")
    model = EarthGPT(perception, language)
    names = model.start_stage(2)
    assert len(names) == 2 * 7 * 30
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 311_040


def test_what_a_stage_saved_gives_its_logits_back(tmp_path: Path) -> None:
    model, again = small_earthgpt(), small_earthgpt()
    about = examples(model)
    for stage in (0, 1, 2):
        model.start_stage(stage)
        train(model, about)
        save_model(model, tmp_path / f"{stage}.safetensors")
        again.start_stage(stage)
        load_model(again, tmp_path / f"{stage}.safetensors")
    for one, other in zip(answer_logits(model, about), answer_logits(again, about), strict=True):
        assert torch.equal(one, other)
    assert describe(again)[""] == {"class": "EarthGPT", "taps": [0, 1, 2], "form": "output"}


def test_stages_go_forwards() -> None:
    model = small_earthgpt()
    with pytest.raises(ValueError, match="expected stage 0, 1 or 2, got 3"):
        model.start_stage(3)
    model.start_stage(1)
    with pytest.raises(ValueError, match="stage 0 cannot follow stage 1, which has begun; build"):
        model.start_stage(0)
    with pytest.raises(ValueError, match="stage 1 cannot follow stage 1"):
        model.start_stage(1)
    model.start_stage(2)
    with pytest.raises(ValueError, match="stage 1 cannot follow stage 2"):
        model.start_stage(1)


def test_stages_begin_on_a_model_with_nothing_injected() -> None:
    for stage in (1, 2):
        model = small_earthgpt()
        attach_lora(model.language.network, ["*q_proj"], rank=2)
        with pytest.raises(ValueError, match=r"detach"):
            model.start_stage(stage)
        assert model.stage is None


def test_half_precision_is_near() -> None:
    losses = {}
    for half in (False, True):
        model = small_earthgpt(half=half)
        about = examples(model)
        model.start_stage(1)
        assert model.language.dtype == (torch.bfloat16 if half else torch.float32)
        assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
        begin = float(model.loss(about).detach())
        train(model, about, steps=1, lr=1e-3)
        model.start_stage(2)
        losses[half] = (begin, float(model.loss(about).detach()))
    for exact, near in zip(losses[False], losses[True], strict=True):
        assert near != exact
        assert near == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("fast", [False, True])
def test_half_precision_is_taken_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr("mfnet_lite.nets.earthgpt.multiplies_bfloat16", lambda device: fast)
    model = small_earthgpt(half=None)
    model.start_stage(1)
    assert model.language.dtype == (torch.bfloat16 if fast else torch.float32)


# --- visual tokens


@pytest.mark.parametrize("length", [0.02, 0.5])
def test_visual_tokens_begin_as_long_as_words(length: float) -> None:
    vit, language = small_earthgpt().perception.vit, small_model(initializer_range=length)
    perception = VisualPerception(vit, None, language.width, grid=(2, 2))
    bias = float(perception.projection.bias.detach().std())
    model = EarthGPT(perception, language)
    visual = model.perception(pictures(6))
    words = model.language.embed(torch.arange(200))
    assert bias > 0.05
    assert float(visual.std()) == pytest.approx(float(words.std()), rel=0.15)


def test_features_are_those_of_the_frozen_encoders() -> None:
    model = small_earthgpt()
    images = pictures(2)
    features = model.features(images)
    assert features.shape == (2, TOKENS, 48)
    assert not features.requires_grad
    model.start_stage(1)
    assert torch.equal(model.features(images), features)
    rows, visual = model.packed([Example([("a", "b")], list(features))])
    assert visual is not None
    assert visual.requires_grad
    assert int(rows.image.max()) + 1 == len(visual) == 2 * TOKENS
    torch.testing.assert_close(visual, model.perception(images).flatten(0, 1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_features_of_floats_of_any_format(dtype: torch.dtype) -> None:
    model = small_earthgpt()
    images = pictures(2).to(dtype)
    found = model.features(images)
    assert found.dtype == torch.float32
    assert torch.equal(found, model.features(images.float()))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "divide 8-bit values by 255"),
        (
            torch.zeros(1, 3, 64, 32),
            r"expected images of shape \(batch, 3, 64, 64\), got \(1, 3, 64",
        ),
        (torch.zeros(1, 1, 64, 64), r"\(batch, 3, 64, 64\), got \(1, 1, 64, 64\)"),
        (torch.zeros(3, 64, 64), r"got \(3, 64, 64\); a single image is a batch as x\[None\]"),
    ],
)
def test_images_of_another_kind_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_earthgpt().features(images)


def test_both_branches_and_another_grid() -> None:
    pytest.importorskip("timm")
    small = small_earthgpt()
    scales = ScalesNetwork("resnet10t", pretrained=False, scales=(0, 1))
    perception = VisualPerception(small.perception.vit, scales, small.language.width, grid=(3, 2))
    model = EarthGPT(perception, small.language, small.config)
    about = [Example([("a", "b")], list(model.features(pictures(1))))]
    names = model.start_stage(1)
    train(model, about)
    assert set(names) == first_stage(False)
    assert about[0].images[0].shape == (6, 48 + scales.channels)


def test_a_wrong_image_changes_the_scores_of_the_answer() -> None:
    model = small_earthgpt()
    right, wrong = model.features(pictures(2))
    turns = [("is it a ship", "yes"), ("where", "[0.5]")]
    (one,), (other,) = (answer_logits(model, [Example(turns, [i])]) for i in (right, wrong))
    assert float((one - other).abs().max(-1).values.min()) > 1e-2
    swapped, straight = (
        answer_logits(model, [Example(turns, list(pair))])[0]
        for pair in ((right, wrong), (wrong, right))
    )
    assert not torch.allclose(swapped, straight, atol=1e-3)


# --- loss and packing


def test_loss_is_that_of_the_answers() -> None:
    model = small_earthgpt()
    about = examples(model)
    rows, visual = model.packed(about)
    assert (rows.labels[rows.image >= 0] == IGNORE).all()
    learned = [
        [*model.language.encode(answer), model.language.eos]
        for each in about
        for _, answer in each.turns
    ]
    assert rows.labels[rows.labels != IGNORE].tolist() == [i for ids in learned for i in ids]
    scores = torch.cat(answer_logits(model, about)).log_softmax(-1)
    targets = torch.tensor([i for ids in learned for i in ids])
    by_hand = -scores.gather(1, targets[:, None]).mean()
    torch.testing.assert_close(model.loss(about), by_hand, atol=1e-4, rtol=1e-4)
    assert visual is not None


def test_questions_and_visual_tokens_bear_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is predicted where no answer token follows may be anything."""
    model = small_earthgpt()
    rows, visual = model.packed(examples(model))
    vectors = vectors_of(model.language, rows, visual).detach()
    hidden = model.language.hidden(vectors, rows.mask(), rows.positions).detach()
    moved = torch.zeros_like(hidden[..., :1], dtype=torch.bool)
    moved[:, :-1, 0] = rows.labels[:, 1:] != IGNORE
    noise = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(0))
    losses = []
    for where in (None, ~moved, moved):
        other = hidden if where is None else torch.where(where, hidden + noise, hidden)
        monkeypatch.setattr(model.language, "hidden", lambda *_, value=other: value)
        losses.append(float(answer_loss(model.language, rows, visual)))
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("stage", [None, 1, 2])
def test_a_row_of_dialogues_is_as_good_as_a_row_each(stage: int | None) -> None:
    model = small_earthgpt()
    about = examples(model)
    if stage is not None:
        model.start_stage(stage)
        train(model, about)
    rows, _ = model.packed(about, 200)
    assert len(rows.ids) == 1
    assert len(model.packed(about)[0].ids) == 3
    torch.testing.assert_close(model.loss(about, 200), model.loss(about), atol=2e-4, rtol=1e-4)
    apart, together = answer_logits(model, about), answer_logits(model, about, 200)
    for one, other in zip(apart, together, strict=True):
        torch.testing.assert_close(one, other, atol=5e-4, rtol=1e-3)


def test_changing_one_dialogue_changes_no_score_of_another() -> None:
    model = small_earthgpt()
    about = examples(model)
    before = answer_logits(model, about, 200)
    others = model.features(pictures(2, seed=9))
    changed = Example([("is it a town", "yes"), ("where", "[0.7]")], list(others))
    after = answer_logits(model, [changed, *about[1:]], 200)
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    for one, other in zip(before[1:], after[1:], strict=True):
        assert torch.equal(one, other)


def test_gradients_of_a_packed_row_are_those_of_single_rows() -> None:
    gradients = []
    for length in (None, 200):
        model = small_earthgpt()
        about = examples(model)
        model.start_stage(1)
        model.loss(about, length).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    for name, value in gradients[0].items():
        assert value is not None
        assert value.abs().max() > 0, name
        torch.testing.assert_close(value, gradients[1][name], atol=1e-3, rtol=1e-2)


def test_a_dialogue_longer_than_a_row_is_named() -> None:
    model = small_earthgpt()
    with pytest.raises(ValueError, match=r"dialogue 0 has .* tokens where a row has 5"):
        model.loss(examples(model), 5)
    with pytest.raises(ValueError, match="at least one dialogue"):
        model.loss([])


# --- answers


@pytest.mark.parametrize("stage", [1, 2])
def test_answers_in_batches_are_those_of_one_by_one(stage: int) -> None:
    model = small_earthgpt()
    about = examples(model)
    model.start_stage(stage)
    train(model, about)
    questions = asked(about) * 2
    alone = [model.answer([each], 12)[0] for each in questions]
    assert len(set(alone)) > 1
    for at_once in (1, 2, 32):
        assert model.answer(questions, 12, at_once) == alone
    assert model.answer([]) == []


def test_a_learned_answer_is_said_and_depends_on_the_image() -> None:
    model = small_earthgpt()
    light, dark = model.features(torch.stack([pictures(1)[0], 0.1 * pictures(1, seed=3)[0]]))
    about = [Example([("is it", "yes")], [light]), Example([("is it", "no")], [dark])]
    model.start_stage(1)
    train(model, about, steps=40, lr=0.01)
    assert model.answer(asked(about), 5) == ["yes", "no"]


def test_an_answer_is_not_asked_for_twice() -> None:
    model = small_earthgpt()
    with pytest.raises(ValueError, match="has an answer already; give None"):
        model.answer(examples(model)[:1])


# --- config and registry


def test_another_width_is_refused() -> None:
    model = small_earthgpt()
    perception = VisualPerception(model.perception.vit, None, 24)
    with pytest.raises(ValueError, match=r"visual tokens have 24 channels, .* small needs 32"):
        EarthGPT(perception, model.language)


def test_config() -> None:
    config = make_config("earthgpt", {"language": "smollm2", "words": ["a", "b"], "form": "input"})
    assert config == EarthGPTConfig(language="smollm2", words=("a", "b"), form="input")
    assert isinstance(config, EarthGPTConfig)
    assert not config.needs_text
    assert EarthGPTConfig().needs_text
    assert make_config("earthgpt", config.options()) == config
    assert set(EarthGPTConfig().options()) == set(EarthGPTConfig.recorded)
    assert config.computing() == {"form": "input"}
    with pytest.raises(ValueError, match="unknown form 'both'; available: output, input"):
        EarthGPTConfig(form="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_size must be at least 16 and grid at least 1"):
        EarthGPTConfig(grid=0)
    with pytest.raises(ValueError, match="answers questions and has no classes of pixels"):
        build_model("earthgpt", {"optical": 3}, 2)
    with pytest.raises(ValueError, match="needs a convolutional network and a grid"):
        EarthGPTConfig(backbone="none", cnn="none").open()
    with pytest.raises(ValueError, match="multiple of the patch size 8, got 50"):
        EarthGPTConfig(cnn="none", image_size=50).open()


def test_opened_twice_with_one_seed_is_the_same() -> None:
    config = EarthGPTConfig(cnn="none", image_size=32, grid=2)
    torch.manual_seed(5)
    one = base_hash(config.open(seed=3))
    torch.manual_seed(6)
    state = torch.get_rng_state()
    assert base_hash(config.open(seed=3)) == one
    assert torch.equal(torch.get_rng_state(), state)
    assert base_hash(config.open(seed=4)) != one
    assert isinstance(config.open().perception.vit, SamViT)


@pytest.mark.slow
def test_imports_need_no_transformers() -> None:
    code = (
        "import sys; sys.modules['transformers'] = None; sys.modules['timm'] = None; "
        "import mfnet_lite.nets as nets, mfnet_lite.runs.earthgpt, mfnet_lite.language.packing; "
        "print(nets.EarthGPT.__name__, nets.EarthGPTConfig().language)\n"
        "try: nets.EarthGPTConfig().open()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "EarthGPT tiny"
    assert "install" in second


# --- device


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("half", [False, True])
def test_on_a_cuda_device(half: bool) -> None:
    here, there = small_earthgpt(half=half), small_earthgpt(half=half).to("cuda")
    about = examples(here)
    for model in (here, there):
        model.start_stage(1)
    assert there.device.type == "cuda"
    expected, found = float(here.loss(about).detach()), float(there.loss(about).detach())
    assert found == pytest.approx(expected, rel=0.05 if half else 1e-3)
    train(there, about)
    there.start_stage(2)
    train(there, about)
    assert math.isfinite(float(there.loss(about, 200).detach()))
    questions = asked(about)
    assert len(there.answer(questions, 6)) == len(questions)
    rebuilt = EarthGPT(there.perception, there.language, there.config)
    assert rebuilt.device.type == "cuda"
