"""Several dialogues in a row: none sees another, the loss is that of the answers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.language.packing import (
    IGNORE,
    Answer,
    ImageTokens,
    Packed,
    Piece,
    Text,
    answer_loss,
    chat_dialogue,
    pack,
    vectors_of,
)
from tests.language.small_models import small_model

MODEL = small_model()
FIRST: list[Piece] = [
    ImageTokens(3),
    Text("where is it"),
    Answer("[0.5]"),
    Text("and"),
    Answer("no"),
]
SECOND: list[Piece] = [
    Text("is it a ship"),
    ImageTokens(2),
    Answer("yes"),
    ImageTokens(1),
    Answer("a"),
]
THIRD: list[Piece] = [Text("what"), Answer("ships")]
VISUAL = torch.randn(6, MODEL.width, generator=torch.Generator().manual_seed(3))


def logits(packed: Packed, visual: torch.Tensor | None) -> torch.Tensor:
    with torch.no_grad():
        return MODEL(vectors_of(MODEL, packed, visual), packed.mask(), packed.positions)


def of_dialogue(packed: Packed, values: torch.Tensor, number: int) -> torch.Tensor:
    row, place = packed.order[number]
    return values[row][packed.dialogue[row] == place]


def test_a_row_by_hand() -> None:
    packed = pack(
        MODEL, [[ImageTokens(2), Text("a"), Answer("b")], [Text("c")]], length=20, multiple=4
    )
    a, b, c = (MODEL.encode(letter) for letter in "abc")
    n = 2 + len(a) + len(b) + 1
    used = n + len(c)
    rest = -used % 4
    assert packed.ids.tolist() == [[0, 0, *a, *b, MODEL.eos, *c, *[MODEL.pad] * rest]]
    learned = [*b, MODEL.eos]
    assert packed.labels.tolist() == [
        [IGNORE] * (2 + len(a)) + learned + [IGNORE] * (len(c) + rest)
    ]
    assert packed.positions.tolist() == [[*range(n), *range(len(c)), *[0] * rest]]
    assert packed.dialogue.tolist() == [[1] * n + [2] * len(c) + [0] * rest]
    assert packed.image.tolist() == [[0, 1] + [-1] * (used - 2 + rest)]
    assert packed.order == ((0, 1), (0, 2))


def test_packed_logits_are_those_of_each_alone() -> None:
    packed = pack(MODEL, [FIRST, SECOND, THIRD], length=200, multiple=16)
    assert len(packed.ids) == 1
    together = logits(packed, VISUAL)
    parts = (VISUAL[:3], VISUAL[3:], None)
    for number, (dialogue, visual) in enumerate(zip((FIRST, SECOND, THIRD), parts, strict=True)):
        alone = logits(pack(MODEL, [dialogue]), visual)[0]
        torch.testing.assert_close(
            of_dialogue(packed, together, number), alone, atol=2e-4, rtol=1e-4
        )


def test_changing_one_dialogue_changes_no_logit_of_another() -> None:
    def changed(first: list[Piece], visual: torch.Tensor) -> list[torch.Tensor]:
        packed = pack(MODEL, [first, SECOND, THIRD], length=200)
        return [of_dialogue(packed, logits(packed, visual), number) for number in range(3)]

    before = changed(FIRST, VISUAL)
    other = VISUAL.clone()
    other[:3] += 1
    after = changed([*FIRST[:2], Answer("[0.7]"), *FIRST[3:]], other)
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert torch.equal(before[2], after[2])


def test_later_words_change_no_earlier_logit() -> None:
    longer = logits(pack(MODEL, [[*THIRD, Text("more")]]), None)[0]
    shorter = logits(pack(MODEL, [THIRD]), None)[0]
    torch.testing.assert_close(longer[: len(shorter)], shorter, atol=1e-5, rtol=1e-5)


def test_first_fit_and_rows() -> None:
    sizes = [len(pack(MODEL, [d]).ids[0]) for d in (FIRST, SECOND, THIRD)]
    packed = pack(MODEL, [FIRST, SECOND, THIRD], length=sizes[0] + sizes[2])
    assert packed.order == ((0, 1), (1, 1), (0, 2))
    apart = pack(MODEL, [FIRST, SECOND, THIRD])
    assert apart.order == ((0, 1), (1, 1), (2, 1))
    assert packed.image[0].max() == 2
    assert sorted(packed.image[packed.image >= 0].tolist()) == list(range(6))


def test_loss_is_the_mean_over_answers_however_packed() -> None:
    apart, packed = pack(MODEL, [FIRST, SECOND]), pack(MODEL, [FIRST, SECOND], length=200)
    values = []
    for rows in (apart, packed):
        scores = logits(rows, VISUAL)
        learned = rows.labels[:, 1:] != IGNORE
        values.append(F.cross_entropy(scores[:, :-1][learned], rows.labels[:, 1:][learned]))
    for rows in (apart, packed):
        torch.testing.assert_close(
            answer_loss(MODEL, rows, VISUAL), values[0], atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(values[0], values[1], atol=1e-4, rtol=1e-4)


def test_gradient_of_the_loss_is_that_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mfnet_lite.language.packing.AT_ONCE", 3)
    packed = pack(MODEL, [FIRST, SECOND], length=200)
    gradients = []
    for written in (False, True):
        visual = VISUAL.clone().requires_grad_()
        if written:
            loss = answer_loss(MODEL, packed, visual)
        else:
            vectors = vectors_of(MODEL, packed, visual)
            scores = MODEL(vectors, packed.mask(), packed.positions)[:, :-1].flatten(0, 1)
            loss = F.cross_entropy(scores, packed.labels[:, 1:].flatten(), ignore_index=IGNORE)
        gradients.append(torch.autograd.grad(3 * loss, visual)[0])
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-4, rtol=1e-3)


def test_no_answer_no_loss() -> None:
    visual = VISUAL[:3].clone().requires_grad_()
    loss = answer_loss(MODEL, pack(MODEL, [FIRST[:2]]), visual)
    assert loss.item() == 0
    assert torch.equal(torch.autograd.grad(loss, visual)[0], torch.zeros_like(visual))


def test_chat_form_turns_and_images() -> None:
    pieces = chat_dialogue(MODEL, [("is it a ship", "yes"), ("where", None)], images=[4, 2])
    assert pieces[:3] == [Text("<|user|>"), ImageTokens(4), ImageTokens(2)]
    assert sum(isinstance(piece, Answer) for piece in pieces) == 1
    ids = pack(MODEL, [[p for p in pieces if not isinstance(p, ImageTokens)]]).ids[0].tolist()
    messages = [("user", "is it a ship"), ("assistant", "yes"), ("user", "where")]
    whole = MODEL.tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in messages],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert ids == MODEL.encode(whole)


def test_errors() -> None:
    with pytest.raises(ValueError, match="expected at least one dialogue"):
        pack(MODEL, [])
    with pytest.raises(ValueError, match=r"dialogue 1 has .* tokens where a row has 8"):
        pack(MODEL, [THIRD[:1], FIRST], length=8)
    with pytest.raises(ValueError, match="places for 3 visual tokens, got 0"):
        vectors_of(MODEL, pack(MODEL, [FIRST]))
    with pytest.raises(ValueError, match="without any token"):
        pack(MODEL, [[Text("")]])
    with pytest.raises(ValueError, match="the last of which may be None"):
        chat_dialogue(MODEL, [("a", None), ("b", "c")])


@pytest.mark.parametrize("half", [False, True])
def test_an_autocast_around_it_changes_nothing(half: bool) -> None:
    model = small_model()
    model.network.requires_grad_(False)
    layer = model.network.model.layers[0].self_attn.q_proj
    layer.requires_grad_(True)
    if half:
        model.frozen_in_half()
    packed = pack(model, [FIRST, SECOND])
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = answer_loss(model, packed, VISUAL)
        (gradient,) = torch.autograd.grad(loss, [layer.weight])
        found.append((loss.detach(), gradient))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
