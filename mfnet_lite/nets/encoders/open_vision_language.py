"""Vision-language pairs by name: ours, and those of open_clip.

::

    tiny                        the pair that comes with this library
    open_clip:NAME:TAG          a model of open_clip with published weights, fetched by open_clip
    open_clip:NAME@FILE         the same model with a file of weights; nothing is fetched
    open_clip:NAME:TAG@FILE     a file of weights that are, or were trained from, those of TAG

A file says neither which activation its weights were trained with nor how the images were normalised, and open_clip
takes for every file what stands first in its list. Where the published weights of a name differ in either, the tag is
asked for. Files are read without running anything from them. Models whose words are counted by a tokenizer of
transformers, such as SigLIP, take it from the folder of the file if it lies there, else from where transformers
finds it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mfnet_lite.language.optional import EXTRA
from mfnet_lite.nets.encoders.open_clip_pair import ADVICE, OpenClipPair
from mfnet_lite.nets.encoders.timm_weights import Weights, file_state, fill
from mfnet_lite.nets.encoders.tiny_pair import load_tiny_pair
from mfnet_lite.nets.encoders.vision_language import VisionLanguage

PREFIX = "open_clip:"
EXAMPLE = "open_clip:ViT-B-16:laion2b_s34b_b88k or open_clip:ViT-B-16@FILE"
CLIP_STATISTICS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and deviation of the images CLIP was trained on; of a model of which nothing else is known."""
COUNTERS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's files hold beside the weights."""


class _Recipe(NamedTuple):
    """What a file of weights does not say."""

    quick_gelu: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def load_vision_language(name_or_path: str = "tiny") -> VisionLanguage:
    """Load a frozen vision-language pair.

    Args:
        name_or_path: See above; what has no prefix is one of ours, by name or by file.

    Raises:
        ImportError: If open_clip is needed and not installed.
        FileNotFoundError: If there is no such file.
        ConnectionError: If a download is needed and fails.
        ValueError: If there is no such model, it is built otherwise than CLIP and SigLIP, or the weights are those of
            another.
    """
    if name_or_path.startswith(PREFIX):
        return _open_clip_pair(name_or_path)
    return load_tiny_pair(name_or_path)


def vision_language_pairs() -> dict[str, str]:
    """Say which pairs can be loaded here.

    Returns:
        Name, or form of the name → what is here, or what to install.
    """
    ours = find_spec("mfnet_lite.nets.encoders.tiny_pair") is not None
    try:
        release = version("open_clip_torch")
    except PackageNotFoundError:
        foreign = f"not here, {EXTRA}"
    else:
        foreign = f"here, open_clip_torch {release}; weights by tag or file"
    return {
        "tiny": "here" if ours else "missing from this installation",
        f"{PREFIX}NAME": foreign,
    }


def _open_clip_pair(full: str) -> OpenClipPair:
    """Build a model of open_clip, fill it, and put the interface around it."""
    open_clip = _open_clip()
    model_and_tag, at, file = full.removeprefix(PREFIX).partition("@")
    name, colon, tag = model_and_tag.partition(":")
    if not name or (colon and not tag) or (at and not file) or not (tag or file):
        raise ValueError(f"expected {EXAMPLE}, got {full!r}")
    if open_clip.get_model_config(name) is None:
        raise ValueError(
            f"open_clip has no model {name!r}; open_clip.list_models() names them, such as ViT-B-16, EVA02-L-14 and "
            "ViT-L-16-SigLIP-256"
        )
    recipe = _recipe(open_clip, name, tag)
    # Path.expanduser would raise where the user does not exist
    path = Path(os.path.expanduser(file)) if file else None  # noqa: PTH111
    # what cannot be used is noticed in the order of its cost: the file, the model's build, what is fetched
    state = file_state(path, f"{PREFIX}NAME@") if path else None
    model = _built(open_clip, name, recipe.quick_gelu)
    tokenizer = _tokenizer(open_clip, name, path)
    OpenClipPair(model, tokenizer, recipe.mean, recipe.std)
    if state is None:
        _fetch(open_clip, model, name, tag)
    else:
        fill(model, Weights(_named(state, model), str(path)), name, "open_clip")
    return OpenClipPair(model, tokenizer, recipe.mean, recipe.std)


def _open_clip() -> Any:
    """Import open_clip, which is an optional package."""
    try:
        import open_clip
    except ImportError as error:
        raise ImportError(
            f"pairs named {PREFIX}… need the package open_clip_torch; {EXTRA}"
        ) from error
    return open_clip


