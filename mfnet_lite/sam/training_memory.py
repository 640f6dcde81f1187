r"""How much memory a training step with SAM's encoder takes, from the numbers of its config alone.

With C the width, D the depth, T the tokens of an image, s the bytes of a number and w the bytes of a trained one:

* *weights*: every weight, s bytes each;
* *gradients*: one number per trained weight;
* *optimiser*: AdamW keeps two numbers per trained weight, SGD with momentum one;
* *activations*: what the forward pass keeps for the backward pass. In a block whose own weights are frozen those are
  the inputs of both norms, of LoRA's slices and of the GELU, query, key and value, and what attention keeps. A frozen
  linear layer keeps nothing: its weight's gradient, which would need its input, is not asked for. If all weights
  train, the inputs of all linear layers come on top.

The official attention keeps its matrix of T × T numbers per head (a window's tokens in the place of T in blocks with
windows); a fused one keeps vectors lengthened by the relative positions, and matrices of small windows
(:mod:`mfnet_lite.sam.attention`). What is not counted: buffers of single operations, the allocator's reserve and the
head behind the encoder, whose weights can be given and whose activations
:func:`~mfnet_lite.utils.saved_activations.saved_activations` measures. On a CPU the tests find the derived
activations of the encoder between 0.85 and 1.15 times what autograd keeps in float32; kernels of a GPU may keep other
tensors, and mixed precision keeps some in either format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mfnet_lite.sam.build import SamConfig

__all__ = ["StepMemory", "encoder_weights", "lora_weights", "mmlora_weights", "step_memory"]

NUMBERS_PER_WEIGHT = {"adamw": 2, "sgd": 1}
PLAIN_KEYS = 512
"""Up to so many keys the fused attention writes its matrix, too (:data:`mfnet_lite.sam.attention.PLAIN_KEYS`)."""


@dataclass(frozen=True)
class StepMemory:
    """Bytes of a training step.

    Attributes:
        weights: Of all weights.
        gradients: Of those of the trained ones.
        optimizer: Of the optimiser's state, in one process.
        activations: Kept for the backward pass.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        """A table of plain text, in GiB."""
        names = ("weights", "gradients", "optimizer", "activations", "total")
        return "\n".join(f"{name:<12}{getattr(self, name) / 2**30:>9.3f} GiB" for name in names)


