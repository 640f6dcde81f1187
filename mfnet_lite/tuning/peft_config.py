"""Options of a LoRA in ``adapter_config.json`` of Hugging Face's peft, and which of them ours cannot be.

peft has many variants of LoRA under one file format, and each is a function of its own. Those that come to
``W + s·BA`` are read; every other is refused by name, and so is an option that a later peft may
bring: a wrong function would look like a right one.

Some initialisations change the *base*: PiSSA (Meng et al. 2024, arXiv 2404.02948) and OLoRA (Büyükakyüz 2024,
arXiv 2406.01775) take ``s·B₀A₀``, made of the weight's own singular values or columns, out of it. The files
hold A and B only, and peft repeats the decomposition when it loads them. So do we, but the base stays as
it is: ``(W − s·B₀A₀) + s·BA`` is a LoRA of ``[A; A₀]`` and ``[B, −B₀]`` beside W, peft's own conversion
(``path_initial_model_for_weight_conversion``). Where the decomposition is drawn at random or needs data, no file
holds what was taken out: refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.tuning.frozen import computes

__all__: list[str] = []  # what import_peft reads; not part of the interface

NEUTRAL: dict[str, Any] = {
    "peft_type": "LORA",
    "use_dora": False,
    "fan_in_fan_out": False,
    "bias": "none",
    "lora_bias": False,
    "use_qalora": False,
    "modules_to_save": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "layer_replication": None,
    "alora_invocation_tokens": None,
    "use_bdlora": None,
    "arrow_config": None,
    "kasa_config": None,
    "monteclora_config": None,
    "megatron_config": None,
    "velora_config": None,
    "ensure_weight_tying": False,
}
"""Options that change the function, with the value at which they do not."""

HARMLESS = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "lora_ga_config",
    "megatron_core", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision",
    "runtime_config", "target_modules", "task_type", "use_rslora",
})  # fmt: skip
"""Options that are read elsewhere, belong to one above, or say where the tensors of the file come from."""

PLAIN = frozenset({True, False, None, "gaussian", "orthogonal", "eva", "mica"})
"""Values of ``init_lora_weights`` that leave the base alone: where A and B started does not matter."""

DECOMPOSED = frozenset({"pissa", "olora"})


def read_config(path: Path) -> dict[str, Any]:
    """Read ``adapter_config.json`` and refuse what is not plain LoRA.

    Args:
        path: The file.

    Returns:
        Its options.

    Raises:
        ValueError: If it is not such a file, or has an option that changes the function in a way which our LoRA
            does not have.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        config["lora_alpha"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is not the config of a peft adapter ({error}): expected what save_pretrained writes; "
            "save the adapter again"
        ) from error
    assert isinstance(config, dict)
    for option, value in config.items():
        if option in HARMLESS:
            continue
        plain = NEUTRAL.get(option)
        if value != plain and value not in (None, False, "none", [], {}):
            known = "" if option in NEUTRAL else ", an option of another version of peft"
            raise ValueError(
                f"{path} has {option}={value!r}{known}, expected {plain!r}: merge that adapter into its "
                "model with peft instead (merge_and_unload)"
            )
    _check_init(path, config.get("init_lora_weights", True))
    return config


def _check_init(path: Path, init: Any) -> None:
    """Refuse an initialisation that took out of the base what no file holds."""
    if isinstance(init, str):
        init = init.lower()
    if isinstance(init, str | bool | None) and init in PLAIN | DECOMPOSED:
        return
    raise ValueError(
        f"{path} has init_lora_weights={init!r}, expected one of {', '.join(map(repr, _names()))}: that "
        "initialisation changes the base's weights in a way this folder does not record, so that peft itself cannot "
        "load it as it was trained; convert it in the training program (save_pretrained with "
        "path_initial_model_for_weight_conversion), or merge it there"
    )


def _names() -> list[Any]:
    return [True, *sorted(name for name in PLAIN | DECOMPOSED if isinstance(name, str))]


def scaling_of(config: Mapping[str, Any], name: str, rank: int) -> float:
    """Compute the factor of a module's update.

    Args:
        config: What :func:`read_config` gave.
        name: The module's.
        rank: Rows of its A.

    Returns:
        alpha / r or, "rank-stabilised", alpha / √r.
    """
    alpha = _by_pattern(config.get("alpha_pattern"), name, config["lora_alpha"])
    if _init(config) in DECOMPOSED:
        # a weight narrower than r has fewer singular values than that; peft divides by r all the same
        rank = int(_by_pattern(config.get("rank_pattern"), name, config.get("r", rank)))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def taken_out(
    config: Mapping[str, Any], base: nn.Linear, name: str, scaling: float
) -> tuple[Float[Tensor, "rank in"], Float[Tensor, "out rank"]] | None:
    """Compute what the initialisation took out of the base, as the factors A₀ and B₀ of ``s·B₀A₀``.

    Args:
        config: What :func:`read_config` gave.
        base: The layer with its original weight.
        name: Its name, for the message.
        scaling: s.

    Returns:
        Both factors in float32, or None if the base was left alone.

    Raises:
        ValueError: If the weight is quantised.
    """
    init = _init(config)
    if init not in DECOMPOSED:
        return None
    if not computes(base.weight.dtype):
        raise ValueError(
            f"{name} holds {base.weight.dtype} weights, but an adapter with init_lora_weights={init!r} belongs to "
            "floating-point ones: load it on the network before that is quantised"
        )
    rank = int(_by_pattern(config.get("rank_pattern"), name, config["r"]))
    weight = base.weight.detach().float()
    if init == "olora":
        q, r = torch.linalg.qr(weight)
        return r[:rank], q[:, :rank]
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    root = (s[:rank] / scaling).sqrt()
    return root[:, None] * v[:rank], u[:, :rank] * root


def _init(config: Mapping[str, Any]) -> Any:
    init = config.get("init_lora_weights", True)
    return init.lower() if isinstance(init, str) else init


def _by_pattern(pattern: Mapping[str, float] | None, name: str, default: float) -> float:
    """Look a module up in alpha_pattern by peft's rule: the first key that fits the name's end."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", name):
            return value
    return default