def _recipe(open_clip: Any, name: str, tag: str) -> _Recipe:
    """Look up activation and statistics of published weights, or of all those of a name if they agree."""
    known = list(open_clip.list_pretrained_tags_by_model(name))
    if tag and tag not in known:
        raise ValueError(
            f"open_clip lists no weights {tag!r} of {name}, only {', '.join(known) or 'none'}; give one of these, or a "
            f"file as {PREFIX}{name}@FILE"
        )
    own = bool(open_clip.get_model_config(name).get("quick_gelu", False))
    found = set()
    for one in [tag] if tag else known:
        config = open_clip.get_pretrained_cfg(name, one)
        mean, std = (
            tuple(config.get(key) or default)
            for key, default in zip(("mean", "std"), CLIP_STATISTICS, strict=True)
        )
        found.add(_Recipe(bool(config.get("quick_gelu", False)) or own, mean, std))
    if len(found) > 1:
        raise ValueError(
            f"the published weights of {name} differ in activation or in the normalisation of images, which a file "
            f"does not say; name those your file is or comes from, as {PREFIX}{name}:TAG@FILE with one of "
            f"{', '.join(known)}"
        )
    return found.pop() if found else _Recipe(own, *CLIP_STATISTICS)


def _built(open_clip: Any, name: str, quick_gelu: bool) -> nn.Module:
    """Build a model without weights; what is drawn after it is the same as before."""
    config = open_clip.get_model_config(name)
    if "multimodal_cfg" in config or "hf_model_name" in config["text_cfg"]:
        raise ValueError(
            f"expected a model with an image and a text transformer of open_clip or timm, {name} has others; {ADVICE}"
        )
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    config["quick_gelu"] = quick_gelu
    # not open_clip.create_model, which logs a warning that the model starts from random weights
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = kind(**config)
    return model


def _fetch(open_clip: Any, model: nn.Module, name: str, tag: str) -> None:
    """Fill a model with published weights, which open_clip fetches or has fetched before."""
    try:
        path = open_clip.download_pretrained(open_clip.get_pretrained_cfg(name, tag))
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConnectionError(
            f"open_clip could not fetch the weights {tag} of {name} ({reason}); call again with network, or give a "
            f"file of them as {PREFIX}{name}:{tag}@FILE"
        ) from error
    try:
        # knows how the weights of each publisher are named; tensors alone are read from the file
        open_clip.load_checkpoint(model, path, weights_only=True)
    except Exception as error:  # what truncated files, other networks and pickled code provoke
        raise ValueError(
            f"{path}, fetched for the weights {tag} of {name}, cannot be read or does not fit "
            f"({type(error).__name__}); delete it and call again"
        ) from error


def _tokenizer(open_clip: Any, name: str, path: Path | None) -> Any:
    """Return the tokenizer of a model; transformers' may lie beside the weights."""
    text = open_clip.get_model_config(name)["text_cfg"]
    source = text.get("hf_tokenizer_name")
    if not source:
        return open_clip.get_tokenizer(name)
    beside = path is not None and (path.parent / "tokenizer_config.json").is_file()
    if path is not None and beside:
        source = str(path.parent)
    try:
        return open_clip.tokenizer.HFTokenizer(
            source,
            context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )
    except ImportError as error:
        raise ImportError(
            f"{name} needs the package transformers for its tokenizer; pip install transformers"
        ) from error
    except (OSError, ValueError) as error:
        if beside:
            raise ValueError(
                f"{source} holds a tokenizer_config.json, but transformers cannot read a tokenizer there "
                f"({type(error).__name__}); copy all of the tokenizer's files again"
            ) from error
        raise ConnectionError(
            f"the tokenizer {source} of {name} is not on this machine and could not be fetched "
            f"({type(error).__name__}); call again with network, or give "
            f"{PREFIX}{name}@FILE with tokenizer.json and tokenizer_config.json "
            "in the folder of the file"
        ) from error


def _named(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Give the tensors of a file the names of a model: open_clip has had two ways, and training adds a prefix."""
    own = model.state_dict()
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    text = (
        "positional_embedding",
        "token_embedding.",
        "transformer.",
        "ln_final.",
        "text_projection",
    )
    if "positional_embedding" in state and "text.positional_embedding" in own:
        state = {f"text.{n}" if n.startswith(text) else n: v for n, v in state.items()}
    named = {name: value for name, value in state.items() if name not in COUNTERS}
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in named and scalar in own and named[scalar].numel() == own[scalar].numel():
            named[scalar] = named[scalar].reshape(own[scalar].shape)
    return named
