"""LoRA files of Hugging Face's peft, both ways, against the real peft."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from mfnet_lite.tuning import (
    InjectedWrapper,
    LoRALinear,
    attach_lora,
    detach,
    export_peft,
    import_peft,
    save_delta,
)


class Net(nn.Module):
    """Names of which one is the end of another: "lin" and "block.lin"."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(6, 6)
        self.block = nn.ModuleDict({"lin": nn.Linear(6, 6), "qkv": nn.Linear(6, 18)})
        self.head = nn.Linear(18, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.block["qkv"](torch.tanh(self.block["lin"](torch.tanh(self.lin(x)))))
        return self.head(torch.tanh(y))


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def randomise(model: nn.Module) -> None:
    """Give every update a value, as training would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.4, generator=generator)


X = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "targets",
    [("lin", "head"), ("head",), ("block.lin",), ("[l]in",), ("qkv",), ("qkv", "lin", "head")],
    ids="-".join,
)
@pytest.mark.parametrize("alpha", [None, 1.5])
def test_peft_loads_what_we_export(tmp_path: Path, targets, alpha):
    """Names that are ends of other names, a fused qkv, and layers of unequal rank included."""
    model = attach_lora(net(), targets, rank=2, alpha=alpha)
    randomise(model)
    assert (model(X) - net()(X)).abs().max() > 0.01
    export_peft(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(net(), tmp_path)
    torch.testing.assert_close(theirs(X), model(X))
    torch.testing.assert_close(theirs.merge_and_unload()(X), model(X))


def encoder() -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 1).eval()


TOKENS = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(1))


def test_an_update_that_peft_would_never_call_is_not_written(tmp_path: Path):
    """Attention reads the weight of its output projection; ours answers for it, peft's is passed over."""
    model = attach_lora(encoder(), ("out_proj",), rank=2)
    randomise(model)
    assert (model(TOKENS) - encoder()(TOKENS)).abs().max() > 0.01
    with pytest.raises(ValueError, match=r"self_attn\.out_proj is the projection behind"):
        export_peft(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_fast_path_goes_round_updates_of_peft(tmp_path: Path):
    model = attach_lora(encoder(), ("linear1", "linear2"), rank=2)
    randomise(model)
    with pytest.warns(UserWarning, match=r"fast path .*linear1 .* merge_and_unload"):
        export_peft(model, tmp_path)
    with torch.no_grad():
        ours = model(TOKENS)
        theirs = peft.PeftModel.from_pretrained(encoder(), tmp_path).eval()
        torch.testing.assert_close(theirs(TOKENS), encoder()(TOKENS))  # why there is a warning
        torch.testing.assert_close(theirs.merge_and_unload()(TOKENS), ours)
    assert (ours - encoder()(TOKENS)).abs().max() > 0.01


@pytest.mark.parametrize("rslora", [False, True])
def test_we_load_what_peft_saves(tmp_path: Path, rslora):
    config = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        target_modules=["lin", "head"],
        rank_pattern={"head": 2},
        alpha_pattern={"block.lin": 7},
        use_rslora=rslora,
        lora_dropout=0.25,
    )
    theirs = peft.get_peft_model(net(), config).eval()
    randomise(theirs)
    theirs.save_pretrained(tmp_path)
    model = import_peft(net(), tmp_path)
    torch.testing.assert_close(model(X), theirs(X))
    root = 0.5 if rslora else 1
    assert {n: m.rank for n, m in model.named_modules() if isinstance(m, LoRALinear)} == {
        "lin": 3, "block.lin": 3, "head": 2,
    }  # fmt: skip
    assert model.lin.scaling == pytest.approx(5 / 3**root)
    assert model.block["lin"].scaling == pytest.approx(7 / 3**root)
    assert model.lin.dropout.p == 0.25
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        n for n, _ in model.named_parameters() if "lora_" in n
    }
    assert torch.equal(detach(model)(X), net()(X))


def test_there_and_back_is_exact(tmp_path: Path):
    model = attach_lora(net(), ("lin", "qkv"), rank=2, alpha=3)
    randomise(model)
    export_peft(model, tmp_path, base_name="a/name")
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
    again = import_peft(net(), tmp_path)
    # the fused qkv has become one plain LoRA of twice the rank, of the same function
    assert again.block["qkv"].rank == 4
    torch.testing.assert_close(again.block["qkv"].delta_weight(), model.block["qkv"].delta_weight())
    assert torch.equal(again.lin.lora_a, model.lin.lora_a)
    assert again.lin.scaling == model.lin.scaling
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


# peft 0.21 asks transformers 5.23 for an attribute by its old name; nothing of ours is concerned
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_transformers_model(tmp_path: Path):
    config = ViTConfig(
        image_size=16, patch_size=8, hidden_size=8, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    base = ViTForImageClassification(config).eval()
    x = torch.rand(1, 3, 16, 16)
    ours = attach_lora(copy.deepcopy(base), ("q_proj", "v_proj"), rank=2, alpha=4)
    randomise(ours)
    export_peft(ours, tmp_path)
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(base), tmp_path)
    torch.testing.assert_close(theirs(pixel_values=x).logits, ours(pixel_values=x).logits)
    theirs.save_pretrained(tmp_path / "back")
    again = import_peft(base, tmp_path / "back")
    assert torch.equal(again(pixel_values=x).logits, ours(pixel_values=x).logits)


# --- faults: nothing is attached


def saved(folder: Path, **config) -> Path:
    export_peft(attach_lora(net(), ("head",), rank=2), folder)
    if config:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def change(folder: Path, new: dict[str, Tensor], without: str = "none") -> None:
    path = folder / "adapter_model.safetensors"
    tensors = {k: v for k, v in load_file(path).items() if without not in k}
    save_file(tensors | new, path)


