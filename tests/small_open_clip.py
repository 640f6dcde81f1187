"""Models of open_clip small enough for a test: built like CLIP, EVA02-CLIP and SigLIP, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

WORDS = ("a", "road", "house", "tree", "photo", "of", "red", "roof", "water")

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "tiny-clip": {
        "embed_dim": 20,
        "vision_cfg": {"image_size": 64, "layers": 3, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": TEXT,
    },
    "tiny-eva": {
        "embed_dim": 20,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "tiny_eva",
            "timm_pool": "token",
            "timm_proj": None,
        },
        "text_cfg": TEXT,
        "custom_text": True,
    },
    "tiny-siglip": {
        "embed_dim": 32,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "tiny_siglip",
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": {
            "context_length": 12,
            "vocab_size": 32,
            "width": 32,
            "heads": 2,
            "layers": 2,
            "hf_tokenizer_name": "nobody/no-such-tokenizer",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
}  # fmt: skip


def make_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let open_clip and timm know the small models until the test ends."""
    import timm
    from open_clip import factory

    create = timm.create_model
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 3, "num_heads": 2}

    def with_small(name: str, **options: Any) -> nn.Module:
        options.pop("pretrained", None)
        if name == "tiny_eva":
            rotary = {"use_rot_pos_emb": True, "ref_feat_shape": (3, 3), "swiglu_mlp": True}
            return timm.models.eva.Eva(**sizes, **rotary, **options)
        if name == "tiny_siglip":
            return timm.models.vision_transformer.VisionTransformer(
                **sizes, class_token=False, **options
            )
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", with_small)
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {**factory._MODEL_CONFIGS, **CONFIGS})


def small_model(name: str) -> nn.Module:
    """Build one of them; every weight is random, none is 0 or 1."""
    import open_clip

    config = open_clip.get_model_config(name)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    torch.manual_seed(0)
    model = kind(**config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer like SigLIP's into a folder: no start token, an end token that also fills up."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {"<unk>": 0, "</s>": 1} | {word: 2 + index for index, word in enumerate(WORDS)}
    inner = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    assert json.loads((folder / "tokenizer_config.json").read_text())


def small_tokenizer(name: str, folder: Path) -> Any:
    """Return open_clip's tokenizer for one of them; a folder is needed where it is one of transformers."""
    import open_clip

    if name != "tiny-siglip":
        return open_clip.get_tokenizer(name)
    write_tokenizer(folder)
    return open_clip.tokenizer.HFTokenizer(str(folder), context_length=12, clean="canonicalize")
