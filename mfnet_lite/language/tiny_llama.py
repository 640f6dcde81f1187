"""A LLaMA small enough for a chapter, and a tokenizer of words for it: both are made, nothing is loaded.

The sizes are hidden 128, intermediate 344, 4 layers of 4 heads, embeddings tied. Known words are tokens, and so is
every digit and every sign of the grammar of boxes; LLaMA splits digits, too. Any other word is spelt letter by letter,
so that decoding gives the text back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch

from mfnet_lite.language.optional import needed

PAD, UNKNOWN, USER, ANSWER, END = "<|pad|>", "<|unknown|>", "<|user|>", "<|answer|>", "<|end|>"
SPECIAL = (PAD, UNKNOWN, USER, ANSWER, END)
PHRASE = ("<p>", "</p>")
"""Marks around what an answer counts, one token each."""
SPACE = "▁"
"""Stands for a space and begins a word, as in SentencePiece."""
VOCABULARY = 512
SIZES = {
    "hidden_size": 128,
    "intermediate_size": 344,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}

EVERYDAY = """
a about above airport all an and animal answer any are area as at background ball bare baseball basketball
beach behind below beside between big black blue boat bottom bounding box boxes bridge bright brown building
buildings bus by caption car cars category centre city class classify clear cloud coast cold colour contains
coordinates corner count court crops dark dense describe desert detailed direction do does each east edge
empty every farmland few field fields find five forest four from give grass grassland green ground harbour has
have high highway horizontal hot house houses how identify image in infrared into is it its lake land large
left list locate location long lot many marked meadow middle more most near next no north not object objects
of on one optical or oriented other parked parking part people photograph phrase picture plane planes please
point pond present question radar railway read red region remote residential right river road roads roof row
runway rural sand say scene seen sensing sensor sentence several ship ships short show shown shows single six
small soil some south square stadium state storage street surrounded tank tanks tell tennis than that the
their them there these this three to top town track tree trees truck turned two type under up urban vehicle
vehicles view visible warm water way west what where which white wide with word words yellow yes you zero
Answer Are Box Class Count Describe Does Find Give How In Is List Locate No Of The There This What Where Which
Yes
"""
WORDS = tuple(EVERYDAY.split())
"""Everyday words for what is seen from above and for asking about it."""

CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    f"{USER}{{{{ message['content'] }}}}"
    "{% else %}"
    f"{ANSWER}{{{{ message['content'] }}}}{END}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    f"{ANSWER}"
    "{% endif %}"
)
"""How a dialogue is written, in transformers' form."""


def common_words(texts: Iterable[str], number: int) -> tuple[str, ...]:
    """Choose the words that texts use most.

    Args:
        texts: Instructions and answers.
        number: Words at most.

    Returns:
        The most frequent first; of equally frequent ones the first in the alphabet.

    Example:
        >>> common_words(["a ship, a plane", "one ship"], 2)
        ('a', 'ship')
    """
    counts = Counter(word for text in texts for word in re.findall(r"[A-Za-z]+", text))
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:number])


def word_tokenizer(words: Iterable[str] = WORDS, size: int = VOCABULARY) -> Any:
    """Build the tokenizer: known words, single digits and signs, single letters for everything else.

    Printable ASCII and line breaks come back as they were; any other character becomes one unknown token.

    Args:
        words: Words of the vocabulary, the most important first: what does not fit is left out.
        size: Number of tokens; the table is filled up to it.

    Returns:
        A fast tokenizer of transformers with a chat template.

    Raises:
        ImportError: If transformers is not installed.
        ValueError: If signs and letters alone need more tokens.

    Example:
        >>> tokenizer = word_tokenizer()
        >>> tokenizer.tokenize("Find 13 ships [0.2]")
        ['▁Find', '▁', '1', '3', '▁ships', '▁', '[', '0', '.', '2', ']']
        >>> tokenizer.decode(tokenizer.encode("Is it a Zeppelin? <p>1 tank</p>[0.25,0.50;]"))
        'Is it a Zeppelin? <p>1 tank</p>[0.25,0.50;]'
    """
    transformers = needed("transformers", "a language model")
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    singles = ["\n", *(chr(code) for code in range(33, 127))]
    fixed = [*SPECIAL, *PHRASE, SPACE, *singles]
    if len(fixed) > size:
        raise ValueError(
            f"signs and letters alone are {len(fixed)} tokens, more than the {size} asked for; give at least that many"
        )
    marked = dict.fromkeys(SPACE + word for word in words if re.fullmatch("[A-Za-z]+", word))
    tokens = [*fixed, *list(marked)[: size - len(fixed)]]
    unused = [f"<|unused {number}|>" for number in range(size - len(tokens))]
    tokens += unused
    # whole words cost as little as one letter, so that the cheapest way through a word is the word
    costs = [(token, -10.0 if token.startswith("<|") else -1.0) for token in tokens]
    tokenizer = Tokenizer(models.Unigram(costs, unk_id=tokens.index(UNKNOWN)))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    alone = Regex(rf"</?p>|[^A-Za-z{SPACE}]|{SPACE}(?![A-Za-z])")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(alone, "isolated"),
            pre_tokenizers.Split(Regex(SPACE), "merged_with_next"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        # an untrained model writes unused ones, too: special tokens are left out of texts
        additional_special_tokens=[USER, ANSWER, *unused],
        chat_template=CHAT,
        clean_up_tokenization_spaces=False,
    )


def tiny_llama(tokenizer: Any, seed: int | None = 0, **sizes: Any) -> Any:
    """Build the network with random weights.

    Args:
        tokenizer: Its number of tokens is the size of the embedding table.
        seed: Of the weights; torch's own generator is left as it was. None draws from it.
        **sizes: Other sizes than :data:`SIZES`, by the names of transformers' ``LlamaConfig``.

    Returns:
        A ``LlamaForCausalLM``.

    Raises:
        ImportError: If transformers is not installed.
    """
    transformers = needed("transformers", "a language model")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        tie_word_embeddings=True,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{**SIZES, **sizes},
    )
    if seed is None:
        return transformers.LlamaForCausalLM(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.LlamaForCausalLM(config)
