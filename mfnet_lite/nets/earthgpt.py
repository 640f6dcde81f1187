"""EarthGPT: a language model that sees. Images become visual tokens before the words of a dialogue.

Zhang et al. 2024, "EarthGPT: A Universal Multi-modal Large Language Model for Multi-sensor Image Comprehension in
Remote Sensing Domain", IEEE TGRS 62, arXiv 2401.16822::

    image ── visual perception, frozen ── projection ─┐
                                                      ├─ tokens ── language model ── answers
    questions and answers ── embedding table ─────────┘

    stage 1   projection, queries, keys, values, norms        "cross-modal mutual comprehension"
    stage 2   scale and shift of every linear layer           "unified instruction tuning"

A language model with random weights knows no language that stage 1 could reuse. It reads questions and answers without
images first, all its weights trained: stage 0, which the paper does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.language.generation import GreedyDecoder
from mfnet_lite.language.language_models import TINY, LanguageModel, load_language_model
from mfnet_lite.language.packing import (
    Packed,
    answer_loss,
    chat_dialogue,
    pack,
    vectors_of,
)
from mfnet_lite.language.tiny_llama import WORDS
from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.earthgpt_answers import (
    WrittenAnswer,
    check_example,
    check_limits,
    check_room,
)
from mfnet_lite.nets.earthgpt_weights import fill_tiny_weights, words_of_tiny_weights
from mfnet_lite.nets.encoders.plain_vit import PlainViT, SamViT
from mfnet_lite.nets.encoders.visual_perception import ScalesNetwork, VisualPerception
from mfnet_lite.nets.inputs import check_map
from mfnet_lite.sam import load_sam
from mfnet_lite.tuning.inject import injected_modules
from mfnet_lite.tuning.scale_shift import Form
from mfnet_lite.tuning.stages import (
    train_attention_and_norms,
    train_scale_and_shift,
    trained_names,
)
from mfnet_lite.utils.number_formats import multiplies_bfloat16

NO_NETWORK = "none"
STAGES = (0, 1, 2)
ANSWER_TOKENS = 256
"""Tokens of an answer at most, if nobody says: twelve boxes in single digits."""
AT_ONCE = 32
"""Questions answered together."""


@dataclass(frozen=True)
class EarthGPTConfig(NetworkConfig):
    """Options of :class:`EarthGPT` and of its stages."""

    lr = 5e-3
    recorded = ("backbone", "cnn", "image_size", "grid", "language", "form")

    backbone: str = field(
        default="tiny",
        metadata={
            "help": "Frozen vision transformer: tiny, vit_b, vit_l, vit_h or a SAM checkpoint; none."
        },
    )
    cnn: str = field(
        default="tf_efficientnet_lite0",
        metadata={"help": "Frozen convolutional network of timm; none."},
    )
    image_size: int = field(
        default=128, metadata={"help": "Side that images are brought to, in pixels."}
    )
    grid: int = field(
        default=8, metadata={"help": "Rows and columns of visual tokens of an image."}
    )
    language: str = field(
        default=TINY,
        metadata={"help": "Language model: tiny, smollm2, a folder or a name of transformers."},
    )
    form: Form = field(
        default="output", metadata={"help": "What is scaled in stage 2.", "computes": True}
    )
    output_projection: bool = field(
        default=False, metadata={"help": "Train attention's output projection in stage 1, too."}
    )
    weights: Literal["", "tiny"] = field(
        default="",
        metadata={
            "help": "Start from the small EarthGPT that ships, pre-trained on photographs: tiny."
        },
    )
    half: bool | None = field(
        default=None,
        metadata={
            "help": "Keep frozen weights in bfloat16; where that is faster, if not said.",
            "hidden": True,
        },
    )
    words: tuple[str, ...] = field(
        default=WORDS, metadata={"help": "Vocabulary of the tiny language model.", "hidden": True}
    )

    def __post_init__(self) -> None:
        """Check the options."""
        object.__setattr__(self, "words", tuple(self.words))  # a run's config.json has lists
        super().__post_init__()
        if self.image_size < 16 or self.grid < 1:
            raise ValueError(
                f"image_size must be at least 16 and grid at least 1, got {self.image_size} and {self.grid}"
            )

    @property
    def needs_text(self) -> bool:
        """Whether the language model has to learn language first (stage 0)."""
        return self.language == TINY and not self.weights

    def build(self, sensors: Mapping[str, int], num_classes: int) -> nn.Module:
        """Refuse: there are no classes, see :meth:`open`."""
        raise ValueError(
            "earthgpt answers questions and has no classes of pixels; train it on a folder of dialogues "
            "(mfnet-lite world instruct, mfnet-lite data convert)"
        )

    def open(self, seed: int = 0, device: str | torch.device = "cpu") -> EarthGPT:
        """Load both encoders and the language model.

        Args:
            seed: Of projection and of a tiny language model.
            device: Where all of it goes.

        Returns:
            The model before its first stage.

        Raises:
            ImportError: If transformers or timm is needed and not installed.
            FileNotFoundError: If weights are not here.
            ConnectionError: If they have to be fetched and cannot be.
            ValueError: If both encoders are left out, or options do not fit the ``weights``.
        """
        config = self
        if self.weights:
            config = replace(self, words=words_of_tiny_weights(asdict(self)))
        vit: PlainViT | None = None
        if config.backbone != NO_NETWORK:
            vit = SamViT(load_sam(config.backbone, image_size=config.image_size, device="cpu"))
        scales = None if config.cnn == NO_NETWORK else ScalesNetwork(config.cnn)
        language = load_language_model(config.language, device="cpu", seed=seed, words=config.words)
        grid = (config.grid, config.grid)
        perception = VisualPerception(vit, scales, language.width, grid=grid, seed=seed)
        model = EarthGPT(perception, language, config)
        if self.weights:
            fill_tiny_weights(model, perception)
            model.stage = 0  # the first stage may go on, the second may begin
        return model.to(device)


class Example(NamedTuple):
    """Questions about images.

    Args:
        turns: Questions and answers; the last answer is None where it is asked for.
        images: Frozen features of each image, as :meth:`EarthGPT.features` gives them; none for text alone.
    """

    turns: Sequence[tuple[str, str | None]]
    images: Sequence[Float[Tensor, "token channels"]] = ()


class EarthGPT(nn.Module):
    """Visual perception in front of a language model.

    Args:
        perception: Frozen encoders and the projection to the width of the language model.
        language: The language model, frozen.
        config: How stages are run; the encoders are given.

    Attributes:
        stage: The stage it is in; None before the first.

    Raises:
        ValueError: If the projection has another width than the language model.
    """

    def __init__(
        self,
        perception: VisualPerception,
        language: LanguageModel,
        config: EarthGPTConfig | None = None,
    ) -> None:
        super().__init__()
        width = perception.projection.out_features
        if width != language.width:
            raise ValueError(
                f"visual tokens have {width} channels, the language model {language.name} needs {language.width}; "
                f"give width={language.width} to VisualPerception"
            )
        self.perception, self.language = perception, language
        self.config = config or EarthGPTConfig()
        self.stage: int | None = None
        self.requires_grad_(False)
        # vectors of words are small: visual tokens begin as long as they are, not ten times longer
        with torch.no_grad():
            table = language.network.get_input_embeddings().weight[:4096]
            scale = table.float().std() / weight_gain(perception)
            for parameter in perception.projection.parameters():
                parameter.mul_(scale.to(self.device))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.perception.projection.weight.device

    def start_stage(self, number: int) -> tuple[str, ...]:
        """Decide what trains from now on.

        Args:
            number: 0, all weights of the language model and nothing of images; 1, projection, attention and norms; 2,
                scale and shift of every linear layer of the language model, which are put there. After 2 nothing
                follows.

        Returns:
            Names of the parameters that train.

        Raises:
            ValueError: If there is no such stage, it or a later one has begun, or something is injected.
        """
        if number not in STAGES:
            raise ValueError(f"expected stage 0, 1 or 2, got {number}")
        if self.stage is not None and number <= self.stage:
            raise ValueError(
                f"stage {number} cannot follow stage {self.stage}, which has begun; build the model anew"
            )
        self.requires_grad_(False)
        network = self.language.network
        if number == 0:
            network.requires_grad_(True)
        elif number == 1:
            train_attention_and_norms(network, self.config.output_projection)
            self.perception.projection.requires_grad_(True)
        else:
            if any(injected for _, _, injected in injected_modules(network)):
                raise ValueError(
                    "something is injected into the language model; detach it before stage 2"
                )
            train_scale_and_shift(network, self.config.form)
        if number:
            self.halve_frozen()
        self.stage = number
        return trained_names(self)

    def halve_frozen(self) -> None:
        """Keep what is frozen of the language model in bfloat16, as the config says: where that is faster, if unsaid.

        Call it after it is decided what trains; :meth:`start_stage` does.
        """
        half = self.config.half
        if half is None:
            half = multiplies_bfloat16(self.device)
        if half:
            self.language.frozen_in_half()

    def features(self, images: Float[Tensor, "batch 3 size size"]) -> Tensor:
        """Compute what is frozen of visual tokens, for keeping.

        Args:
            images: In [0, 1], brought to the side of ``config.image_size``.

        Returns:
            (batch, token, channels).

        Raises:
            ValueError: If they are no batch of RGB images in floats, or of other sides.
        """
        check_map("images", images, 3)
        side = self.config.image_size
        if images.shape[1:] != (3, side, side):
            raise ValueError(
                f"expected images of shape (batch, 3, {side}, {side}), got {tuple(images.shape)}; "
                "rasters.square_image.read_square brings a file to that side"
            )
        return self.perception.frozen_features(images.to(self.device))

    def packed(
        self, examples: Sequence[Example], length: int | None = None
    ) -> tuple[Packed, Float[Tensor, "visual_token width"] | None]:
        """Write dialogues as rows of tokens.

        Args:
            examples: The dialogues.
            length: Tokens of a row at most, into which as many dialogues are put as fit; None for a row each.

        Returns:
            Rows, and the visual tokens of all images.

        Raises:
            ValueError: If there is no dialogue, one is longer than a row or has no turn, or features are not those
                of one image each.
        """
        for each in examples:
            check_example(each.turns, each.images, self.perception.channels)
        dialogues = [
            chat_dialogue(self.language, each.turns, [len(image) for image in each.images])
            for each in examples
        ]
        rows = pack(self.language, dialogues, length).to(self.device)
        images = [image for each in examples for image in each.images]
        if not images:
            return rows, None
        return rows, self.perception.project(torch.cat([i.to(self.device) for i in images]))

    def loss(self, examples: Sequence[Example], length: int | None = None) -> Float[Tensor, ""]:
        """Compute the cross-entropy of the answers, mean over their tokens.

        Args:
            examples: Dialogues with all their answers.
            length: As in :meth:`packed`.
        """
        return answer_loss(self.language, *self.packed(examples, length))

    @torch.no_grad()
    def answer(
        self,
        examples: Sequence[Example],
        max_new_tokens: int = ANSWER_TOKENS,
        at_once: int = AT_ONCE,
    ) -> list[str]:
        """Answer the last question of each dialogue, greedily.

        Args:
            examples: Dialogues whose last answer is None.
            max_new_tokens: Tokens of an answer at most.
            at_once: Dialogues that are answered together; those of like length are put together.

        Returns:
            The answers.

        Raises:
            ValueError: If a dialogue ends with an answer, has another form or leaves no room for its answer, or a
                limit is below 1.
        """
        return [answer.text for answer in self.written(examples, max_new_tokens, at_once)]

    @torch.no_grad()
    def written(
        self,
        examples: Sequence[Example],
        max_new_tokens: int = ANSWER_TOKENS,
        at_once: int = AT_ONCE,
    ) -> list[WrittenAnswer]:
        """Answer as :meth:`answer` does, and tell which answers came to their end.

        Args:
            examples: As for :meth:`answer`.
            max_new_tokens: Likewise.
            at_once: Likewise.
        """
        check_limits(max_new_tokens, at_once)
        prompts = [self._prompt(each) for each in examples]
        if any(each.turns[-1][1] is not None for each in examples):
            raise ValueError("the last question of a dialogue has an answer already; give None")
        decoder = GreedyDecoder(self.language)
        lengths = [len(prompt) for prompt in prompts]
        check_room(lengths, max_new_tokens, self.language.network)
        order = sorted(range(len(prompts)), key=lambda number: lengths[number])
        answers: dict[int, WrittenAnswer] = {}
        for begin in range(0, len(order), at_once):
            numbers = order[begin : begin + at_once]
            written = decoder.written([prompts[number] for number in numbers], max_new_tokens)
            for number, (ids, ended) in zip(numbers, written, strict=True):
                answers[number] = WrittenAnswer(self.language.decode(ids).strip(), ended)
        return [answers[number] for number in range(len(prompts))]

    def _prompt(self, example: Example) -> Float[Tensor, "token width"]:
        rows, visual = self.packed([example])
        return vectors_of(self.language, rows, visual)[0]

    def computation(self) -> dict[str, Any]:
        """Return what no tensor tells, for a delta's header."""
        return {"taps": list(self.perception.taps), **self.config.computing()}


def weight_gain(perception: VisualPerception) -> Float[Tensor, ""]:
    """How much longer the projection makes a channel of variance 1: the root of the sum over its inputs."""
    return perception.projection.weight.square().sum(1).mean().sqrt()
