"""The stacked encoder: SAM bit for bit in what it computes, the authors' blocks in what it adds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder
from mfnet_lite.sam import SamConfig, build_image_encoder
from mfnet_lite.sam.image_encoder import relative_tables
from mfnet_lite.tuning import attach_adapters, detach
from tests.golden.tuning import check, fill, given

SMALL = SamConfig(
    image_size=64, patch_size=8, width=24, depth=3, heads=3, window=3, global_blocks=(1,)
)


def random_encoder(config: SamConfig = SMALL, seed: int = 0) -> ImageEncoderViT:
    torch.manual_seed(seed)
    encoder = build_image_encoder(config)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.2)
    return encoder.eval()


def golden_encoder(window: int, tuning: str, rank: int = 4) -> MultimodalEncoder:
    """One block, 8 channels, 2 heads, filled as for the golden numbers."""
    sizes = SamConfig(
        image_size=16,
        patch_size=4,
        width=8,
        depth=1,
        heads=2,
        window=window,
        global_blocks=() if window else (0,),
        prompt_dim=8,
    )
    encoder = MultimodalEncoder(
        build_image_encoder(sizes), 2, tuning, rank=rank, alpha=1.0, zero_init=False
    )
    block = encoder.image_encoder.blocks[0]
    a, m = block.attn, block.mlp
    shared = [a.qkv.weight, a.qkv.bias, a.proj.weight, a.proj.bias, a.rel_pos_h, a.rel_pos_w]
    fill([*shared, m.lin1.weight, m.lin1.bias, m.lin2.weight, m.lin2.bias])
    added = encoder.additions[0]
    private: list[Tensor] = []
    if tuning == "mmadapter":
        for group in (added.after_attention, added.beside_mlp.adapter):
            for sensor in range(2):
                tensors = (group.down_weight, group.down_bias, group.up_weight, group.up_bias)
                private += [tensor[sensor] for tensor in tensors]
    else:
        for sensor in range(2):
            private += [added.qkv.lora_a[sensor], added.qkv.lora_b[sensor]]
        for group in (added.lin1, added.lin2):
            for sensor in range(2):
                private += [group.lora_a[sensor], group.lora_b[sensor]]
    fill(private, first=10)
    return encoder


def inputs() -> Tensor:
    return torch.stack([given((1, 4, 4, 8), 0), given((1, 4, 4, 8), 1)])


@pytest.mark.parametrize(
    ("window", "shares", "x", "y"),
    [
        (
            0,
            (0.5, 0.5),
            (-14.517127, 266.735580, [1.465700, 2.844423, 1.997428]),
            (-71.349976, 308.855618, [-0.230879, 2.762783, 3.782659]),
        ),
        (
            0,
            (0.8, 0.3),
            (-30.869558, 281.926031, [1.634456, 2.919528]),
            (-82.251596, 318.440681, [-0.118375, 2.812854]),
        ),
        (
            3,
            (0.5, 0.5),
            (-14.483112, 266.146063, [1.456425, 2.862804]),
            (-71.115155, 306.005019, [-0.364514, 2.884614]),
        ),
    ],
)
def test_golden_mmadapter_block(window: int, shares: tuple, x: tuple, y: tuple) -> None:
    encoder = golden_encoder(window, "mmadapter")
    encoder.additions[0].beside_mlp.mix.data = torch.tensor(shares)
    out = encoder.run_block(0, inputs())
    check(out[0], *x)
    check(out[1], *y)


def test_golden_mmlora_block() -> None:
    out = golden_encoder(2, "mmlora").run_block(0, inputs())
    check(out[0], -83.951229, 283.520349, [0.546304, 0.627528, 1.805294])
    check(out[1], -82.312346, 288.295678, [0.481230, 0.845549])


def test_golden_positions() -> None:
    sizes = SamConfig(image_size=1024, width=2, depth=1, heads=1, global_blocks=(0,), prompt_dim=8)
    encoder = MultimodalEncoder(build_image_encoder(sizes), 1, "none")
    official = encoder.image_encoder
    official.pos_embed.data = given((1, 64, 64, 2), 0)
    check(encoder.positions(16, 16), 1.128864, 327.756955, [0.609024, 0.685887, 0.998478])
    attention = official.blocks[0].attn
    attention.rel_pos_h.data = given((127, 2), 0)
    tables = relative_tables(official.blocks[0], 16, 16)
    assert tables is not None
    check(tables[0], 0.092889, 322.863183, [0.033623, 0.133232, -0.706038])


def test_another_grid_gets_the_golden_positions() -> None:
    # an official encoder built for the small grid, with the resized tables as its own, computes the same
    encoder = MultimodalEncoder(random_encoder(), 1, "none")
    small = random_encoder(replace(SMALL, image_size=32))
    state = {name: value.clone() for name, value in encoder.image_encoder.state_dict().items()}
    state["pos_embed"] = encoder.positions(4, 4)
    high, wide = relative_tables(encoder.image_encoder.blocks[1], 4, 4) or (None, None)
    for axis, table in (("h", high), ("w", wide)):
        assert table is not None
        # offsets -3 to 3: the first row of queries has the falling half, the last column of it the rest
        state[f"blocks.1.attn.rel_pos_{axis}"] = torch.cat([table[0].flip(0), table[1:, 0]])
    small.load_state_dict(state)
    images = torch.randn(1, 2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images)[0], small(images[0]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter", "none", "full"])
@pytest.mark.parametrize("sensors", [1, 2, 3])
def test_before_training_each_sensor_is_sam(tuning: str, sensors: int) -> None:
    official = random_encoder()
    images = torch.rand(sensors, 2, 3, 64, 64)
    with torch.no_grad():
        expected = torch.stack([official(image) for image in images])
        stacked = MultimodalEncoder(official, sensors, tuning)(images)
    torch.testing.assert_close(stacked, expected, atol=2e-5, rtol=1e-5)


def test_a_default_adapter_start_is_not_sam() -> None:
    official = random_encoder()
    images = torch.rand(2, 1, 3, 64, 64)
    out = MultimodalEncoder(official, 2, "mmadapter", alpha=1.0, zero_init=False)(images)
    assert (out[0] - official(images[0])).abs().mean() > 0.01


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter"])
def test_the_official_encoder_is_not_touched(tuning: str) -> None:
    official = random_encoder()
    before = {name: value.clone() for name, value in official.state_dict().items()}
    encoder = MultimodalEncoder(official, 2, tuning)
    trained = [p for p in encoder.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in encoder.additions.parameters()}
    optimiser = torch.optim.AdamW(trained, lr=0.1)
    encoder(torch.rand(2, 1, 3, 64, 64)).square().sum().backward()
    optimiser.step()
    after = official.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
def test_every_addition_learns_after_one_step(tuning: str) -> None:
    encoder = MultimodalEncoder(random_encoder(), 2, tuning, alpha=1.0, zero_init=False)
    for name, parameter in encoder.additions.named_parameters():
        if name.endswith("lora_b"):
            nn.init.normal_(parameter, std=0.1)
    encoder(torch.rand(2, 2, 3, 64, 64)).sin().sum().backward()
    for name, parameter in encoder.additions.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("size", [(64, 64), (40, 72), (8, 16)])
def test_other_sizes(size: tuple[int, int]) -> None:
    encoder = MultimodalEncoder(random_encoder(), 2, "mmlora")
    assert encoder(torch.rand(2, 1, 3, *size)).shape == (2, 1, 256, size[0] // 8, size[1] // 8)


def test_sensors_exchange_only_where_they_should() -> None:
    for tuning, exchange in (("mmlora", True), ("lora", False), ("mmadapter", True)):
        encoder = MultimodalEncoder(random_encoder(), 2, tuning, alpha=1.0, zero_init=False)
        for parameter in encoder.additions.parameters():
            nn.init.normal_(parameter, std=0.3)
        images = torch.rand(2, 1, 3, 64, 64)
        other = images.clone()
        other[1] = torch.rand_like(other[1])
        same = torch.allclose(encoder(images)[0], encoder(other)[0])
        assert same is not exchange, tuning


def test_a_missing_sensor_gives_nothing() -> None:
    encoder = MultimodalEncoder(random_encoder(), 2, "mmlora")
    for parameter in encoder.additions.parameters():
        nn.init.normal_(parameter, std=0.3)
    images = torch.rand(2, 2, 3, 64, 64)
    other = images.clone()
    other[1] = torch.rand_like(other[1])
    modality_mask = torch.tensor([[True, False], [True, True]])
    a, b = encoder(images, modality_mask)[0], encoder(other, modality_mask)[0]
    torch.testing.assert_close(a[0], b[0])
    assert not torch.allclose(a[1], b[1])


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter", "full"])
def test_nan_of_a_missing_sensor_reaches_neither_results_nor_gradients(tuning: str) -> None:
    encoder = MultimodalEncoder(random_encoder(), 2, tuning, alpha=1.0, zero_init=False)
    for parameter in encoder.additions.parameters():
        nn.init.normal_(parameter, std=0.1)
    images = torch.rand(2, 2, 3, 64, 64)
    modality_mask = torch.tensor([[True, False], [True, True]])
    spoiled = images.clone()
    spoiled[1, 0] = torch.nan
    answers, gradients = [], []
    for given_ in (images, spoiled):
        encoder.zero_grad()
        out = encoder(given_, modality_mask)[modality_mask.T]
        out.sin().sum().backward()
        answers.append(out)
        gradients.append([p.grad for p in encoder.parameters() if p.grad is not None])
    assert torch.isfinite(answers[1]).all()
    assert torch.equal(*answers)
    assert gradients[0]
    for a, b in zip(*gradients, strict=True):
        assert torch.equal(a, b)


def test_checkpointing_gives_the_same_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        encoder = MultimodalEncoder(
            random_encoder(), 2, "mmlora", alpha=1.0, zero_init=False, checkpointing=checkpointing
        )
        torch.manual_seed(2)
        for parameter in encoder.additions.parameters():
            nn.init.normal_(parameter, std=0.1)
        encoder(torch.rand(2, 1, 3, 64, 64)).sin().sum().backward()
        gradients.append([p.grad for p in encoder.additions.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_tables_are_made_once_and_again_after_a_change() -> None:
    encoder = MultimodalEncoder(random_encoder(), 1, "none")
    assert encoder.positions(5, 5) is encoder.positions(5, 5)
    before = encoder.positions(5, 5)
    with torch.no_grad():
        encoder.image_encoder.pos_embed.add_(1.0)
    torch.testing.assert_close(encoder.positions(5, 5), before + 1)


def test_tables_follow_weights_that_were_written_through_data() -> None:
    """Such writes raise no version: ``param.data.copy_(checkpoint)`` after a forward pass."""
    encoder, other = (
        MultimodalEncoder(random_encoder(seed=seed), 1, "none").eval() for seed in (0, 1)
    )
    images = torch.rand(1, 1, 3, 40, 72)
    with torch.no_grad():
        before = encoder(images)
        for mine, theirs in zip(encoder.parameters(), other.parameters(), strict=True):
            mine.data.copy_(theirs)
        assert not torch.allclose(encoder(images), before)
        assert torch.equal(encoder(images), other(images))


def test_an_encoder_built_in_inference_mode() -> None:
    images = torch.rand(1, 1, 3, 40, 72)
    with torch.no_grad():
        expected = MultimodalEncoder(random_encoder(), 1, "none").eval()(images)
    with torch.inference_mode():
        encoder = MultimodalEncoder(random_encoder(), 1, "none").eval()
        assert torch.equal(encoder(images), expected)
        assert torch.equal(encoder(images), expected)


def test_autocast_and_float64() -> None:
    encoder = MultimodalEncoder(random_encoder(), 2, "mmlora")
    images = torch.rand(2, 1, 3, 64, 64)
    exact = encoder(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(images)
    assert (rough.float() - exact).abs().mean() < 0.1 * exact.abs().mean()
    torch.testing.assert_close(
        encoder.double()(images.double()).float(), exact, atol=1e-4, rtol=1e-4
    )


def test_adapters_in_the_blocks_are_refused() -> None:
    found = r"Attention as image_encoder\.blocks\.0\.attn, found SerialAdapter, .*tuning\.detach"
    with pytest.raises(ValueError, match=found):
        MultimodalEncoder(attach_adapters(random_encoder()), 1)
    with pytest.raises(ValueError, match=r"MLPBlock as image_encoder\.blocks\.1\.mlp"):
        MultimodalEncoder(attach_adapters(random_encoder(), targets="blocks.1.mlp"), 1)
    assert MultimodalEncoder(detach(attach_adapters(random_encoder())), 1)


@pytest.mark.parametrize("name", ["", "blocks.0", "blocks.1.attn"])
def test_hooks_that_would_not_run_are_told(name: str) -> None:
    official = random_encoder()
    hook = official.get_submodule(name).register_forward_hook(lambda *_: None)
    encoder, x = MultimodalEncoder(official, 1), torch.rand(1, 1, 3, 64, 64)
    with pytest.warns(UserWarning, match=rf"hooks on image_encoder\.?{name} do not run"):
        encoder(x)
    hook.remove()
    heard: list[str] = []
    official.blocks[0].attn.qkv.register_forward_pre_hook(lambda *_: heard.append("qkv"))
    encoder(x)  # warnings are errors here
    assert heard == ["qkv"]


def test_errors() -> None:
    with pytest.raises(ValueError, match="unknown tuning 'lorra'; available: mmlora, "):
        MultimodalEncoder(random_encoder(), 2, "lorra")
    encoder = MultimodalEncoder(random_encoder(), 2)
    with pytest.raises(ValueError, match=r"expected \(2 sensors, batch, 3, height, width\)"):
        encoder(torch.zeros(1, 2, 3, 64, 64))
    with pytest.raises(ValueError, match="multiples of the patch size 8"):
        encoder(torch.zeros(2, 1, 3, 60, 64))
