"""Muon for every weight that multiplies, AdamW for the rest: one optimiser to the training loop.

Neighbouring pixels are alike, so what a patch or a neck of 3 x 3 tokens sees varies a hundred times more along its mean
than along its edges, and a gradient step learns edges a hundred times later. Muon (Jordan et al. 2024) makes all
directions of a matrix' update equally long. From random weights, on the dense losses of this folder, it reached in
175 steps of 12 windows what AdamW had not reached in 700 steps of 24 from pre-trained weights.

The Newton-Schulz iterations run on all matrices of one shape at once; numbers are those of ``torch.optim.Muon``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scripts.pretraining.kernels import kernels
from scripts.pretraining.precision import HalfPrecision, clip_gradients

MULTIPLIERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of the Newton-Schulz polynomial, torch.optim.Muon's
ITERATIONS = 5
MOMENTUM = 0.95


def orthogonalise(matrices: Float[Tensor, "n rows columns"]) -> Float[Tensor, "n rows columns"]:
    """Bring all singular values of each matrix near 1, in bfloat16 (Newton-Schulz).

    Args:
        matrices: Of one shape, with at most as many rows as columns.
    """
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    rows, columns = x.shape[1:]
    on_tiles = x.device.type == "cpu" and rows % 32 == columns % 32 == 0
    if on_tiles and kernels() is not None and kernels().tiles_usable():
        kernels().newton_schulz(x, a, b, c, ITERATIONS)
        return x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


class MuonAndAdamW:
    """Both optimisers behind the four methods a loop needs.

    Args:
        trained: Every parameter to be trained.
        muon_modules: Linear maps and convolutions in here are Muon's.
        rate: First learning rate of both; Muon's updates are as long as AdamW's.
        weight_decay: Of everything with two or more axes.
    """

    def __init__(
        self,
        trained: Sequence[Tensor],
        muon_modules: nn.Module,
        rate: float,
        weight_decay: float = 0.05,
    ) -> None:
        weights = {
            id(module.weight)
            for module in muon_modules.modules()
            if isinstance(module, MULTIPLIERS)
        }
        self.rate, self.weight_decay = rate, weight_decay
        self.weights = [p for p in trained if id(p) in weights]
        # A kernel is a matrix from all it sees to what it says.
        self.momenta = [torch.zeros_like(w) for w in self.weights]
        rest = [p for p in trained if id(p) not in weights]
        self.adam = torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
                {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.98),
            fused=True,
        )

    def set_rate(self, rate: float) -> None:
        """Learning rate of the next step."""
        self.rate = rate
        for group in self.adam.param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters along their gradients, then forget these."""
        moved = [i for i, weight in enumerate(self.weights) if weight.grad is not None]
        gradients = [self.weights[i].grad for i in moved]
        momenta = [self.momenta[i] for i in moved]
        if moved:
            torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
            torch._foreach_lerp_(gradients, momenta, MOMENTUM)  # Nesterov's look ahead
            weights = [self.weights[i] for i in moved]
            torch._foreach_mul_(weights, 1 - self.rate * self.weight_decay)
            self._move(weights, gradients)
        self.adam.step()
        for weight in self.weights:
            weight.grad = None
        self.adam.zero_grad(set_to_none=True)

    @torch.no_grad()
    def step_halves(self, half: HalfPrecision, longest: float = 1.0) -> None:
        """Collect the gradients of half-precision copies, clip them, move all parameters, refresh the copies.

        The same as :meth:`HalfPrecision.collect`, :func:`clip_gradients`, :meth:`step` and
        :meth:`HalfPrecision.refresh`, in a third of the time where the kernels are compiled.

        Args:
            half: Copies of everything that is trained.
            longest: Gradients together are not longer than this.
        """
        fast = half.enabled and kernels() is not None
        if not fast or any(own.device.type != "cpu" for own, _ in half.pairs):
            half.collect()
            clip_gradients((own.grad for own, _ in half.pairs if own.grad is not None), longest)
            self.step()
            half.refresh()
            return
        found = {id(own): copy for own, copy in half.pairs if copy.grad is not None}
        for copy in found.values():
            copy.grad = copy.grad.contiguous()
        norm = kernels().gradient_norm([copy.grad for copy in found.values()])
        clip = min(1.0, longest / (norm + 1e-6))
        for (tall, rows, columns), group in self._alike(found).items():
            weights, momenta = [self.weights[i] for i in group], [self.momenta[i] for i in group]
            copies = [found[id(w)] for w in weights]
            updates = torch.empty(len(group), rows, columns, dtype=torch.bfloat16)
            gradients = [copy.grad for copy in copies]
            kernels().move_momenta(gradients, momenta, updates, tall, clip, MOMENTUM)
            length = self.rate * 0.2 * max(rows, columns) ** 0.5  # as in _move
            decay = self.rate * self.weight_decay
            found_updates = orthogonalise(updates)
            kernels().move_weights(weights, copies, found_updates, tall, decay, length)
        rest = [p for group in self.adam.param_groups for p in group["params"] if id(p) in found]
        copies = [found[id(p)] for p in rest]
        for own in rest:
            own.grad = torch.empty_like(own)
        gradients = [own.grad for own in rest]
        torch._foreach_copy_(gradients, [copy.grad for copy in copies])
        torch._foreach_mul_(gradients, clip)
        self.adam.step()
        torch._foreach_copy_(copies, rest)
        self.adam.zero_grad(set_to_none=True)
        for _, copy in half.pairs:
            copy.grad = None

    def _alike(self, found: dict[int, Tensor]) -> dict[tuple[bool, int, int], list[int]]:
        """Numbers of Muon's weights with a gradient, by shape."""
        shapes: dict[tuple[bool, int, int], list[int]] = {}
        for i, weight in enumerate(self.weights):
            if id(weight) in found:
                sides = weight.shape[0], weight.numel() // weight.shape[0]
                key = sides[0] > sides[1], min(sides), max(sides)
                shapes.setdefault(key, []).append(i)
        return shapes

    def _move(self, weights: list[Tensor], updates: list[Tensor]) -> None:
        """Orthogonalise the updates, shape by shape, and add them."""
        shapes: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for weight, update in zip(weights, updates, strict=True):
            matrix = update.flatten(1)
            tall = matrix.shape[0] > matrix.shape[1]
            wide = matrix.mT if tall else matrix
            target = weight.view(weight.shape[0], -1)
            shapes.setdefault(tuple(wide.shape), []).append((target.mT if tall else target, wide))
        for (rows, columns), pairs in shapes.items():
            found = orthogonalise(torch.stack([wide for _, wide in pairs]))
            # As long as a step of AdamW: root mean square 0.2 (Liu et al. 2025).
            length = 0.2 * max(rows, columns) ** 0.5
            for (target, _), update in zip(pairs, found, strict=True):
                target.add_(update, alpha=-self.rate * length)

    def state_dict(self) -> dict[str, Any]:
        """States of both."""
        return {"muon": self.momenta, "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue both."""
        for own, saved in zip(self.momenta, state["muon"], strict=True):
            own.copy_(saved)
        self.adam.load_state_dict(state["adam"])
