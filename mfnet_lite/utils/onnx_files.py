"""ONNX files: a network written for other runtimes, and run by one of them before anybody trusts it.

An exporter follows a network's code once, with one example. What depends on the values of a tensor, or on a size that
changes, may then be written down as a constant, and the file is wrong without an error. So a file is compared with
the network on other inputs: numbers closely, decisions (inside or outside, which class) exactly.

The packages onnx, onnxscript and onnxruntime are an extra, asked for where they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mfnet_lite.utils.optional_packages import optional_package

__all__ = ["Agreement", "by_class", "by_sign", "check_onnx", "convert_to_onnx", "open_onnx"]

EXTRA = 'pip install "mfnet-lite[onnx]"'
"""What installs all of it."""
OPSET = 18
"""Of the operators: the oldest for which PyTorch's exporter writes, so that most runtimes read the files."""
LARGEST = 2**31 - 1
"""Bytes of a file; protocol buffers end there."""
TOLERANCE = 1e-3
"""How far a number may be from the network's."""
TIE = 1e-4
"""Decisions with a smaller margin are ties: rounding alone may turn them."""
FEW = 1024
"""Tensors with fewer numbers are stored as they are."""

Decide = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
"""Turns an output into decisions and the margin of each."""


def onnx_package(name: str) -> Any:
    """Import a package of the extra.

    Args:
        name: ``onnx``, ``onnxscript`` or ``onnxruntime``.

    Returns:
        The package.

    Raises:
        ImportError: If it is not installed.
    """
    return optional_package(name, "ONNX files need", EXTRA)


