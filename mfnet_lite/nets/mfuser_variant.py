"""Where the released code of MFuser departs from the default, as parameters of the network and its loss."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MFuserVariant:
    """What ``official`` stands for.

    Attributes:
        closed: The decoder has learned positions and scores for the classes of its training and knows no others.
        released_modules: Fusers and enhancer with the quirks and the start of the released code: the bias of the
            step counts twice, the weight of the refinement starts with deviation 1.
        batch_norm: Of the pyramid, instead of a group norm.
        large_prompts: Prompts start with deviation 1 instead of the size of the words' vectors.
        absent: Weight of an absent class in the loss. A tenth balances one "no object" against 19 classes; with one
            answer per class, yes or no, it would teach to say yes to every class.
        softmax: Align pixels and words by a softmax, whatever the pair was trained with.
        over_all_pixels: Divide the alignment's sum by all pixels, unlabelled ones included.
    """

    closed: bool = False
    released_modules: bool = False
    batch_norm: bool = False
    large_prompts: bool = False
    absent: float = 1.0
    softmax: bool = False
    over_all_pixels: bool = False


OFFICIAL = MFuserVariant(
    closed=True,
    released_modules=True,
    batch_norm=True,
    large_prompts=True,
    absent=0.1,
    softmax=True,
    over_all_pixels=True,
)
"""The authors' code; ``official=True`` stands for it."""
