"""How an addition sits on a frozen network: one wrapper class, and how it goes on and comes off.

Nothing of the network is copied, renamed or edited. A wrapper takes the place of one module, keeps that
module whole as ``base`` and adds something to what it computes. Taking the wrapper off puts ``base``
back, so the network is bit for bit what it was before. LoRA and adapters are such wrappers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar, runtime_checkable

from torch import nn

M = TypeVar("M", bound=nn.Module)
_PACKAGE = __name__.rpartition(".")[0] + "."


@runtime_checkable
class KnowsTrained(Protocol):
    """A module that says itself which parameters are trained: an addition, or a whole network."""

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is trained."""
        ...


@runtime_checkable
class KnowsAdditions(Protocol):
    """A module with additions beside the network in it, which alone can take them off."""

    def remove_additions(self) -> None:
        """Leave the frozen network."""
        ...


class Addition(nn.Module):
    """A wrapper around a frozen module; subclasses add trainable weights and a ``forward``.

    Args:
        base: The module that is wrapped. It is kept as it is, under the name ``base``.
    """

    base: nn.Module

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is not the base."""
        for name, parameter in self.named_parameters():
            if not name.startswith("base."):
                yield name, parameter

    def original(self) -> nn.Module:
        """Return the base in the state it had before; what a merge changed is undone here."""
        return self.base


def added_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Walk through a network and tell for every module whether its own tensors were added.

    Args:
        model: Any network.

    Yields:
        Name, module and the answer, in the order of ``named_modules``; a module with two names comes
        once per name.
    """
    stack: list[tuple[str, nn.Module, bool]] = [("", model, adds(model))]
    while stack:
        name, module, added = stack.pop()
        yield name, module, added
        children = []
        for key, child in module._modules.items():  # named_children leaves out second names
            if child is None:
                continue
            inside = key == "base" and isinstance(module, Addition)
            path = f"{name}.{key}" if name else key
            children.append((path, child, adds(child) or (added and not inside)))
        stack += reversed(children)


def adds(module: nn.Module) -> bool:
    """Whether this sub-package defines the module's class or a parent of it."""
    return any(kind.__module__.startswith(_PACKAGE) for kind in type(module).__mro__)


def matches(name: str, pattern: str) -> bool:
    """Whether a dotted module name fits a pattern.

    Args:
        name: Such as ``"image_encoder.blocks.0.attn.qkv"``.
        pattern: Either with wildcards, compared with the whole name (``"*.attn.qkv"``), or without,
            compared with the last parts (``"qkv"``, ``"mlp.lin1"``).

    Example:
        >>> matches("blocks.0.attn.qkv", "qkv"), matches("blocks.0.attn.qkv", "kv")
        (True, False)
        >>> matches("blocks.10.attn.qkv", "blocks.1?.*")
        True
    """
    if any(character in pattern for character in "*?["):
        return fnmatchcase(name, pattern)
    return name == pattern or name.endswith(f".{pattern}")


