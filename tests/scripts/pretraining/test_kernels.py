"""The compiled kernels against PyTorch's operations, and the losses against the library's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import mask_iou, mask_loss
from scripts.pretraining import kernels


@pytest.fixture(scope="module")
def compiled():
    if kernels.kernels() is None:
        pytest.skip("no C++ compiler, or a processor without products in bfloat16")
    return kernels


def logits_and_truth():
    generator = torch.Generator().manual_seed(0)
    logits = 6 * torch.randn(2, 3, 4, 8, 8, generator=generator)
    truth = torch.rand(2, 3, 8, 8, generator=generator) > 0.6
    truth[0, 0], logits[0, 0, 1] = False, -5.0  # two empty masks
    return logits, truth


def check_losses(logits, truth, tolerance):
    exact = logits.detach().float().requires_grad_()
    target = truth[:, :, None].expand_as(exact).float()
    expected, wanted_iou = mask_loss(exact, target), mask_iou(exact, target)
    logits.requires_grad_()
    found, iou = kernels.mask_losses(logits, truth)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(iou, wanted_iou)
    assert iou[0, 0, 1] == 1
    weights = torch.linspace(0, 1, found.numel()).reshape(found.shape)  # the first learns nothing
    (of_exact,) = torch.autograd.grad((expected * weights).sum(), exact)
    (gradient,) = torch.autograd.grad((found * weights).sum(), logits)
    assert of_exact.abs().max() > 0.01
    torch.testing.assert_close(gradient.float(), of_exact, atol=tolerance, rtol=tolerance)


def test_losses_without_kernels_equal_the_library():
    logits, truth = logits_and_truth()
    check_losses(logits, truth, 1e-6)


@pytest.mark.slow
def test_losses_of_the_kernel_equal_the_library(compiled):
    logits, truth = logits_and_truth()
    # bfloat16 has eight bits: the gradient is written with a relative error of up to 1/256.
    check_losses(logits.bfloat16(), truth, 2**-8)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [32, 128, 192, 7])
def test_layer_norm_is_as_near_the_exact_one_as_pytorchs(compiled, columns):
    generator = torch.Generator().manual_seed(1)
    x, grad = (torch.randn(5, 40, columns, generator=generator).bfloat16() for _ in range(2))
    weight, bias = (torch.randn(columns, generator=generator).bfloat16() for _ in range(2))

    def run(dtype, context):
        given = [t.detach().to(dtype).requires_grad_() for t in (x, weight, bias)]
        with context:
            out = F.layer_norm(given[0], (columns,), given[1], given[2], eps=1e-6)
        out.backward(grad.to(dtype))
        return [out.detach(), *(t.grad for t in given)], type(out.grad_fn).__name__

    exact, _ = run(torch.float64, torch.enable_grad())
    plain, _ = run(torch.bfloat16, torch.enable_grad())
    ours, name = run(torch.bfloat16, compiled.FastKernels())
    assert name == "_LayerNormBackward"
    for found, theirs, wanted in zip(ours, plain, exact, strict=True):
        error, allowed = ((t.double() - wanted).abs().max() for t in (found, theirs))
        assert error <= 1.5 * allowed + 1e-3


def test_single_precision_is_left_to_pytorch():
    x = torch.randn(3, 8, requires_grad=True)
    weight, bias = torch.ones(8), torch.zeros(8)
    with kernels.FastKernels():
        out = F.layer_norm(x, (8,), weight, bias)
    assert torch.equal(out, F.layer_norm(x, (8,), weight, bias))
    assert type(out.grad_fn).__name__ != "_LayerNormBackward"


@pytest.mark.slow
def test_linear_maps_equal_pytorchs(compiled):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(3, 5, 16, generator=generator).bfloat16()
    weight, bias = (torch.randn(*s, generator=generator).bfloat16() for s in ((8, 16), (8,)))
    grad = torch.randn(3, 5, 8, generator=generator).bfloat16()

    def run(context):
        given = [t.clone().requires_grad_() for t in (x, weight, bias)]
        with context:
            out = F.linear(*given)
        out.backward(grad)
        return [out.detach(), *(t.grad for t in given)], type(out.grad_fn).__name__

    (ours, name), (theirs, _) = run(compiled.FastKernels()), run(torch.enable_grad())
    assert name == "_LinearBackward"
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


def gradients_of(run, given, dtype, context):
    """Result and gradients of a function of tensors, and the name of the last step."""
    given = [t.detach().to(dtype).requires_grad_() for t in given]
    with context:
        out = run(*given)
    weights = torch.linspace(-1, 1, out.numel()).reshape(out.shape).bfloat16().to(dtype)
    out.backward(weights)
    return [out.detach(), *(t.grad for t in given)], out.grad_fn


def check_against_exact(compiled, run, given, name):
    """The kernel is nearly as near the exact numbers as PyTorch's bfloat16 is."""
    exact, _ = gradients_of(run, given, torch.float64, torch.enable_grad())
    plain, _ = gradients_of(run, given, torch.bfloat16, torch.enable_grad())
    ours, node = gradients_of(run, given, torch.bfloat16, compiled.FastKernels())
    assert name in type(node).__name__ + str(node.next_functions)
    for found, theirs, wanted in zip(ours, plain, exact, strict=True):
        error, allowed = ((t.double() - wanted).abs().max() for t in (found, theirs))
        assert wanted.abs().max() > 0
        assert error <= 1.5 * allowed + 1e-3


