"""The promptable second step: what learns, which prompts a round gets, the rehearsal."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.samlp import PlateOutput, SamLP
from mfnet_lite.nets.samlp_prompts import (
    InteractiveOutput,
    PromptTuning,
    on_square,
    refine_interactively,
    some_objects,
)
from mfnet_lite.sam import correction_clicks, predict_masks
from mfnet_lite.training import TrainConfig, fit

from .test_samlp import batch, learnt, small


def tuning(**options) -> PromptTuning:
    return PromptTuning(learnt(small()), **options)


def with_objects(number: int = 2) -> dict[str, torch.Tensor]:
    data = batch(number)
    instances = data["label"].clone()
    instances[:, 30:50, 30:60] = 2
    return data | {"instances": instances}


def test_prompt_encoder_and_decoder_updates_learn():
    net = tuning()
    trained = {n for n, p in net.named_parameters() if p.requires_grad}
    kinds = {".".join(n.split(".")[2:4]) for n in trained}
    assert {k.split(".")[0] for k in kinds} == {"prompt_encoder", "mask_decoder"}
    assert all("lora" in n for n in trained if "mask_decoder" in n)
    expected = sum(1 for n, _ in net.named_parameters() if "prompt_encoder" in n)
    assert sum("prompt_encoder" in n for n in trained) == expected


@pytest.mark.parametrize("rehearsal", [0, 3])
def test_a_step_changes_what_learns_and_nothing_else(rehearsal):
    net = tuning(rounds=6, rehearsal=rehearsal, iou_weight=0.1)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    data = with_objects()
    sample = [{k: v[0] for k, v in data.items()}]
    config = TrainConfig(steps=4, batch=1, warmup=0, device="cpu", progress=False)
    fit(net, sample, config=config)
    frozen = {n for n, p in net.named_parameters() if not p.requires_grad}
    after = net.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in frozen)
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    assert any("point_embeddings" in n for n in changed)
    assert any("mask_downscaling" in n for n in changed)
    assert any("lora_b" in n for n in changed)


def test_first_round_has_no_prompt_and_later_ones_four_masks():
    net = learnt(small()).eval()
    data = batch()
    target = (data["label"] == 1)[:, None]
    with torch.no_grad():
        embedding = net.embed(data)
        rounds = refine_interactively(
            net.sam, embedding, target, 5, torch.Generator().manual_seed(0)
        )
        expected = net.unprompted(embedding)
    assert torch.equal(rounds[0].masks, expected.masks)
    assert [r.masks.shape[1] for r in rounds] == [3, 4, 4, 4, 4]
    with torch.no_grad():
        again = refine_interactively(
            net.sam, embedding, target, 5, torch.Generator().manual_seed(0)
        )
    assert all(torch.equal(a.masks, b.masks) for a, b in zip(rounds, again, strict=True))


def test_clicks_fall_where_the_truth_is_known(monkeypatch):
    """Ignored pixels and padding are neither plate nor background: a click there would teach one of the two."""
    net = PromptTuning(learnt(small()), rounds=4).train()
    data = batch()
    data["label"][:, :, :40] = 255
    clicked = []

    def spy(logits, masks, generator=None, known=None):
        # the whole square is called a plate, so that all of it is wrong but the plates
        drawn = correction_clicks(torch.ones_like(logits), masks, generator, known)
        clicked.extend(drawn.points.flatten(0, 2).tolist())
        return drawn

    monkeypatch.setattr("mfnet_lite.nets.samlp_prompts.correction_clicks", spy)
    torch.manual_seed(0)
    wide = {"optical": data["optical"][:, :, :48], "label": data["label"][:, :48]}
    with torch.no_grad():
        for _ in range(6):
            net(wide)
    assert len(clicked) >= 20
    assert min(x for x, _ in clicked) >= 40
    assert max(y for _, y in clicked) < 48


def test_rounds_get_clicks_logits_or_both():
    net = small().eval()
    data = batch(1)
    target = (data["label"] == 1)[:, None]
    answers = []
    with torch.no_grad():
        embedding = net.embed(data)
        for seed in range(30):
            first, second = refine_interactively(
                net.sam, embedding, target, 2, torch.Generator().manual_seed(seed)
            )
            logits = net.choose(first)
            # the kind of prompt is drawn first, the click after it
            generator = torch.Generator().manual_seed(seed)
            torch.rand((), generator=generator)
            full = torch.nn.functional.interpolate(logits, target.shape[-2:], mode="bilinear")
            click = correction_clicks(full, target, generator)
            prompts = {
                "clicks": {"points": click.points, "labels": click.labels},
                "logits": {"tokens": embedding.new_zeros(1, 1, 0, embedding.shape[1])},
            }
            expected = {
                "clicks": predict_masks(net.sam, embedding, **prompts["clicks"], multimask=None),
                "logits": predict_masks(
                    net.sam, embedding, **prompts["logits"], mask_inputs=logits, multimask=None
                ),
                "both": predict_masks(
                    net.sam, embedding, **prompts["clicks"], mask_inputs=logits, multimask=None
                ),
            }
            answers += [k for k, p in expected.items() if torch.equal(p.masks[:, 0], second.masks)]
    assert len(answers) == 30  # each round is the answer to one kind of prompt and to no other
    counts = {kind: answers.count(kind) for kind in ("both", "clicks", "logits")}
    assert min(counts.values()) > 0
    assert max(counts, key=counts.__getitem__) == "both"


def test_embedding_is_made_once_and_without_gradient(monkeypatch):
    net = tuning(rounds=3)
    calls = []
    embed = SamLP.embed
    monkeypatch.setattr(SamLP, "embed", lambda self, s: calls.append(1) or embed(self, s))
    output = net.train()(batch())
    assert len(calls) == 1
    net.loss(output, batch()).backward()
    assert all(p.grad is None for n, p in net.named_parameters() if "image_encoder" in n)


def test_evaluation_is_that_of_the_model():
    net = tuning().eval()
    with torch.no_grad():
        assert torch.equal(net(batch()), net.model.eval()(batch()))


def test_a_better_prediction_costs_less():
    net = tuning()
    data = batch()
    good = (2.0 * data["label"][:, None, ::4, ::4] - 1).float()

    def cost(scale: float) -> float:
        first = PlateOutput((scale * good).expand(-1, 3, -1, -1), torch.zeros(2, 3))
        later = PlateOutput((scale * good).expand(-1, 4, -1, -1), torch.zeros(2, 4))
        none = torch.zeros(2, 0, 64, 64, dtype=torch.bool)
        return net.loss(
            InteractiveOutput([first, later], [], none, none.flatten(2).any(2)), data
        ).item()

    assert cost(10.0) < cost(1.0) < cost(-1.0)


def test_negative_labels_are_ignored_like_255_and_others_refused():
    net = tuning(iou_weight=0.5)
    data, none = batch(), torch.zeros(2, 0, 64, 64, dtype=torch.bool)
    later = PlateOutput(torch.randn(2, 4, 16, 16), torch.rand(2, 4))

    def cost(value: int, masks: torch.Tensor) -> float:
        label = data["label"].clone()
        label[:, :32] = value
        first = PlateOutput(torch.ones(2, 3, 16, 16), torch.zeros(2, 3))
        rounds = [first, later._replace(masks=masks)]
        output = InteractiveOutput(rounds, [], none, none.flatten(2).any(2))
        return net.loss(output, data | {"label": label}).item()

    other = later.masks.clone()
    other[:, :, :7] = 3.0  # changes nothing where the label does not count
    assert cost(0, later.masks) != pytest.approx(cost(0, other))
    ignored = cost(255, later.masks)
    assert cost(-1, later.masks) == ignored
    assert cost(-1, other) == pytest.approx(ignored)
    with pytest.raises(ValueError, match="labels must lie in 0…1 or be 255"):
        cost(2, other)


def test_an_image_without_a_known_pixel_has_no_part():
    net, data = tuning(iou_weight=1.0), batch()
    data["label"][1] = 255

    def cost(images: slice) -> tuple[float, PlateOutput]:
        number = len(data["label"][images])
        none = torch.zeros(number, 0, 64, 64, dtype=torch.bool)
        first = PlateOutput(torch.full((number, 3, 16, 16), -1e3), torch.zeros(number, 3))
        masks = torch.zeros(number, 4, 16, 16).requires_grad_()
        later = PlateOutput(masks, torch.full((number, 4), 0.3).requires_grad_())
        output = InteractiveOutput([first, later], [], none, none.flatten(2).any(2))
        loss = net.loss(output, {"label": data["label"][images]})
        loss.backward()
        return loss.item(), later

    both, later = cost(slice(0, 2))
    plate = int((data["label"][0] == 1).sum())
    # an empty mask in the first round; in the second half of each pixel by Dice, and nothing at the cut
    first, second = 1 - 1 / (plate + 1), 1 - (plate + 1) / (2048 + plate + 1)
    assert both == pytest.approx((first + 0 + second + 0.3**2) / 2)
    assert both == pytest.approx(cost(slice(0, 1))[0])
    for x in (later.masks, later.iou):
        assert x.grad is not None
        assert not x.grad[1].any()
        assert x.grad[0].any()
    assert cost(slice(1, 2))[0] == 0


def test_objects_are_drawn_among_those_there():
    instances = torch.zeros(2, 8, 8, dtype=torch.long)
    instances[0, 2:4, 2:4] = 7
    torch.manual_seed(0)
    masks, present = some_objects(instances, 5)
    assert masks.shape == (2, 5, 8, 8)
    assert torch.equal(masks[0], (instances[0] == 7).expand(5, 8, 8))
    assert present.tolist() == [[True] * 5, [False] * 5]


def test_masks_on_the_square():
    masks = torch.ones(1, 2, 30, 60, dtype=torch.bool)
    square = on_square(masks, 64)
    assert square.shape == (1, 2, 64, 64)
    assert square[:, :, :32].all()
    assert not square[:, :, 32:].any()
    assert on_square(masks[:, :0], 64).shape == (1, 0, 64, 64)


def test_a_batch_without_objects_can_be_rehearsed():
    net = tuning(rehearsal=2).train()
    data = batch() | {"instances": torch.zeros(2, 64, 64, dtype=torch.long)}
    loss = net.loss(net(data), data)
    assert torch.isfinite(loss)
    loss.backward()


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_every_documented_precision(precision):
    sample = [{k: v[0] for k, v in with_objects(1).items()}]
    losses = []
    for kind in ("32-true", precision):
        config = TrainConfig(
            steps=1, batch=1, warmup=0, device="cpu", progress=False, precision=kind
        )
        net = tuning(rounds=2, rehearsal=2, iou_weight=1.0)
        losses.append(fit(net, sample, config=config)["loss"])
    # clicks may fall elsewhere where a pixel is found by a hair
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_faults_say_what_to_do():
    with pytest.raises(ValueError, match="at least 2 rounds, got 1"):
        tuning(rounds=1)
    with pytest.raises(ValueError, match="rehearsal must not be negative"):
        tuning(rehearsal=-1)
    with pytest.raises(ValueError, match="build it with tuning='lora'"):
        PromptTuning(small(tuning="encoder"))
    with pytest.raises(ValueError, match="with rehearsal=0"):
        tuning(rehearsal=1).train()(batch())