def find(
    model: nn.Module, targets: str | Iterable[str], kind: type[nn.Module] = nn.Module
) -> dict[str, nn.Module]:
    """Find the modules of one kind that patterns name.

    Args:
        model: Where to look. Insides of additions are not looked at.
        targets: One pattern or several, as in :func:`matches`.
        kind: Only modules of this class count.

    Returns:
        Name and module, in the order of ``named_modules``.

    Raises:
        ValueError: If there is no pattern, or one fits nothing, with names that exist.
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    inside = tuple(f"{name}." for name, m in model.named_modules() if isinstance(m, Addition))
    candidates = {
        name: module
        for name, module in model.named_modules()
        if name
        and isinstance(module, kind)
        and not isinstance(module, Addition)
        and not name.startswith(inside)
    }
    some = ", ".join(list(candidates)[:4]) or "none"
    if not targets:
        raise ValueError(
            f"no pattern says which {kind.__name__} of the model is meant, and without any all would be "
            f"frozen and nothing added; it has for example: {some}"
        )
    for pattern in targets:
        if not any(matches(name, pattern) for name in candidates):
            raise ValueError(
                f"no {kind.__name__} of the model matches {pattern!r}; it has for example: {some}"
            )
    return {
        name: module
        for name, module in candidates.items()
        if any(matches(name, pattern) for pattern in targets)
    }


def replace_module(model: nn.Module, name: str, new: nn.Module) -> None:
    """Put another module in the place of a dotted name."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def attach(
    model: M,
    targets: str | Iterable[str],
    wrap: Callable[[nn.Module], Addition],
    kind: type[nn.Module] = nn.Module,
) -> M:
    """Wrap every module that the patterns name, and freeze all that is not an addition.

    Args:
        model: The network, changed in place.
        targets: One pattern or several, as in :func:`matches`.
        wrap: Makes the wrapper of one module.
        kind: Only modules of this class are wrapped.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no pattern, or one fits nothing; the model is left as it was.
    """
    found = find(model, targets, kind)
    # Inner modules first: once an outer one is wrapped, their names lead elsewhere.
    for name in sorted(found, key=lambda name: -name.count(".")):
        module = found[name]
        addition = wrap(module)
        addition.train(module.training)
        replace_module(model, name, addition)
    return freeze(model)


def freeze(model: M) -> M:
    """Let only what was added train: every other parameter loses its gradient.

    A whole network that trains more beside its frozen part says so by a method ``added_parameters`` like
    that of :class:`Addition`: of MFNet, fusion and decoder go on learning. Any other network is frozen
    but for its additions, heads included; call this for its encoder alone where the head shall learn.

    Args:
        model: A network, with or without additions.

    Returns:
        The same model.
    """
    model.requires_grad_(False)
    for _, module, added in added_modules(model):
        if isinstance(module, KnowsTrained):
            parameters = [parameter for _, parameter in module.added_parameters()]
        else:
            parameters = [p for p in module._parameters.values() if added and p is not None]
        for parameter in parameters:
            parameter.requires_grad_(True)
    return model


def detach(model: M) -> M:
    """Take every addition off: the network is bit for bit what it was, and stays frozen.

    A module that keeps additions beside a frozen network instead of around its modules takes them off
    itself, by a method ``remove_additions``: MFNet's encoder does.

    Args:
        model: A network with additions inside it.

    Returns:
        The same model, changed in place; without additions nothing happens.

    Raises:
        ValueError: If the model itself is an addition, since it cannot replace itself; if an addition
            stands beside a network whose ``forward`` alone knows how it is used; or if the frozen
            weights themselves were trained.

    Example:
        >>> detach(nn.Sequential(Addition(nn.Linear(2, 2))))
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    if isinstance(model, Addition):
        raise ValueError("the model is itself an addition; use its `original()` instead")
    _refuse_what_stays(model)
    for keeper in [m for m in model.modules() if isinstance(m, KnowsAdditions)]:
        keeper.remove_additions()
    while True:  # an addition may sit on another one: take the outer off first
        names = [name for name, m in model.named_modules() if isinstance(m, Addition)]
        outer = [n for n in names if not any(n.startswith(f"{o}.") for o in names)]
        if not outer:
            return model
        for name in outer:
            module = model.get_submodule(name)
            assert isinstance(module, Addition)
            replace_module(model, name, module.original())


def _refuse_what_stays(model: nn.Module) -> None:
    """Raise if an addition is neither a wrapper nor in the care of a module that can remove it."""
    removed = tuple(
        f"{name}." if name else ""
        for name, module in model.named_modules()
        if isinstance(module, Addition | KnowsAdditions)
    )
    for name, module, added in added_modules(model):
        if added and not isinstance(module, Addition) and not name.startswith(removed):
            raise ValueError(
                f"{name or 'the model'} ({type(module).__name__}) stands beside the network and not around "
                "one of its modules, so that it cannot be taken off from outside; build the network "
                "without it"
            )