A, B = (f"base_model.model.head.lora_{m}.weight" for m in "AB")


@pytest.mark.parametrize(
    ("new", "without", "message"),
    [
        ({}, "lora_B", "no pair of matrices lora_A and lora_B for head"),
        ({A: torch.zeros(2, 3, 1, 1)}, "none", "no pair of matrices"),
        ({A: torch.zeros(3, 18)}, "none", "lora_A of rank 3 and a lora_B of rank 2"),
        ({A: torch.zeros(2, 5)}, "none", r"head of shape \(4, 5\), the model has one of .*\(4, 18\)"),
        ({"base_model.model.head.weight": torch.zeros(1)}, "none", "holds base_model.model.head.w"),
        ({}, "lora", "holds no LoRA"),
        (
            {A.replace("head", "tail"): torch.zeros(2, 18), B.replace("head", "tail"): torch.zeros(4, 2)},
            "none",
            "tail of shape .*, the model has none there",
        ),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit(tmp_path: Path, new, without, message):
    change(saved(tmp_path), new, without)
    model = net()
    with pytest.raises(ValueError, match=message) as error:
        import_peft(model, tmp_path)
    assert "adapter_model.safetensors" in str(error.value)
    assert not any(isinstance(m, InjectedWrapper) for m in model.modules())


@pytest.mark.parametrize(
    "option", [{"use_dora": True}, {"bias": "lora_only"}, {"fan_in_fan_out": True}]
)
def test_options_that_change_the_function(tmp_path: Path, option):
    name, value = next(iter(option.items()))
    with pytest.raises(ValueError, match=f"adapter_config.json has {name}={value!r}, expected"):
        import_peft(net(), saved(tmp_path, **option))


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file(tmp_path: Path, name):
    (saved(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} does not exist"):
        import_peft(net(), tmp_path)


def test_what_peft_cannot_represent(tmp_path: Path):
    with pytest.raises(ValueError, match="it has no LoRA"):
        export_peft(net(), tmp_path)
    model = attach_lora(net(), ("head",))
    model.lin = InjectedWrapper(model.lin)
    with pytest.raises(ValueError, match="lin is another injected module"):
        export_peft(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_trains_beside_the_lora_is_not_lost_without_a_word(tmp_path: Path):
    model = attach_lora(net(), ("lin",), rank=2)
    randomise(model)
    model.head.requires_grad_(True)
    model.head.bias.data += 1
    message = (
        r"^the files of peft are written with LoRA alone, but head\.weight and 1 more train, too, and would be "
        r"lost: keep it with save_delta, freeze it .*, or leave it out with only_lora=True$"
    )
    with pytest.raises(ValueError, match=message):
        export_peft(model, tmp_path)
    assert not list(tmp_path.iterdir())
    assert save_delta(model, tmp_path / "delta.safetensors").is_file()
    export_peft(model, tmp_path / "peft", only_lora=True)
    theirs = peft.PeftModel.from_pretrained(net(), tmp_path / "peft")
    torch.testing.assert_close(theirs(X) + 1, model(X))  # all but the bias of the head
    model.head.requires_grad_(False)
    model.head.bias.requires_grad_(True)
    with pytest.raises(ValueError, match=r"but head\.bias trains, too"):
        export_peft(model, tmp_path)


def test_running_statistics_that_move_count_and_fixed_tables_do_not(tmp_path: Path):
    model = attach_lora(nn.Sequential(net(), nn.BatchNorm1d(4)), ("lin",), rank=2)
    model[0].register_buffer(
        "table", torch.arange(6.0)
    )  # beside a LoRA, as tables of positions are
    export_peft(model, tmp_path / "frozen")
    model[1].weight.requires_grad_(True)
    with pytest.raises(ValueError, match=r"but 1\.weight and 3 more train"):  # and its statistics
        export_peft(model, tmp_path)
    # without weights of its own it moves as long as anything around it learns
    model = attach_lora(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, affine=False)), "0")
    with pytest.raises(ValueError, match=r"but 1\.running_mean and 2 more train"):
        export_peft(model, tmp_path)


class Repeated(nn.Module):
    """One layer in two places; its block has two names as well."""

    def __init__(self, apart: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = nn.ModuleDict({"lin": nn.Linear(6, 6)})
        self.alias = self.block
        self.lin = nn.Linear(6, 6)
        self.again = nn.Linear(6, 6) if apart else self.lin

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.lin(torch.tanh(self.alias["lin"](self.block["lin"](x))))))


def test_a_layer_in_two_places_is_refused_both_ways(tmp_path: Path):
    model = attach_lora(Repeated(), ("lin",), rank=2)
    message = r"^lin and again are one layer, of which peft adapts lin alone, expected .*: use save_delta .*$"
    with pytest.raises(ValueError, match=message):
        export_peft(model, tmp_path)
    assert not list(tmp_path.iterdir())
    config = peft.LoraConfig(r=2, target_modules=["lin"])
    theirs = peft.get_peft_model(Repeated(), config)
    assert (
        type(theirs.base_model.model.again) is nn.Linear
    )  # if peft adapts both one day, so may we
    theirs.save_pretrained(tmp_path)
    model = Repeated()
    with pytest.raises(ValueError, match=message):
        import_peft(model, tmp_path)
    assert not any(isinstance(m, InjectedWrapper) for m in model.modules())


def test_a_block_with_two_names_is_no_hindrance(tmp_path: Path):
    model = attach_lora(Repeated(apart=True).eval(), ("alias.lin", "lin"), rank=2)
    randomise(model)
    export_peft(model, tmp_path)
    assert torch.equal(import_peft(Repeated(apart=True).eval(), tmp_path)(X), model(X))
