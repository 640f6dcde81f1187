"""ONNX files: packages that are missing, decisions, what a comparison accepts, weights stored in half precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mfnet_lite.nets.decoders.global_local import GlobalLocalBlock
from mfnet_lite.utils import onnx_files, optional_packages
from mfnet_lite.utils.onnx_files import (
    Agreement,
    by_class,
    by_sign,
    check_onnx,
    compare,
    convert_to_onnx,
    onnx_package,
    store_halves,
)

EXTRA = "needs onnx, onnxscript and onnxruntime (the extra onnx)"


@pytest.fixture(scope="module")
def onnx():
    for name in ("onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=EXTRA)
    return pytest.importorskip("onnx", reason=EXTRA)


class Affine(nn.Module):
    """A matrix whose numbers half precision holds, and one whose numbers it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.exact = nn.Parameter(torch.arange(2048.0).reshape(32, 64) / 1024)
        self.other = nn.Parameter(torch.full((32, 64), 0.1))

    def forward(self, x):
        return x @ self.exact.T + x @ self.other.T


def test_a_missing_package_is_one_sentence(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(optional_packages, "import_module", missing)
    with pytest.raises(ImportError, match=r"need the package onnxscript.*mfnet-lite\[onnx\]"):
        onnx_package("onnxscript")


def test_a_package_that_lacks_something_itself_says_so(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'inner'", name="inner")

    monkeypatch.setattr(optional_packages, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="inner"):
        onnx_package("onnx")


def test_decisions_and_margins():
    inside, margin = by_sign(np.array([[-1.0, 0.0], [2.0, 3.0]]))
    assert inside.tolist() == [[False, False], [True, True]]
    assert margin.tolist() == [[1, 0], [2, 3]]
    logits = np.array([[[0.0, 5.0]], [[1.0, 1.0]], [[3.0, 4.5]]]).transpose(1, 0, 2)
    classes, margin = by_class(logits)
    assert classes.tolist() == [[2, 0]]
    assert margin.tolist() == [[2.0, 0.5]]
    assert np.isinf(by_class(np.zeros((1, 1, 2)))[1]).all()


def test_close_numbers_and_equal_decisions_pass_and_others_do_not():
    expected = np.array([[-1.0, 2.0, 0.00003, 0.0005]])
    agreement = compare(expected - 1e-4, expected, by_sign, "masks")
    assert agreement.decisions == 4
    assert agreement.ties == 1  # 0.00003 is 0 up to rounding
    assert agreement.difference == pytest.approx(1e-4)
    with pytest.raises(ValueError, match=r"masks .* no file was written.*1 of 4 decisions differ"):
        compare(expected - 6e-4, expected, by_sign, "masks")
    with pytest.raises(ValueError, match=r"within 0.001, found a difference of 0\.01"):
        compare(expected + 0.01, expected, None, "masks")
    with pytest.raises(ValueError, match="found a difference of nan"):
        compare(expected * np.nan, expected, None, "masks")
    with pytest.raises(ValueError, match=r"expected the shape \(1, 4\), found \(1, 3\)"):
        compare(expected[:, :3], expected, None, "masks")


def test_agreements_add_up():
    total = Agreement(1e-6, 10, 1).with_other(Agreement(2e-5, 5, 0))
    assert total == Agreement(2e-5, 15, 1)
    assert str(total) == "largest difference 2.0e-05, 14 of 15 decisions equal, 1 ties"
    assert str(Agreement(3e-7)) == "largest difference 3.0e-07"


def test_a_file_gives_the_networks_numbers_and_another_networks_file_is_refused(onnx, tmp_path):
    path, net = tmp_path / "net.onnx", Affine()
    x = torch.rand(2, 64, generator=torch.Generator().manual_seed(0))
    convert_to_onnx(net, [x], path, ["x"], ["y"], metadata={"classes": '["a"]'})
    assert check_onnx(path, net, [[x], [-x]], {"y": by_sign}).difference < 1e-3
    model = onnx.load(path)
    assert {p.key: p.value for p in model.metadata_props}["classes"] == '["a"]'
    kinds = [t.data_type for t in model.graph.initializer if len(t.dims) == 2]
    assert sorted(kinds) == sorted([onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT])
    with torch.no_grad():
        net.other[0, 0] += 1
    with pytest.raises(ValueError, match="y of the ONNX file is not the network's"):
        check_onnx(path, net, [[x]])


class ChannelsLast(nn.Module):
    """What stands before attention in a decoder: maps whose channels lie next to each other in memory."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.permute(0, 3, 1, 2))


def test_attention_in_a_single_window_is_followed(onnx, tmp_path):
    """There, the order in which kernels of attention leave their result makes a view of a reshape."""
    torch.manual_seed(0)
    net = ChannelsLast(GlobalLocalBlock(16, heads=2, window=4)).eval()
    path = tmp_path / "net.onnx"
    for side in (4, 6):
        x = torch.randn(1, side, side, 16)
        convert_to_onnx(net, [x], path, ["x"], ["y"])
        assert check_onnx(path, net, [[x]]).difference < 1e-5


class Attention(nn.Module):
    """One window, split into heads and put together again in the usual way."""

    def forward(self, x):
        q = x.reshape(1, 16, 2, 4).transpose(1, 2)
        out = nn.functional.scaled_dot_product_attention(q, q, q)
        return out.transpose(1, 2).reshape(1, 16, 8)


def test_attention_in_its_usual_form_is_followed(onnx, tmp_path):
    x = torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(0))
    convert_to_onnx(Attention(), [x], tmp_path / "net.onnx", ["x"], ["y"])
    assert check_onnx(tmp_path / "net.onnx", Attention(), [[x]]).difference < 1e-5


def test_a_network_that_asks_for_values_is_refused_in_one_sentence(onnx, tmp_path):
    class Asks(nn.Module):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(ValueError, match=r"PyTorch cannot export this network to ONNX \(.*Python$"):
        convert_to_onnx(Asks(), [torch.ones(2)], tmp_path / "net.onnx", ["x"], ["y"])


def test_too_large_a_network_is_refused_before_work_is_done(onnx, monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_files, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"the weights take 0\.0 GiB"):
        convert_to_onnx(Affine(), [torch.ones(1, 64)], tmp_path / "net.onnx", ["x"], ["y"])


def test_halves_are_stored_only_where_nothing_is_lost(onnx):
    def model(*arrays):
        tensors = [onnx.numpy_helper.from_array(a, f"w{i}") for i, a in enumerate(arrays)]
        graph = onnx.helper.make_graph([], "g", [], [], tensors)
        return onnx.helper.make_model(graph)

    exact = np.linspace(0, 1, 1025, dtype=np.float32)[:-1]  # multiples of 1/1024
    large, small, few = exact * 1e6, exact * np.float32(1e-7), exact[:8]
    proto = model(exact, large, small, few, exact.astype(np.int64))
    assert store_halves(proto) == 2 * 1024
    names = [t.name for t in proto.graph.initializer]
    assert names == ["w0_half", "w1", "w2", "w3", "w4"]
    (cast,) = proto.graph.node
    assert (list(cast.input), list(cast.output)) == (["w0_half"], ["w0"])
    stored = onnx.numpy_helper.to_array(proto.graph.initializer[0]).astype(np.float32)
    assert np.array_equal(stored, exact)