def encoder_weights(sam: SamConfig) -> int:
    """Count the weights of SAM's image encoder.

    Args:
        sam: Its sizes.

    Example:
        >>> from mfnet_lite.sam.build import VIT_B
        >>> encoder_weights(VIT_B)
        89670912
    """
    c, p, hidden = sam.width, sam.prompt_dim, int(sam.width * sam.mlp_ratio)
    patches = 3 * sam.patch_size**2 * c + c + sam.grid**2 * c  # projection and positions
    block = 4 * c  # two norms
    block += 3 * c * c + 3 * c + c * c + c  # query, key, value, and projection
    block += 2 * c * hidden + hidden + c  # MLP
    positions = sum(2 * (2 * side - 1) * (c // sam.heads) for side in _sides(sam))
    neck = c * p + 9 * p * p + 4 * p
    return patches + sam.depth * block + positions + neck


def lora_weights(sam: SamConfig, rank: int, slices: int = 2) -> int:
    """Count the weights of LoRA on the query-key-value layers of every block.

    Args:
        sam: Sizes of the encoder.
        rank: Rank r.
        slices: How many of query, key and value have an update; two in SAM's usual LoRA, query and value.

    Example:
        >>> from mfnet_lite.sam.build import VIT_H
        >>> lora_weights(VIT_H, rank=4)
        655360
    """
    return sam.depth * slices * 2 * rank * sam.width


def mmlora_weights(sam: SamConfig, rank: int, sensors: int) -> int:
    """Count the weights of MFNet's multimodal LoRA: on query and value, and mixed on both layers of the MLP.

    Args:
        sam: Sizes of the encoder.
        rank: Rank r.
        sensors: How many sensors have weights of their own.

    Example:
        >>> from mfnet_lite.sam.build import TINY
        >>> mmlora_weights(TINY, rank=4, sensors=2)
        129048
    """
    hidden = int(sam.width * sam.mlp_ratio)
    mlp = 2 * (rank * (sam.width + hidden) + 1)  # a mixing scalar per layer and sensor
    return sensors * (lora_weights(sam, rank) + sam.depth * mlp)


def step_memory(
    sam: SamConfig,
    *,
    rank: int | None = 4,
    slices: int = 2,
    mlp: bool = False,
    batch: int = 1,
    sensors: int = 1,
    attention: Literal["official", "fused"] = "official",
    optimizer: Literal["adamw", "sgd"] = "adamw",
    frozen_head: int = 0,
    trained_head: int = 0,
    bytes_per_number: int = 4,
    processes: int = 1,
    sharded: bool = False,
) -> StepMemory:
    """Derive the memory of a training step.

    Args:
        sam: Sizes of the encoder.
        rank: Of LoRA on query, key and value; None trains every weight.
        slices: How many of query, key and value LoRA updates.
        mlp: Whether LoRA is on the MLP, too, mixed among the sensors, as in MFNet.
        batch: Images per step.
        sensors: Images of one scene that go through the encoder together; each has a LoRA of its own, as in MFNet.
        attention: Whether the matrices of attention are kept.
        optimizer: Which.
        frozen_head: Weights beside the encoder that do not train.
        trained_head: Weights beside encoder and LoRA that train.
        bytes_per_number: 4 for float32; 2 for bfloat16 throughout.
        processes: Processes that train together.
        sharded: Whether they divide the optimiser's state; then this is the mean over them.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from mfnet_lite.sam.build import VIT_H
        >>> print(step_memory(VIT_H, attention="fused"))
        weights         2.376 GiB
        gradients       0.002 GiB
        optimizer       0.005 GiB
        activations    10.807 GiB
        total          13.190 GiB
    """
    if min(batch, sensors, processes) < 1 or (rank is not None and rank < 1):
        raise ValueError(
            f"expected batch, sensors, processes and rank of at least 1, got {batch}, {sensors}, {processes}, {rank}"
        )
    base = encoder_weights(sam)
    added = 0
    if rank is not None:
        own = sensors * lora_weights(sam, rank, slices)
        added = mmlora_weights(sam, rank, sensors) if mlp else own
    trained = trained_head + (base if rank is None else added)
    state = NUMBERS_PER_WEIGHT[optimizer] * trained // (processes if sharded else 1)
    kept = batch * sensors * _activations(sam, rank, slices, mlp, attention)
    numbers = (base + added + frozen_head + trained_head, trained, state, kept)
    return StepMemory(*(bytes_per_number * number for number in numbers))


def _sides(sam: SamConfig) -> list[int]:
    """Tokens along the side of what each block attends to."""
    return [
        sam.grid if block in sam.global_blocks or not sam.window else sam.window
        for block in range(sam.depth)
    ]


def _activations(
    sam: SamConfig,
    rank: int | None,
    slices: int,
    mlp: bool,
    attention: Literal["official", "fused"],
) -> int:
    """Count the numbers that one image's forward pass keeps."""
    c, heads, hidden = sam.width, sam.heads, int(sam.width * sam.mlp_ratio)
    tokens = sam.grid**2
    numbers = 3 * sam.image_size**2 if rank is None else 0  # the image itself
    for block, side in enumerate(_sides(sam)):
        # the last windows reach over the border; MFNet's encoder computes real tokens only
        padded = tokens if mlp else (-(-sam.grid // side) * side) ** 2
        keys = side**2
        if attention == "official":
            attended = 4 * c + heads * keys  # query, key, value, the scaled query, and the matrix
        elif keys <= PLAIN_KEYS:
            attended = 3 * c + heads * (keys + 4 * side)
        else:
            # query, key, value and output, all as long as the lengthened ones
            attended = 4 * heads * (c // heads + 2 * side)
        numbers += padded * attended
        if rank is None:
            # inputs of query-key-value, projection and positions; of both norms, both layers of the MLP and the GELU
            numbers += padded * 3 * c + tokens * (3 * c + 2 * hidden)
        else:
            # LoRA keeps its input once, and once per slice
            numbers += padded * ((1 + slices) * c + slices * rank) + tokens * (c + hidden)
            if mlp:  # inputs of both layers' updates, and what the mixing scalars multiply
                numbers += tokens * (c + hidden + 2 * rank)
            if block:  # before the first LoRA nothing asks for a gradient
                numbers += tokens * c
    return numbers + tokens * (c + 5 * sam.prompt_dim)  # the neck's two convolutions and two norms
