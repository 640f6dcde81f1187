"""Mixed precision computes products in half precision and rounds nothing that enters a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.distributed import make_fabric, precision_of
from mfnet_lite.training.mixed_precision import WholeInputs

HEIGHTS = torch.tensor([0.7001, 0.7019, 430.9 / 1000, 1001.0])
"""In bfloat16: 0.6992, 0.7031, 0.4316 and 1000."""


class Heights(nn.Module):
    """Notes what enters it and in which format it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.seen: list[tuple[Tensor, torch.dtype]] = []

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        out: Tensor = self.layer(batch["heights"])
        self.seen.append((batch["heights"].detach().clone(), out.dtype))
        return out[..., None, None]


class Samples(torch.utils.data.Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"heights": HEIGHTS + index, "label": torch.zeros(1, 1, dtype=torch.long)}


CPU: dict[str, Any] = {"device": "cpu", "batch": 2, "steps": 1, "progress": False}


@pytest.mark.parametrize(
    ("precision", "product"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)]
)
def test_a_training_shows_its_model_what_the_samples_hold(
    precision: Any, product: torch.dtype
) -> None:
    model = Heights()
    fit(model, Samples(), config=TrainConfig(precision=precision, **CPU))
    (seen, dtype), *_ = model.seen
    assert dtype == product
    assert seen.dtype == torch.float32
    order = seen[:, 0].argsort()
    assert torch.equal(seen[order], torch.stack([HEIGHTS, HEIGHTS + 1]))


def test_what_comes_out_is_in_single_precision() -> None:
    fabric = make_fabric(TrainConfig(precision="bf16-mixed", **CPU), torch.device("cpu"))
    out = fabric.setup(Heights())({"heights": HEIGHTS[None]})
    assert out.dtype == torch.float32


def test_other_formats_and_strategies_are_left_to_fabric() -> None:
    cpu = torch.device("cpu")
    for strategy in ("auto", "ddp", "ddp_find_unused_parameters_true"):
        found = precision_of(TrainConfig(precision="bf16-mixed", strategy=strategy), cpu)
        (plugin,) = found["plugins"]
        assert isinstance(plugin, WholeInputs)
        assert plugin.device == "cpu"
    sharded = TrainConfig(precision="bf16-mixed", strategy="fsdp")
    assert precision_of(sharded, cpu) == {"precision": "bf16-mixed"}
    assert precision_of(TrainConfig(precision="bf16-true"), cpu) == {"precision": "bf16-true"}