def by_sign(logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Decide between inside, above 0, and outside.

    Args:
        logits: Of any shape.

    Returns:
        Decisions, and their distances from 0.

    Example:
        >>> by_sign(np.array([-2.0, 0.5]))
        (array([False,  True]), array([2. , 0.5]))
    """
    return logits > 0, np.abs(logits)


def by_class(logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Decide for the class with the largest logit.

    Args:
        logits: Classes on axis 1.

    Returns:
        Classes, and how far the second largest logit is below the largest.

    Example:
        >>> by_class(np.array([[1.0, 4.0, 2.0]]))
        (array([1]), array([2.]))
    """
    first = logits.argmax(axis=1)
    if logits.shape[1] == 1:
        return first, np.full(first.shape, np.inf)
    ordered = np.partition(logits, -2, axis=1)
    return first, ordered[:, -1] - ordered[:, -2]


@dataclass(frozen=True)
class Agreement:
    """How far a file's numbers are from those of the network.

    Attributes:
        difference: Largest difference of two numbers.
        decisions: Decisions compared.
        ties: Decisions that differ since both sides are equally good up to rounding.
    """

    difference: float = 0.0
    decisions: int = 0
    ties: int = 0

    def with_other(self, other: Agreement) -> Agreement:
        """Return what both say together.

        Args:
            other: Of other inputs or outputs.
        """
        return Agreement(
            max(self.difference, other.difference),
            self.decisions + other.decisions,
            self.ties + other.ties,
        )

    def __str__(self) -> str:
        """Say it as a command prints it."""
        told = f"largest difference {self.difference:.1e}"
        if not self.decisions:
            return told
        same = self.decisions - self.ties
        return f"{told}, {same:,} of {self.decisions:,} decisions equal" + (
            f", {self.ties} ties" if self.ties else ""
        )


def compare(
    found: NDArray[Any], expected: NDArray[Any], decide: Decide | None, what: str
) -> Agreement:
    """Compare an output of a file with the network's.

    Args:
        found: Of the file.
        expected: Of the network.
        decide: How decisions are made from it; None compares numbers alone.
        what: Names the output in messages.

    Raises:
        ValueError: If shapes or decisions differ, or a number by more than :data:`TOLERANCE`.
    """
    wrong = f"{what} of the ONNX file is not the network's, so no file was written"
    if found.shape != expected.shape:
        raise ValueError(f"{wrong}: expected the shape {expected.shape}, found {found.shape}")
    difference = float(np.abs(found.astype(np.float64) - expected).max(initial=0.0))
    if not difference <= TOLERANCE:  # NaN as well
        raise ValueError(
            f"{wrong}: expected numbers within {TOLERANCE:g}, found a difference of {difference:g}"
        )
    if decide is None:
        return Agreement(difference)
    (mine, _), (theirs, margin) = decide(found), decide(expected)
    other = mine != theirs
    if bad := int((other & (margin > TIE)).sum()):
        raise ValueError(f"{wrong}: {bad} of {other.size} decisions differ")
    return Agreement(difference, other.size, int(other.sum()))


class _AttentionInOrder(TorchFunctionMode):
    """Lay the result of attention out in order while a network is exported.

    The exporter writes attention out, and what comes out lies in memory otherwise than the result of the kernel that
    ran while the code was followed: a reshape that was a view there is none here, and the export fails (torch 2.15).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of PyTorch, and copy what attention returns."""
        out = func(*args, **(kwargs or {}))
        if func is F.scaled_dot_product_attention:
            return out.clone(memory_format=torch.contiguous_format)
        return out


def convert_to_onnx(
    network: nn.Module,
    example: Sequence[Tensor],
    path: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as one ONNX file, under a name that is temporary until the file was checked.

    Weights that half precision holds without a loss are stored so and widened when the file is loaded.

    Args:
        network: Takes tensors in order and returns one or several.
        example: Inputs to follow the code with; their sizes are those of the file.
        path: Where to write.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        axes: Names of the axes that may have other sizes, by input and axis.
        metadata: What the file says of itself.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If the exporter cannot follow the network, or the file would be too large.
    """
    onnx = onnx_package("onnx")
    onnx_package("onnxscript")
    axes = axes or {}
    size = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    if size > LARGEST:
        raise ValueError(
            f"the weights take {size / 2**30:.1f} GiB and one ONNX file holds 2 GiB; export a smaller network"
        )
    with warnings.catch_warnings(), _AttentionInOrder():
        # Remarks of the exporter upon itself; what it got wrong, the comparison finds.
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                network.eval(),
                tuple(example),
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=tuple(dict(axes.get(name, {})) for name in inputs) if axes else None,
                verbose=False,
            )
        except Exception as error:  # whatever a network's code makes of shapes without values
            said = " ".join(str(error.__cause__ or error).split())[:200]
            raise ValueError(
                f"PyTorch cannot export this network to ONNX ({said}); use it from Python"
            ) from error
    assert program is not None
    proto = program.model_proto
    store_halves(proto)
    onnx.helper.set_model_props(proto, dict(metadata or {}))
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def store_halves(proto: Any) -> int:
    """Store weights as half precision numbers where that changes none of them.

    Args:
        proto: The model, changed in place.

    Returns:
        Bytes saved.
    """
    onnx = onnx_package("onnx")
    saved, casts = 0, []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < FEW:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.array_equal(halves, values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
        saved += halves.nbytes
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return saved


def open_onnx(path: str | Path) -> Any:
    """Open a file with onnxruntime on the processor, with as many threads as PyTorch uses.

    Args:
        path: The file.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        ImportError: If the extra is not installed.
    """
    runtime = onnx_package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def check_onnx(
    path: str | Path,
    network: nn.Module,
    samples: Sequence[Sequence[Tensor]],
    decide: Mapping[str, Decide] | None = None,
) -> Agreement:
    """Run a file and its network on the same inputs.

    Args:
        path: The file.
        network: The network.
        samples: Inputs, in the order of the file's.
        decide: How decisions are made from outputs, by their names.

    Returns:
        How well they agree.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If they do not agree.
    """
    session = open_onnx(path)
    names = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    total = Agreement()
    for sample in samples:
        values = {name: x.numpy() for name, x in zip(names, sample, strict=True)}
        found = session.run(None, values)
        expected = network.eval()(*sample)
        expected = (expected,) if isinstance(expected, Tensor) else expected
        for name, mine, theirs in zip(outputs, found, expected, strict=True):
            one = compare(mine, theirs.numpy(), (decide or {}).get(name), name)
            total = total.with_other(one)
    return total
