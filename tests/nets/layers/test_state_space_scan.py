"""The selective scan: golden numbers, hand-computed values, all backends against each other, odd sizes, bad input."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mfnet_lite.nets import layers
from mfnet_lite.nets.layers.scan_compiled import kernel
from mfnet_lite.nets.layers.scan_segments import CHUNK, segments
from mfnet_lite.nets.layers.state_space_scan import selective_scan
from tests.golden.fill import numbers, sines

BACKENDS = [
    pytest.param(
        "compiled",
        marks=pytest.mark.skipif(kernel() is None, reason="no C++ compiler"),
    ),
    "segments",
    "steps",
]


def golden_inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    inputs = {
        "u": sines((1, 2, 5), 1, 0.7), "delta": sines((1, 2, 5), 0.5, 0.9),
        "A": torch.tensor([[-1.0, -2.0, -3.0]] * 2), "B": sines((1, 3, 5), 0.8, 1.1),
        "C": sines((1, 3, 5), 0.6, 1.3), "D": torch.tensor([1.0, 0.5]),
        "delta_bias": torch.tensor([-1.0, 0.25]),
    }  # fmt: skip
    return {name: x.to(dtype).requires_grad_() for name, x in inputs.items()}


# The reference implementation of mamba_ssm 2.3.2.post1 (selective_scan_ref), in double precision.
Y = """0.741787 1.204325 0.414779 0.129117 -0.241467 -0.626340 -0.859441 0.249355 0.069856 0.023619"""
LAST = """0.144257 0.169816 0.131800 -0.376201 -0.504987 -0.355081"""
GRADIENTS = {
    "u": "0.299855 0.418060 0.581783 1.039577 0.901850 0.720494 0.586851 -0.103758 0.357367 0.001835",
    "delta": "-0.002719 -0.116627 -0.005248 0.083989 -0.000136 -0.156197 -0.099464 0.066593 -0.017675 -0.007851",
    "A": "-0.101746 -0.048595 -0.009469 0.069073 0.031849 0.008692",
    "B": "-0.334006 -0.240065 0.004068 -0.037701 -0.005872 -0.291819 -0.167932 0.036619 -0.025859 -0.011468 "
    "-0.270318 -0.091795 0.067174 -0.014983 -0.016528",
    "C": "-0.312720 -0.329863 0.105614 0.098286 0.128583 -0.109318 -0.325899 0.027648 0.143477 0.148782 "
    "0.157779 -0.192852 -0.080647 0.153904 0.117007",
    "D": "1.427190 -2.001400",
    "delta_bias": "-0.040741 -0.214595",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_golden_numbers(backend, dtype):
    if backend == "compiled" and dtype == torch.float64:
        pytest.skip("the compiled scan works in single precision")
    inputs = golden_inputs(dtype)
    y, last = selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend)
    assert (y.double().flatten() - numbers(Y)).abs().max() < 1e-5
    assert (last.double().flatten() - numbers(LAST)).abs().max() < 1e-5
    (y * sines((1, 2, 5), 1, 0.31).to(dtype)).sum().backward()
    for name, expected in GRADIENTS.items():
        found = inputs[name].grad.double().flatten()
        assert (found - numbers(expected)).abs().max() < 1e-5, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend):
    """The state halves and takes in 1, -2, 4; it is read three times over, and half the input is added."""
    u = torch.tensor([[[1.0, -2.0, 4.0]]])
    A = torch.tensor([[-math.log(2.0)]])
    ones = torch.ones(1, 1, 3)
    y, last = selective_scan(
        u, ones, A, ones, 3 * ones, torch.tensor([0.5]), return_last_state=True, backend=backend
    )
    # h: 1, 0.5 - 2 = -1.5, -0.75 + 4 = 3.25
    assert torch.allclose(y, torch.tensor([[[3.5, -5.5, 11.75]]]))
    assert torch.allclose(last, torch.tensor([[[3.25]]]))


def inputs(batch: int, channels: int, length: int, states: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    u, delta = draw(batch, channels, length), draw(batch, channels, length).exp() * 0.1
    A = -draw(channels, states).exp()
    return [u, delta, A, draw(batch, states, length), draw(batch, states, length)]


def scan_and_gradients(tensors: list[Tensor], backend: str, dtype: torch.dtype) -> list[Tensor]:
    own = [x.detach().to(dtype, copy=True).requires_grad_() for x in tensors]
    y, last = selective_scan(*own, return_last_state=True, backend=backend)
    (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y)).sum().backward()
    return [y.detach(), last, *(x.grad for x in own)]


@pytest.mark.parametrize("backend", BACKENDS[:2])
@pytest.mark.parametrize(
    "sizes",
    [(1, 1, 1, 1), (2, 3, CHUNK - 1, 4), (1, 5, CHUNK + 1, 7), (2, 2, 100, 16), (1, 3, 70, 17), (1, 2, 33, 40),
     (2, 1, 20, 8), (1, 2, 512, 3), (2, 2, 1100, 18)],
)  # fmt: skip
def test_every_backend_is_the_recurrence(backend, sizes):
    tensors = inputs(*sizes)
    expected = scan_and_gradients(tensors, "steps", torch.float64)
    dtype = torch.float32 if backend == "compiled" else torch.float64
    for found, right in zip(scan_and_gradients(tensors, backend, dtype), expected, strict=True):
        scale = right.abs().max().clamp(min=1)
        assert (found.double() - right).abs().max() / scale < (
            1e-5 if dtype == torch.float32 else 1e-12
        )


def test_segments_are_joined(monkeypatch):
    """Several segments with a rest, and not one."""
    monkeypatch.setattr("mfnet_lite.nets.layers.scan_segments.NUMBERS", CHUNK * 2 * 3 * 4 * 2)
    assert len(list(segments(75, 2 * 3 * 4))) == 3
    tensors = inputs(2, 3, 75, 4)
    expected = scan_and_gradients(tensors, "steps", torch.float64)
    for found, right in zip(
        scan_and_gradients(tensors, "segments", torch.float64), expected, strict=True
    ):
        assert (found - right).abs().max() < 1e-12


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.skipif(kernel() is None, reason="no C++ compiler")
def test_threads_change_nothing_but_the_order_of_sums(threads):
    tensors, before = inputs(2, 5, 30, 4), torch.get_num_threads()
    expected = scan_and_gradients(tensors, "steps", torch.float64)
    try:
        torch.set_num_threads(threads)
        found = scan_and_gradients(tensors, "compiled", torch.float32)
    finally:
        torch.set_num_threads(before)
    for own, right in zip(found, expected, strict=True):
        assert (own.double() - right).abs().max() < 1e-5 * right.abs().max().clamp(min=1)


@pytest.mark.parametrize("length", [5, CHUNK, 3 * CHUNK, 75])
def test_chunks_run_side_by_side(monkeypatch, length):
    """What a GPU does: chunks within segments, several of each, with a rest."""
    monkeypatch.setattr("mfnet_lite.nets.layers.scan_segments.NUMBERS", CHUNK * 2 * 3 * 4 * 2)

    def cut_as_on_a_gpu(x: Tensor) -> Tensor:
        x = torch.nn.functional.pad(x, (0, -x.shape[-1] % CHUNK))
        return x.unflatten(-1, (-1, CHUNK)).permute(3, 0, 2, 1)

    tensors = inputs(2, 3, length, 4)
    expected = scan_and_gradients(tensors, "steps", torch.float64)
    monkeypatch.setattr("mfnet_lite.nets.layers.scan_segments.cut", cut_as_on_a_gpu)
    found = scan_and_gradients(tensors, "segments", torch.float64)
    for own, right in zip(found, expected, strict=True):
        assert (own - right).abs().max() < 1e-12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("backend", ["segments", "mamba_ssm"])
def test_the_gpu_agrees_with_the_cpu(backend):
    if backend == "mamba_ssm" and layers.state_space_scan._imported() is None:
        pytest.skip("mamba_ssm is not installed")
    tensors = inputs(2, 16, 300, 16)
    expected = scan_and_gradients(tensors, "steps", torch.float64)
    for own, right in zip(
        scan_and_gradients([x.cuda() for x in tensors], backend, torch.float32),
        expected,
        strict=True,
    ):
        assert (own.cpu().double() - right).abs().max() < 1e-4 * right.abs().max().clamp(min=1)


def test_gradients_are_those_of_finite_differences():
    tensors = [x.requires_grad_() for x in inputs(1, 2, 20, 3)]
    assert torch.autograd.gradcheck(
        lambda *x: selective_scan(*x, backend="segments"), tensors, atol=1e-6
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_long_and_strong_decays_stay_finite(backend):
    """Products of these decays underflow after one token; a form that divides by them gives NaN."""
    length = 3000
    u, delta = torch.ones(1, 1, length), torch.full((1, 1, length), 50.0)
    A = torch.tensor([[-1e-6, -1.0, -16.0]], requires_grad=True)
    y = selective_scan(
        u, delta, A, torch.ones(1, 3, length), torch.ones(1, 3, length), backend=backend
    )
    y.sum().backward()
    assert torch.isfinite(A.grad).all()
    # the first state only adds up: 50 per token and 1.00 of decay; the others forget at once
    assert y[0, 0, 0].item() == pytest.approx(150.0)
    assert y[0, 0, -1].item() == pytest.approx(
        100 + 50 * (1 - math.exp(-50e-6 * length)) / 50e-6, rel=1e-3
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_of_astronomic_size_forgets_all_and_has_no_gradient(backend):
    u, A = torch.ones(1, 1, 3), torch.tensor([[-1.0]], requires_grad=True)
    delta = torch.tensor([[[1.0, 1e30, 1.0]]])
    selective_scan(u, delta, A, torch.ones(1, 1, 3), torch.ones(1, 1, 3), backend=backend)[
        ..., 1
    ].sum().backward()
    assert A.grad.item() == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_comes_from_later_tokens(backend):
    tensors = [x.float() for x in inputs(1, 3, 50, 4)]
    before = selective_scan(*tensors, backend=backend)
    tensors[0] = tensors[0].clone()
    tensors[0][..., 30:] += 1
    after = selective_scan(*tensors, backend=backend)
    assert torch.equal(before[..., :30], after[..., :30])
    assert not torch.equal(before[..., 30:], after[..., 30:])


@pytest.mark.parametrize("backend", BACKENDS)
def test_not_a_number_is_not_swallowed(backend):
    tensors = [x.float() for x in inputs(1, 2, 10, 4)]
    tensors[1][0, 0, 4] = math.nan
    y = selective_scan(*tensors, backend=backend)
    assert torch.isfinite(y[0, 0, :4]).all()
    assert torch.isnan(y[0, 0, 4:]).all()
    assert torch.isfinite(y[0, 1]).all()


def test_half_precision_is_scanned_in_single():
    tensors = [x.float() for x in inputs(1, 3, 200, 4)]
    half = [x.bfloat16() for x in tensors]
    y = selective_scan(*half)
    assert y.dtype == torch.bfloat16
    exact = selective_scan(*(x.float() for x in half))
    assert torch.equal(y, exact.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(selective_scan(*tensors), selective_scan(*tensors))
        assert selective_scan(*tensors).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        mixed = selective_scan(*tensors, backend="segments")
    assert torch.allclose(mixed, selective_scan(*tensors), atol=1e-4)


def test_memory_kept_for_the_gradient_is_that_of_the_inputs():
    tensors = [x.float().requires_grad_() for x in inputs(1, 8, 4096, 16)]
    kept = []

    def pack(x: Tensor) -> Tensor:
        kept.append(x.numel())
        return x

    for backend in [b for b in ("compiled", "segments") if b != "compiled" or kernel() is not None]:
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            selective_scan(*tensors, backend=backend)
        # a stack of all states would be 4096 * 8 * 16 = 524288
        assert sum(kept) < 1.1 * sum(x.numel() for x in tensors)


def test_without_a_compiler_the_segments_run(monkeypatch):
    tensors = [x.float() for x in inputs(1, 3, 50, 4)]
    monkeypatch.setattr("mfnet_lite.nets.layers.state_space_scan.kernel", lambda: None)
    assert torch.equal(selective_scan(*tensors), selective_scan(*tensors, backend="segments"))
    with pytest.raises(
        ValueError, match="needs a compiler: no C\\+\\+ compiler was found, or it failed"
    ):
        selective_scan(*tensors, backend="compiled")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"u": torch.zeros(3, 4)}, "expected u of shape"),
        ({"delta": torch.zeros(1, 2, 4)}, r"expected delta of shape \(1, 2, 5\)"),
        ({"A": torch.zeros(3, 3)}, r"expected A of shape \(2, 3\)"),
        ({"B": torch.zeros(1, 5, 3)}, r"expected B of shape \(1, 3, 5\)"),
        ({"D": torch.zeros(3)}, r"expected D of shape \(2,\)"),
        ({"delta_bias": torch.zeros(1)}, r"expected delta_bias of shape \(2,\)"),
        ({"C": torch.zeros(1, 3, 5, dtype=torch.long)}, "expected real numbers"),
        ({"backend": "cuda"}, "unknown backend 'cuda'"),
        ({"backend": "mamba_ssm"}, "needs that package, built for this GPU"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(change, said):
    tensors = {
        "u": torch.zeros(1, 2, 5), "delta": torch.zeros(1, 2, 5), "A": torch.zeros(2, 3),
        "B": torch.zeros(1, 3, 5), "C": torch.zeros(1, 3, 5),
    }  # fmt: skip
    with pytest.raises(ValueError, match=said):
        selective_scan(**tensors | change)


def test_compiled_refuses_double_precision():
    if kernel() is None:
        pytest.skip("no C++ compiler")
    with pytest.raises(ValueError, match="takes single precision on the CPU"):
        selective_scan(*inputs(1, 1, 3, 2), backend="compiled")


def test_the_package_exports_the_function():
    assert layers.selective_scan is selective_scan


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backward_pass_within_autocast_is_the_same(backend):
    found = []
    for enabled in (False, True):
        own = [x.float().requires_grad_() for x in inputs(2, 3, 30, 4)]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            selective_scan(*own, backend=backend).square().sum().backward()
        found.append([x.grad for x in own])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sizes", [(0, 3), (2, 0)])
def test_an_empty_batch_and_no_channels(backend, sizes):
    own = [x.float().requires_grad_() for x in inputs(*sizes, 5, 4)]
    y, last = selective_scan(*own, return_last_state=True, backend=backend)
    y.sum().backward()
    assert (y.shape, last.shape) == ((*sizes, 5), (*sizes, 4))
    assert all(x.grad.shape == x.shape and not x.grad.any() for x in own)


def test_tensors_that_have_only_a_shape():
    """On the device ``meta``, and as an export traces a network: the compiled loop would read address 0."""
    tensors = [x.float() for x in inputs(1, 2, 5, 3)]
    assert selective_scan(*(x.to("meta") for x in tensors)).shape == (1, 2, 5)
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(x) for x in tensors]
        assert selective_scan(*fakes).shape == (1, 2, 5)
        with pytest.raises(ValueError, match="backend='segments' runs everywhere"):
            selective_scan(*fakes, backend="compiled")
