"""PyTorch's own attention and transformer encoders read weights and call no parts; what stands there must act."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.tuning import (
    SerialAdapter,
    attach_adapters,
    attach_lora,
    attach_scale_shift,
    injected_names,
)
from mfnet_lite.tuning.weight_readers import reader_of

TOKENS = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(1))


def encoder() -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation=nn.GELU(), batch_first=True
    )
    return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8)).eval()


def filled(model: nn.Module) -> nn.Module:
    """Give all that trains a value, as training would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.4, generator=generator)
    return model


def in_both_modes(model: nn.Module) -> tuple[Tensor, Tensor]:
    """What training computes, and evaluation on the fast path."""
    with torch.no_grad():
        return model.train()(TOKENS), model.eval()(TOKENS)


@pytest.fixture
def without_fast_path() -> Iterator[None]:
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize("target", ["linear1", "linear2", "self_attn.out_proj"])
@pytest.mark.parametrize("add", [attach_lora, attach_scale_shift], ids=lambda f: f.__name__)
def test_what_answers_for_the_weight_acts_alike_in_both_modes(add, target) -> None:
    trained, evaluated = in_both_modes(filled(add(encoder(), target)))
    torch.testing.assert_close(trained, evaluated)
    assert (evaluated - in_both_modes(encoder())[1]).abs().max() > 0.01


@pytest.mark.parametrize(
    ("target", "reader", "when"),
    [
        ("linear1", "TransformerEncoderLayer", "in evaluation reads"),
        ("linear2", "TransformerEncoderLayer", "in evaluation reads"),
        ("norm1", "TransformerEncoderLayer", "in evaluation reads"),
        ("dropout2", "TransformerEncoderLayer", "in evaluation reads"),  # was passed over unseen
        ("activation", "TransformerEncoderLayer", "in evaluation reads"),  # this one, too
        ("out_proj", "MultiheadAttention", "which reads"),
        ("layers.1", "TransformerEncoder", "which reads"),
    ],
)
def test_an_adapter_that_would_be_passed_over_is_refused(target, reader, when) -> None:
    model = encoder()
    with pytest.raises(ValueError, match=rf"part of an nn\.{reader}, .*{when}.* SerialAdapter"):
        attach_adapters(model, target, d=8)
    assert not injected_names(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_called_part_of_an_encoder_takes_an_adapter() -> None:
    model = filled(attach_adapters(encoder(), "[n]orm"))
    assert isinstance(model.norm, SerialAdapter)
    trained, evaluated = in_both_modes(model)
    torch.testing.assert_close(trained, evaluated)


def test_linear_layers_are_sent_to_lora_and_others_are_not() -> None:
    with pytest.raises(ValueError, match="use attach_lora there"):
        attach_adapters(encoder(), "linear1")
    with pytest.raises(ValueError, match="passed over; leave it out of the targets"):
        attach_adapters(encoder(), "norm2")


@pytest.mark.usefixtures("without_fast_path")
@pytest.mark.parametrize("target", ["linear2", "norm1", "dropout2"])
def test_without_the_fast_path_parts_are_called(target) -> None:
    trained, evaluated = in_both_modes(filled(attach_adapters(encoder(), target, d=8)))
    torch.testing.assert_close(trained, evaluated)
    assert (evaluated - in_both_modes(encoder())[1]).abs().max() > 0.01


@pytest.mark.usefixtures("without_fast_path")
def test_attention_is_never_called_with_one_input() -> None:
    with pytest.raises(ValueError, match="MultiheadAttention reads query, key, value"):
        attach_adapters(encoder(), "self_attn")
    with pytest.raises(ValueError, match=r"part of an nn\.MultiheadAttention"):
        attach_adapters(encoder(), "out_proj")


def test_dropout_that_would_never_act_is_refused() -> None:
    """The weight in effect is read in training, too, and dropout is no part of it."""
    model = encoder()
    with pytest.raises(ValueError, match=r"0\.self_attn\.out_proj .* dropout of 0 there, got 0\.5"):
        attach_lora(model, ("linear1", "out_proj"), dropout=0.5)
    assert not injected_names(model)
    attach_lora(model, "linear1", dropout=0.5)


def test_any_reader_of_an_attribute_is_told_why_it_is_not_there() -> None:
    """Blocks of other libraries read weights, too; nobody can know them all before."""
    adapter = SerialAdapter(nn.Linear(4, 4))
    with pytest.raises(AttributeError, match=r"reads 'weight' of this Linear .* SerialAdapter"):
        _ = adapter.weight
    with pytest.raises(AttributeError, match="'SerialAdapter' object has no attribute 'wieght'"):
        _ = adapter.wieght


def test_lists_are_looked_through() -> None:
    model = encoder()
    assert reader_of(model, "layers.0") is model
    assert reader_of(model, "layers.0.linear1") is model.layers[0]
    assert reader_of(model, "norm") is None
