"""Adapters that other people's peft saved: the same function as peft's own reload, or a refusal.

Situations: huggingface/peft#2184 (PiSSA changes the base without a word), #1929 and #1930 (conversion with patterns and
rank-stabilised scaling), sgl-project/sglang#40835 and NVIDIA/TensorRT-LLM#1668 (rank-stabilised adapters read with
the plain factor), huggingface/peft#638 and #444 (LoRA on int8 layers). The referee is peft itself.
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path

import peft
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning import (
    InjectedWrapper,
    attach_lora,
    base_hash,
    detach,
    export_peft,
    freeze,
    import_peft,
    merge,
)
from mfnet_lite.tuning.peft_config import HARMLESS, NEUTRAL


class Net(nn.Module):
    """Square and oblong layers, and a word table."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 8)
        layers = nn.ModuleList(nn.ModuleDict({"fc": nn.Linear(8, 8)}) for _ in range(3))
        self.body = nn.ModuleDict({"layers": layers})
        self.wide = nn.Linear(8, 12)
        self.thin = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.words(torch.arange(len(x)) % 7)
        for layer in self.body["layers"]:
            x = torch.tanh(layer["fc"](x))
        return self.thin(torch.tanh(self.wide(x)))


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


X = torch.randn(9, 8, generator=torch.Generator().manual_seed(1))
TARGETS = ["body.layers.0.fc", "body.layers.1.fc", "wide", "thin"]


def trained(folder: Path, **options) -> tuple[Tensor, nn.Module]:
    """Train an adapter with peft and save it; the output then, and the model."""
    config = peft.LoraConfig(**({"r": 4, "lora_alpha": 6, "target_modules": TARGETS} | options))
    model = net()
    torch.manual_seed(2)
    model = peft.get_peft_model(model, config)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.2)
    for _ in range(5):
        optimizer.zero_grad()
        ((model(X) - 1) ** 2).mean().backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    return model(X).detach(), model


def reloaded(folder: Path) -> Tensor:
    model = net()
    torch.manual_seed(3)
    return peft.PeftModel.from_pretrained(model, folder)(X).detach()


