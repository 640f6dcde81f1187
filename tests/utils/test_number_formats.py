"""Which devices multiply in bfloat16."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.utils.number_formats import multiplies_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_f": True, "amx_tile": True}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"neon": True, "fp16_arith": True}, False),
        ({}, False),
    ],
)
def test_a_processor_is_asked(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert multiplies_bfloat16(CPU) is expected


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", True), ("aarch64", False)])
def test_an_older_pytorch_knows_one_set_of_instructions(
    monkeypatch: pytest.MonkeyPatch, machine: str, expected: bool
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert multiplies_bfloat16(CPU) is expected


def test_other_devices_have_none() -> None:
    assert multiplies_bfloat16(torch.device("mps")) is False
    assert multiplies_bfloat16(torch.device("meta")) is False
