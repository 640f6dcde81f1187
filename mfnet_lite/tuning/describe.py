"""What a tuned network computes beyond what the names and shapes of its tensors tell.

A LoRA of rank 4 has the same tensors with any alpha, an adapter behind a module those of one beside it,
a network on optical and height those of one on height and optical. Weights of the one run in the other
without any error and give nonsense. So each module that has such an option tells it, and a delta
checkpoint keeps the answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import nn

from mfnet_lite.tuning.inject import added_modules, adds

Description = dict[str, Any]


@runtime_checkable
class Describes(Protocol):
    """A module with options that change what it computes, but not the shapes of its tensors."""

    def computation(self) -> Mapping[str, Any]:
        """Return these options by name, as values that JSON can hold."""
        ...


def describe(model: nn.Module) -> dict[str, Description]:
    """Ask every addition for its class and options, and every other module that has such options.

    Args:
        model: Any network.

    Returns:
        Name of the module, as in ``named_modules`` → its ``class`` and options.

    Example:
        >>> from mfnet_lite.tuning import LoRALinear
        >>> describe(nn.Sequential(LoRALinear(nn.Linear(2, 2), rank=2, alpha=8)))
        {'0': {'class': 'LoRALinear', 'scaling': 4.0}}
    """
    found: dict[str, Description] = {}
    for name, module, _ in added_modules(model):
        if isinstance(module, Describes):
            found[name] = {"class": type(module).__name__, **module.computation()}
        elif adds(module):
            found[name] = {"class": type(module).__name__}
    # tuples become lists, as in a file
    plain: dict[str, Description] = json.loads(json.dumps(found))
    return plain


def differences(expected: Mapping[str, Description], found: Mapping[str, Description]) -> list[str]:
    """Say where a model computes otherwise than a description.

    Args:
        expected: The description; what it does not mention is not compared, so that options invented
            later do not shut old files out.
        found: That of the model.

    Returns:
        One part of a sentence for each module.

    Example:
        >>> differences({"0": {"class": "LoRALinear", "scaling": 2.0}}, {"0": {"class": "LoRALinear"}})
        ['expected 0 to be LoRALinear(scaling=2.0), found LoRALinear']
    """
    return [
        f"expected {name or 'the model'} to be {_short(then)}, found {_short(found.get(name, {}))}"
        for name, then in expected.items()
        if any(found.get(name, {}).get(key) != value for key, value in then.items())
    ]


def _short(description: Description) -> str:
    """Write a description as it would be called."""
    options = ", ".join(f"{key}={value}" for key, value in description.items() if key != "class")
    name = description.get("class", "no such addition")
    return f"{name}({options})" if options else str(name)
