"""Names of EfficientNet-PyTorch and timm: the rule against the order of the layers, which is the same in both."""

from __future__ import annotations

import pytest

from mfnet_lite.nets.encoders.efficientnet_names import STAGES, lite0_name, lite0_names

timm = pytest.importorskip("timm", reason="timm is an optional package")

from tests.made_weights import GOLDEN, NAME, made_state  # noqa: E402


def test_the_rule_gives_the_pairs_that_the_order_gives() -> None:
    names = list(timm.create_model(NAME).state_dict())
    assert [lite0_name(name) for name in GOLDEN["tensors"]] == names
    assert len(set(names)) == 296


def test_the_stages_are_those_of_timm() -> None:
    assert tuple(len(stage) for stage in timm.create_model(NAME).blocks) == STAGES


def test_a_made_state_dict_loads_strictly() -> None:
    net = timm.create_model(NAME)
    state = made_state()
    net.load_state_dict(lite0_names(state), strict=True)
    assert (net.blocks[5][2].conv_pwl.weight == state["_blocks.13._project_conv.weight"]).all()


@pytest.mark.parametrize(
    "name",
    [
        "_blocks.16._bn0.weight",
        "_blocks.-1._bn0.weight",
        "_blocks.0._expand_conv.weight",
        "_blocks.3._se_reduce.weight",
        "_blocks.x._bn0.weight",
        "_blocks.3",
        "conv_stem.weight",
    ],
)
def test_a_name_without_a_rule(name: str) -> None:
    with pytest.raises(ValueError, match="is no tensor of EfficientNet-Lite0"):
        lite0_name(name)
