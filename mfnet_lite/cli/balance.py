"""How much rare classes count in a training: the option, and the weights it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.losses import AssistedLoss, BalancedLoss


@dataclass(frozen=True)
class BalanceOptions:
    """The option of class weights, as given by the user.

    Attributes:
        class_balance: Power of the inverse frequency; 0 weighs all pixels alike.
    """

    class_balance: float = field(
        default=0.0,
        metadata={
            "help": "How far rare classes count more: a pixel weighs (1 / frequency of its class) to this power; "
            "0 = all pixels alike, 1 = all classes alike."
        },
    )

    def check(self) -> None:
        """Refuse another power, before any file is read.

        Raises:
            ValueError: If it does not lie in [0, 1].
        """
        if not 0 <= self.class_balance <= 1:
            raise ValueError(
                f"--class-balance must lie in 0…1, got {self.class_balance}; 0 weighs all pixels alike, 1 all classes"
            )

    def described(self) -> dict[str, Any]:
        """Say what a run was trained with; nothing where all pixels count alike."""
        return {"class_balance": self.class_balance} if self.class_balance else {}

    def weighted(
        self, loss: AssistedLoss | None, pixels: Sequence[int], ignore_index: int
    ) -> AssistedLoss | BalancedLoss | None:
        """Give a loss the weights of the classes.

        Args:
            loss: The loss with objects, if there is one.
            pixels: Of each class in the training data.
            ignore_index: Label of pixels without truth.

        Returns:
            The loss to train with; None for the network's own.
        """
        from mfnet_lite.losses import BalancedLoss, balanced_weights

        if loss is not None:
            loss = replace(loss, ignore_index=ignore_index)
        if not self.class_balance:
            return loss
        weights = balanced_weights(pixels, self.class_balance)
        if loss is None:
            return BalancedLoss(weights, ignore_index)
        return replace(loss, class_weights=weights)