RANKS = {"rank_pattern": {"wide": 3}, "alpha_pattern": {"body.layers.1.fc": 2.5}}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": "orthogonal"},
        {"init_lora_weights": "mica", "r": 2},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "pissa", "use_rslora": True},
        {"init_lora_weights": "pissa", **RANKS},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "olora", "use_rslora": True},
        {"init_lora_weights": "olora", **RANKS},
        {"use_rslora": True},
        RANKS,
        {"use_rslora": True, **RANKS},
        {"target_modules": ["fc"], "layers_to_transform": [0, 2]},
        {"target_modules": r"body\.layers\.\d\.fc", "exclude_modules": ["body.layers.1.fc"]},
        {"target_modules": ["wide"], "lora_dropout": 0.3},
    ],
    ids=str,
)  # fmt: skip
def test_the_function_that_peft_reloads(tmp_path, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's hints on conversion
        then, _ = trained(tmp_path, **options)
        theirs = reloaded(tmp_path)
    model = import_peft(net(), tmp_path)
    assert (theirs - net()(X)).abs().max() > 0.01
    torch.testing.assert_close(theirs, then)  # peft is right here, so it may be the referee
    torch.testing.assert_close(model(X), theirs)
    torch.testing.assert_close(merge(model)(X), theirs)
    assert torch.equal(detach(model)(X), net()(X))  # the base keeps its weights, whatever peft did


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_a_converted_adapter(tmp_path, init):
    """peft's own way to a plain LoRA: the start saved beside the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["wide"], init_lora_weights=init)
        model = peft.get_peft_model(net(), config)
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(tmp_path / "start")
        model.peft_config["default"].init_lora_weights = init
        with torch.no_grad():
            model.base_model.model.wide.lora_A["default"].weight.mul_(1.5)
        then = model.eval()(X).detach()
        model.save_pretrained(
            tmp_path / "end", path_initial_model_for_weight_conversion=str(tmp_path / "start")
        )
    torch.testing.assert_close(import_peft(net(), tmp_path / "end")(X), then)


def test_a_base_changed_by_what_no_file_holds(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        then, _ = trained(tmp_path, init_lora_weights="pissa_niter_1", r=2)
        assert (reloaded(tmp_path) - then).abs().max() > 1e-3  # peft itself draws another start
    refused(
        tmp_path,
        r"adapter_config.json has init_lora_weights='pissa_niter_1', expected one of True, '",
    )


@pytest.mark.parametrize(
    "init", ["corda", "lora_ga", "loftq", "pissa_niter_16", "something new", 0.5]
)
def test_inits_that_need_data_or_are_unknown(tmp_path, init):
    trained(tmp_path)
    edit(tmp_path, init_lora_weights=init)
    refused(
        tmp_path, f"init_lora_weights={init!r}, expected one of .*path_initial_model_for_weight"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"bias": "all"}, "bias='all'"),
        ({"bias": "lora_only"}, "bias='lora_only'"),
        ({"lora_bias": True}, "lora_bias=True"),
        ({"modules_to_save": ["body.layers.2.fc"]}, "modules_to_save="),
        ({"target_modules": ["words"]}, "lora_embedding_A"),
        ({"trainable_token_indices": {"words": [1, 2]}}, "trainable_token_indices="),
        (
            {"target_modules": [], "target_parameters": ["body.layers.0.fc.weight"]},
            "target_parameters=",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_that_are_not_plain_lora(tmp_path, options, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained(tmp_path, **options)
    refused(tmp_path, message)


@pytest.mark.parametrize(
    "options",
    [
        {"layer_replication": [[0, 2], [1, 2]]},
        {"alora_invocation_tokens": [5]},
        {"use_qalora": True},
        {"use_bdlora": {"nblocks": 2}},
        {"kasa_config": {"beta": 1e-4}},
        {"monteclora_config": {"num_samples": 8}},
        {"arrow_config": {"top_k": 1}},
        {"velora_config": {"num_groups": 2}},
        {"ensure_weight_tying": True},
        {"peft_type": "ADALORA"},
        {"an_option_of_next_year": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_are_refused_by_name(tmp_path, options):
    trained(tmp_path)
    edit(tmp_path, **options)
    refused(tmp_path, f"adapter_config.json has {next(iter(options))}=.*merge that adapter")


def test_every_option_of_this_peft_is_decided():
    written = json.loads(json.dumps(peft.LoraConfig(target_modules=["a"]).to_dict(), default=list))
    assert set(written) - HARMLESS - set(NEUTRAL) == set()


def test_a_named_adapter_and_other_mistakes(tmp_path):
    config = peft.LoraConfig(target_modules=["wide"])
    peft.get_peft_model(net(), config, adapter_name="roofs").save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"peft saved it as .*roofs; give that folder"):
        import_peft(net(), tmp_path)
    (tmp_path / "roofs" / "adapter_config.json").write_text("[1]")
    refused(tmp_path / "roofs", "is not the config of a peft adapter")


def test_pissa_on_a_quantised_base(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained(tmp_path, init_lora_weights="pissa", target_modules=["wide"])
    model = net()
    model.wide = Int8Linear(model.wide)
    with pytest.raises(ValueError, match=r"wide holds torch\.int8 weights, but"):
        import_peft(model, tmp_path)


# --- layers whose weights take no gradients


class Int8Linear(nn.Linear):
    """A layer as quantisation libraries make them: integers and a step."""

    def __init__(self, old: nn.Linear) -> None:
        super().__init__(old.in_features, old.out_features)
        self.step = old.weight.detach().abs().max() / 127
        integers = (old.weight.detach() / self.step).round().to(torch.int8)
        self.weight = nn.Parameter(integers, requires_grad=False)
        self.bias = old.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype) * self.step.to(x.dtype), self.bias.to(x.dtype))


def quantised() -> Net:
    model = net()
    first = model.body["layers"][0]
    first["fc"], model.wide = Int8Linear(first["fc"]), Int8Linear(model.wide)
    return model


def test_lora_beside_int8_weights_is_that_of_peft(tmp_path):
    model = attach_lora(quantised(), ["wide", "body.layers.0.fc"], rank=2, seed=0)
    assert torch.equal(model(X), quantised()(X))
    with torch.no_grad():
        model.wide.lora_b.normal_(0, 0.5)
    export_peft(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(quantised(), tmp_path)
    assert (model(X) - quantised()(X)).abs().max() > 0.05
    torch.testing.assert_close(theirs(X), model(X))
    assert torch.equal(import_peft(quantised(), tmp_path)(X), model(X))
    ((model(X) - 1) ** 2).mean().backward()
    assert model.wide.lora_a.grad.abs().sum() > 0
    assert base_hash(model) == base_hash(freeze(quantised()))
    with pytest.raises(
        ValueError, match="the int8 weight of this Int8Linear is quantised, so that no"
    ):
        merge(model)
    assert torch.equal(detach(model)(X), quantised()(X))


def edit(folder: Path, **options) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | options))


def refused(folder: Path, message: str) -> None:
    model = net()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message) as error:
        import_peft(model, folder)
    assert "\n" not in str(error.value)
    assert not any(isinstance(m, InjectedWrapper) for m in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