@pytest.mark.slow
def test_gelu_is_as_near_the_exact_one_as_pytorchs(compiled):
    x = torch.linspace(-9, 9, 1001).reshape(7, 143).bfloat16()
    check_against_exact(compiled, F.gelu, [x], "_GeluBackward")


@pytest.mark.slow
@pytest.mark.parametrize("dim", [-1, 1, 3, 0])
def test_softmax_is_as_near_the_exact_one_as_pytorchs(compiled, dim):
    x = 3 * torch.randn(4, 7, 3, 33, generator=torch.Generator().manual_seed(3)).bfloat16()
    check_against_exact(compiled, lambda t: t.softmax(dim=dim), [x], "_SoftmaxBackward")


@pytest.mark.slow
@pytest.mark.parametrize("sides", [(8, 8), (16, 16), (3, 5)])
def test_attention_on_a_grid_equals_the_librarys(compiled, sides):
    from mfnet_lite.sam.window_attention import attend_grid

    generator = torch.Generator().manual_seed(4)
    tokens = sides[0] * sides[1]
    given = [torch.randn(2, 3, tokens, 16, generator=generator).bfloat16() for _ in range(3)]
    given += [torch.randn(2 * s - 1, 16, generator=generator).bfloat16() for s in sides]

    def run(q, k, v, *tables):
        expanded = [
            t[torch.arange(s)[:, None] - torch.arange(s) + s - 1]
            for t, s in zip(tables, sides, strict=True)
        ]
        return attend_grid(0.25 * q, k, v, tuple(expanded), 1.0)

    check_against_exact(compiled, run, given, "_GridAttentionBackward")


@pytest.mark.slow
def test_masks_equal_the_decoders(compiled):
    from mfnet_lite.sam.mask_decoder import gelu_masks

    generator = torch.Generator().manual_seed(5)
    hyper = torch.randn(2, 3, 4, 16, generator=generator).bfloat16()
    upscaled = torch.randn(2, 3, 2 * 3, 4, 4, 16, generator=generator).bfloat16()
    check_against_exact(
        compiled, lambda h, x: gelu_masks(h, x, 2), [hyper, upscaled], "_GeluMasksBackward"
    )


@pytest.fixture(scope="module")
def tiled(compiled):
    if not compiled.kernels().tiles_usable():
        pytest.skip("no AMX")
    return compiled


@pytest.mark.slow
@pytest.mark.parametrize(("side", "window"), [(16, 8), (16, 0), (32, 16), (32, 0)])
def test_attention_on_tiles_equals_the_librarys(tiled, side, window):
    """Values and gradients of tokens and tables, in windows and on the whole grid, for all widths compiled."""
    from mfnet_lite.sam.window_attention import window_attention

    generator = torch.Generator().manual_seed(6)
    across = window or side
    distance = torch.arange(across)[:, None] - torch.arange(across) + across - 1
    given = [torch.randn(2, side, side, 3 * 64, generator=generator).bfloat16()]
    given += [0.3 * torch.randn(2 * across - 1, 32, generator=generator).bfloat16() for _ in "hw"]

    def run(qkv, rows, columns):
        tables = rows[distance], columns[distance]
        return window_attention(0.7 * qkv, None, 2, window, tables, 1.0)

    check_against_exact(tiled, run, given, "_WindowAttentionBackward")


@pytest.mark.slow
def test_attention_in_padded_windows_is_left_to_the_library(compiled):
    from mfnet_lite.sam.window_attention import window_attention

    qkv = torch.randn(1, 12, 12, 3 * 32, generator=torch.Generator().manual_seed(7)).bfloat16()
    tables = (torch.ones(8, 8, 32, dtype=torch.bfloat16),) * 2
    with compiled.FastKernels():
        found = window_attention(qkv, None, 1, 8, tables, 1.0)
    expected = window_attention(qkv.double(), None, 1, 8, tuple(t.double() for t in tables), 1.0)
    torch.testing.assert_close(found.double(), expected, atol=0.05, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [(2, 700, 45, 70), (1, 1024, 64, 32), (3, 37, 13, 19), (2, 512, 8, 96), (1, 1025, 33, 1)],
)
def test_products_of_a_transposed_factor_are_exact_up_to_rounding(tiled, sizes):
    batch, rows, m, n = sizes
    generator = torch.Generator().manual_seed(8)
    a = torch.randn(batch, rows, m, generator=generator).bfloat16()
    b = torch.randn(batch, rows, n, generator=generator).bfloat16()
    expected = a.double().mT @ b.double()
    torch.testing.assert_close(
        tiled.kernels().product_atb(a, b).double(), expected, atol=2e-3, rtol=2**-8
    )


def test_ends_of_ids_equal_pytorchs(compiled):
    from scripts.pretraining.dense import id_ends

    ids = torch.randint(1, 9, (2, 3, 7, 12), generator=torch.Generator().manual_seed(9))
    ids[0, 1] = 10  # ids 0 and 9 are nowhere
    assert torch.equal(id_ends(ids.to(torch.int16)), id_ends(ids))
