"""LoRA in the files of Hugging Face's peft, out and in.

peft keeps a LoRA as two files in one folder: ``adapter_config.json`` (ranks, alphas, which modules) and
``adapter_model.safetensors`` (``base_model.model.<module>.lora_A.weight`` and ``lora_B``). This module
reads and writes them without peft. Its scaling is ours, alpha / rank. peft knows no fused qkv: the
update of chosen q, k and v slices is written as one plain LoRA of several times the rank, the same function.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from einops import rearrange
from torch import Tensor, nn

from mfnet_lite.tuning.bookkeeping import trained_state
from mfnet_lite.tuning.frozen import check_linear
from mfnet_lite.tuning.inject import InjectedWrapper, attach, find_modules, places_of
from mfnet_lite.tuning.lora import LoRALayer, LoRALinear, LoRAQKV
from mfnet_lite.tuning.peft_config import read_config, scaling_of, taken_out
from mfnet_lite.tuning.weight_readers import reader_of
from mfnet_lite.utils.checked_files import read_tensors, write_tensors
from mfnet_lite.utils.files import write_text

__all__ = ["export_peft", "import_peft"]

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
_KEY = re.compile(re.escape(PREFIX) + r"(.+)\.lora_([AB])\.weight")


class _Update(NamedTuple):
    """A, B and their factor for one layer."""

    a: Tensor
    b: Tensor
    scaling: float


M = TypeVar("M", bound=nn.Module)


def export_peft(
    model: nn.Module, folder: str | Path, base_name: str | None = None, only_lora: bool = False
) -> None:
    """Write every LoRA of a model as a folder that peft's ``PeftModel.from_pretrained`` loads.

    Args:
        model: A network with LoRA. The base's weights are not written.
        folder: Where to; made if missing.
        base_name: Name or path of the base model, for peft's config.
        only_lora: Leave out what else was trained, such as a head; without it that is an error.

    Raises:
        ValueError: If there is no LoRA, there are other injected modules or layers with two names, which peft could
            not represent, the LoRA is on the projection behind an ``nn.MultiheadAttention``, which peft never calls, or
            something else trains beside the LoRA.

    Warns:
        UserWarning: If a LoRA is on a layer that PyTorch's fast path of ``nn.TransformerEncoderLayer`` goes round.
    """
    layers = {n: m for n, m in model.named_modules() if isinstance(m, LoRALayer)}
    others = [
        n for n, m in model.named_modules() if isinstance(m, InjectedWrapper) and n not in layers
    ]
    if not layers or others:
        what = f"{others[0]} is another injected module" if others else "it has no LoRA"
        raise ValueError(
            f"the model cannot be exported for peft, since {what}; attach_lora makes one"
        )
    for layer in layers.values():
        _check_one_place(model, layer)
    _check_is_called(model, list(layers))
    beside = [] if only_lora else _trained_beside(model)
    if beside:
        more = f" and {len(beside) - 1} more train" if beside[1:] else " trains"
        raise ValueError(
            f"the files of peft are written with LoRA alone, but {beside[0]}{more}, too, and would be lost: keep it "
            "with save_delta, freeze it if it is the base's, or leave it out with only_lora=True"
        )
    factors = {name: _plain_factors(layer) for name, layer in layers.items()}
    ranks = {name: len(a) for name, (a, _) in factors.items()}
    # Blocks side by side multiply the rank; the alpha grows with it, so that the scaling stays.
    alphas = {name: layer.scaling * ranks[name] for name, layer in layers.items()}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    first = next(iter(layers.values()))
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base_name,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": first.dropout.p if isinstance(first.dropout, nn.Dropout) else 0.0,
        "target_modules": _targets(model, list(layers)),
        "rank_pattern": {_exactly(n): r for n, r in ranks.items() if r != rank},
        "alpha_pattern": {_exactly(n): a for n, a in alphas.items() if a != alpha},
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
    }
    tensors = {}
    for name, (a, b) in factors.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = a
        tensors[f"{PREFIX}{name}.lora_B.weight"] = b
    folder = Path(folder)
    write_tensors(folder / WEIGHTS_FILE, tensors, {"format": "pt"})
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def import_peft(model: M, folder: str | Path) -> M:
    """Attach the LoRA of a peft folder to the network it was trained on, and freeze the rest.

    Args:
        model: The base network, without injected modules; changed in place only if everything fits.
        folder: With ``adapter_config.json`` and ``adapter_model.safetensors``.

    Returns:
        The same model, with a :class:`LoRALinear` for every module of the folder. Adapters that began as PiSSA
        or OLoRA become LoRA of twice the rank, since the base keeps the weights that peft would change:
        the same function (:mod:`mfnet_lite.tuning.peft_config`).

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If the folder holds anything but plain LoRA for linear layers, does not fit, or updates a layer
            that the model holds in two places.
    """
    folder = Path(folder)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder / file} does not exist; {_instead(folder, file)}")
    config = read_config(folder / CONFIG_FILE)
    factors = _read_factors(folder / WEIGHTS_FILE)
    linears = {
        n: m for n, m in find_modules(model, ["*"], nn.Linear).items() if isinstance(m, nn.Linear)
    }
    updates: dict[nn.Module, _Update] = {}
    for name, (a, b) in factors.items():
        shape, there = (len(b), a.shape[1]), linears.get(name)
        if there is None or (there.out_features, there.in_features) != shape:
            own = (there.out_features, there.in_features) if there else None
            found = f"one of shape {own}" if there else "none there"
            raise ValueError(
                f"{folder / WEIGHTS_FILE} updates a linear layer {name} of shape {shape}, the model has "
                f"{found}; load it on the network it belongs to"
            )
        check_linear(there, name)
        _check_one_place(model, there)
        scaling = scaling_of(config, name, len(a))
        taken = taken_out(config, there, name, scaling)
        if taken is not None:
            a, b = torch.cat([a, taken[0].to(a)]), torch.cat([b, -taken[1].to(b)], dim=1)
        updates[there] = _Update(a, b, scaling)

    def wrap(base: nn.Module) -> LoRALinear:
        assert isinstance(base, nn.Linear)
        a, b, scaling = updates[base]
        layer = LoRALinear(base, len(a), scaling * len(a), config.get("lora_dropout", 0.0))
        with torch.no_grad():
            layer.lora_a.copy_(a)
            layer.lora_b.copy_(b)
        return layer

    # as patterns with a wildcard, which fit whole names only: without one a name would fit the end of longer ones
    return attach(model, [f"[{name[0]}]{name[1:]}" for name in factors], wrap, nn.Linear)


def _check_one_place(model: nn.Module, layer: nn.Module) -> None:
    """Refuse a layer that is registered twice: peft adapts one place, attach_lora both."""
    places = places_of(model, layer)
    if len(places) > 1:
        raise ValueError(
            f"{places[0]} and {places[1]} are one layer, of which peft adapts {places[0]} alone, expected one place "
            "for each layer: use save_delta and load_delta instead, or train a network with a layer of its own in each"
        )


def _check_is_called(model: nn.Module, names: list[str]) -> None:
    """Refuse, or warn of, layers whose weights PyTorch's own modules read without calling the layer.

    Our LoRA answers for the weight in effect and acts there; peft's (0.21, with PyTorch 2.15) is passed over.
    """
    readers = {name: reader_of(model, name) for name in names}
    for name, reader in readers.items():
        if isinstance(reader, nn.MultiheadAttention):
            raise ValueError(
                f"{name} is the projection behind an nn.MultiheadAttention, which reads its weight and never calls "
                "it, so that peft would load the file and ignore the update: keep it with save_delta, or merge it "
                "and save the whole network"
            )
    passed = [name for name, reader in readers.items() if reader is not None]
    if passed:
        warnings.warn(
            f"in evaluation PyTorch's fast path reads the weight below peft's update of {passed[0]} in an "
            "nn.TransformerEncoderLayer, and the update is ignored: after loading, call merge_and_unload() or "
            "torch.backends.mha.set_fastpath_enabled(False)",
            stacklevel=3,
        )


def _trained_beside(model: nn.Module) -> list[str]:
    """Name what trains and is not LoRA: parameters, and running statistics.

    Other buffers, such as tables of positions, count as trained wherever a LoRA stands beside them, but no step
    changes them.
    """
    counted = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for name, module in model.named_modules(remove_duplicate=False):
        if getattr(module, "running_mean", None) is not None:
            counted |= {f"{name}.{key}" for key in module._buffers}
        if isinstance(module, LoRALayer):
            counted -= {f"{name}.lora_a", f"{name}.lora_b"}
    return [name for name in trained_state(model) if name in counted]


def _plain_factors(layer: LoRALayer) -> tuple[Tensor, Tensor]:
    """Give A (rank, in) and B (out, rank) of the whole layer, on the CPU."""
    a, b = layer.lora_a.detach().cpu(), layer.lora_b.detach().cpu()
    if isinstance(layer, LoRAQKV):
        # B becomes a matrix of blocks: each slice reads only its own rows of A
        blocks = b.new_zeros(3, b.shape[1], len(b), b.shape[2])
        for i, row in enumerate(layer.rows.tolist()):
            blocks[row, :, i] = b[i]
        a = rearrange(a, "part rank into -> (part rank) into")
        b = rearrange(blocks, "slice row part rank -> (slice row) (part rank)")
    return a.contiguous(), b.contiguous()


def _read_factors(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Read name → (A, B) from peft's tensors."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_tensors(path)[0].items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError(
                f"{path} holds {key}, expected only lora_A and lora_B of linear layers: save the "
                "adapter without modules_to_save"
            )
        found.setdefault(match[1], {})[match[2]] = tensor
    for name, pair in found.items():
        if pair.keys() != {"A", "B"} or any(t.ndim != 2 for t in pair.values()):
            raise ValueError(
                f"{path} has no pair of matrices lora_A and lora_B for {name}, expected one for every "
                "module: adapt linear layers only"
            )
        if len(pair["A"]) != pair["B"].shape[1]:
            raise ValueError(
                f"{path} has for {name} a lora_A of rank {len(pair['A'])} and a lora_B of rank "
                f"{pair['B'].shape[1]}, expected equal ranks: save the adapter again"
            )
    if not found:
        raise ValueError(f"{path} holds no LoRA: save the adapter again")
    return {name: (pair["A"], pair["B"]) for name, pair in found.items()}


def _targets(model: nn.Module, names: list[str]) -> list[str] | str:
    """Name the target modules as peft does; by one regular expression where names are ambiguous.

    peft takes a listed name as the end of longer ones too.
    """
    linears = [n for n, m in model.named_modules() if isinstance(m, nn.Linear | LoRALayer)]
    bases = {f"{name}.base" for name in names}
    for name in linears:
        if name not in bases and any(name.endswith(f".{target}") for target in names):
            return "|".join(re.escape(target) for target in names)
    return names


def _exactly(name: str) -> str:
    """Make a key of rank_pattern or alpha_pattern, a regular expression, that fits one name."""
    return "^" + re.escape(name)


def _instead(folder: Path, file: str) -> str:
    """What to do about a file that is missing."""
    if file == WEIGHTS_FILE and (folder / "adapter_model.bin").is_file():
        return "adapter_model.bin is no safe format; save the adapter with a peft of today"
    named = sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    if named:  # what peft makes of an adapter with a name of its own
        return f"peft saved it as {named[0]}; give that folder"
    return "save the adapter with peft's save_pretrained first"
