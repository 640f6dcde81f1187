"""How modules are injected into a frozen network: a marker class, a wrapper class, on and off by name.

Nothing of the network is copied, renamed or edited. A wrapper takes the position of one module, keeps that
module whole as ``base`` and adds something to what it computes. Removing the wrapper puts ``base``
back, so the network is bit for bit what it was before. LoRA and adapters are such wrappers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from mfnet_lite.tuning.weight_readers import check_answers

__all__ = [
    "Injected",
    "InjectedWrapper",
    "NamesTrained",
    "RemovesInjected",
    "attach",
    "detach",
    "find_modules",
    "freeze",
    "injected_modules",
    "matches",
    "unload",
]

M = TypeVar("M", bound=nn.Module)


class Injected(nn.Module):
    """Marks a module as injected: its weights, and those of all modules in it, do not belong to the base.

    Freezing, counting, delta checkpoints and detaching go by this class alone, wherever a subclass of it is
    defined. Inherit from it what stands *beside* modules of a network, and from :class:`InjectedWrapper`
    what stands *around* one.
    """


@runtime_checkable
class NamesTrained(Protocol):
    """A module that names the parameters that are trained: an injected one, or a whole network."""

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is trained."""
        ...


@runtime_checkable
class RemovesInjected(Protocol):
    """A module with injected modules beside the network in it, which alone can remove them."""

    def remove_injected(self) -> None:
        """Leave the frozen network."""
        ...


class InjectedWrapper(Injected):
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

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        """Say why an attribute of the base is not there: whoever reads it would pass the wrapper over."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            base = self._modules.get("base")
            if base is None or not hasattr(base, name):
                raise
        raise AttributeError(
            f"a module reads {name!r} of this {type(base).__name__} instead of calling it, and so would pass over the "
            f"{type(self).__name__} around it: expected a module that calls its parts; leave it out of the targets, or "
            "attach LoRA, which answers for the weight, if it is a linear layer"
        )


def injected_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Walk through a network and decide for every module whether its own tensors were injected.

    Args:
        model: Any network.

    Yields:
        Name, module and the answer, in the order of ``named_modules``; a module with two names comes
        once per name.
    """
    stack: list[tuple[str, nn.Module, bool]] = [("", model, isinstance(model, Injected))]
    while stack:
        name, module, injected = stack.pop()
        yield name, module, injected
        children = []
        for key, child in module._modules.items():  # named_children leaves out second names
            if child is None:
                continue
            frozen = key == "base" and isinstance(module, InjectedWrapper)
            path = f"{name}.{key}" if name else key
            children.append((path, child, isinstance(child, Injected) or (injected and not frozen)))
        stack += reversed(children)


def matches(name: str, pattern: str) -> bool:
    """Decide whether a dotted module name fits a pattern.

    Args:
        name: Such as ``"image_encoder.blocks.0.attn.qkv"``.
        pattern: Either with wildcards, compared with the whole name (``"*.attn.qkv"``), or without,
            compared with the last parts (``"qkv"``, ``"mlp.lin1"``).

    Returns:
        The answer.

    Example:
        >>> matches("blocks.0.attn.qkv", "qkv"), matches("blocks.0.attn.qkv", "kv")
        (True, False)
        >>> matches("blocks.10.attn.qkv", "blocks.1?.*")
        True
    """
    if any(character in pattern for character in "*?["):
        return fnmatchcase(name, pattern)
    return name == pattern or name.endswith(f".{pattern}")


def find_modules(
    model: nn.Module, targets: str | Iterable[str], kind: type[nn.Module] = nn.Module
) -> dict[str, nn.Module]:
    """Find the modules of one kind that patterns name.

    Args:
        model: Where to look. Insides of injected wrappers are not looked at.
        targets: One pattern or several, as in :func:`matches`. A module with two names is found by either.
        kind: Only modules of this class count.

    Returns:
        Name and module, in the order of ``named_modules``; a module with two names comes once, by the first of
        those that fit.

    Raises:
        ValueError: If there is no pattern, or one fits nothing, with names that exist.
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    everything = list(model.named_modules(remove_duplicate=False))
    wrappers = {name: m for name, m in everything if isinstance(m, InjectedWrapper)}
    inside = tuple(f"{name}." for name in wrappers)
    wrapped = {id(wrapper.base) for wrapper in wrappers.values()}
    candidates = {
        name: module
        for name, module in everything
        if name
        and isinstance(module, kind)
        and not isinstance(module, InjectedWrapper)
        and id(module) not in wrapped
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
    found: dict[nn.Module, str] = {}
    for name, module in candidates.items():
        if any(matches(name, pattern) for pattern in targets):
            found.setdefault(module, name)
    return {name: module for module, name in found.items()}


def replace_module(model: nn.Module, name: str, new: nn.Module) -> None:
    """Put another module where a dotted name leads, and under every other name of the module there.

    Args:
        model: The network, changed in place.
        name: Name of the module to replace.
        new: The module that gets this name.
    """
    _replace(model, model.get_submodule(name), new)


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in every place of another one."""
    # Whoever registers one module twice wants one function in both places, before and after it is adapted. Under one
    # name alone, the other place would go on without the update, and the two would drift apart unseen.
    for parent in list(model.modules()):
        for key, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, key, new)


def places_of(model: nn.Module, module: nn.Module) -> list[str]:
    """Name the places of a network that hold a module, which may be registered more than once.

    Args:
        model: The network.
        module: A module inside it.

    Returns:
        Names; where a parent has two names itself, the place inside it is named once.
    """
    return [
        f"{name}.{key}" if name else key
        for name, parent in model.named_modules()
        for key, child in parent._modules.items()
        if child is module
    ]


def attach(
    model: M,
    targets: str | Iterable[str],
    wrap: Callable[[nn.Module], InjectedWrapper],
    kind: type[nn.Module] = nn.Module,
) -> M:
    """Wrap every module that the patterns name, and freeze all that was not injected.

    A module that is registered twice gets one wrapper in both places, whichever of its names a pattern fits.

    Args:
        model: The network, changed in place.
        targets: One pattern or several, as in :func:`matches`.
        wrap: Makes the wrapper of one module.
        kind: Only modules of this class are wrapped.

    Returns:
        The same model.

    Raises:
        ValueError: If there is no pattern, one fits nothing, or PyTorch reads the weights of a module without calling
            it and would pass the wrapper over; the model is left as it was.
    """
    found = find_modules(model, targets, kind)
    # Inner modules first, an order that seeds rely on.
    inner_first = [found[name] for name in sorted(found, key=lambda name: -name.count("."))]
    wrappers = {module: wrap(module) for module in inner_first}
    for module, wrapper in wrappers.items():
        for place in places_of(model, module):
            check_answers(model, place, wrapper)
    # Replaced by identity: once an outer module is wrapped under all of its names, that of an inner one may lead
    # elsewhere.
    for module, wrapper in wrappers.items():
        wrapper.train(module.training)
        _replace(model, module, wrapper)
    return freeze(model)


def freeze(model: M) -> M:
    """Let only what was injected train: every other parameter loses its gradient.

    A whole network that trains more beside its frozen part names that by a method ``added_parameters`` like
    that of :class:`InjectedWrapper`: of MFNet, fusion and decoder go on learning. Any other network is frozen
    but for its injected modules, heads included; call this for its encoder alone where the head shall learn.

    Args:
        model: A network, with or without injected modules; changed in place.

    Returns:
        The same model.
    """
    model.requires_grad_(False)
    for _, module, injected in injected_modules(model):
        if isinstance(module, NamesTrained):
            parameters = [parameter for _, parameter in module.added_parameters()]
        else:
            parameters = [p for p in module._parameters.values() if injected and p is not None]
        for parameter in parameters:
            parameter.requires_grad_(True)
    return model


def detach(model: M) -> M:
    """Remove every injected module: the network is bit for bit what it was, and stays frozen.

    A module that keeps injected modules beside a frozen network instead of around its modules removes them
    itself, by a method ``remove_injected``: MFNet's encoder does.

    Args:
        model: A network with injected modules inside it; changed in place.

    Returns:
        The same model; without injected modules nothing happens.

    Raises:
        ValueError: If the model itself is injected, since it cannot replace itself; if an injected module
            stands beside a network whose ``forward`` alone knows how it is used; or if the frozen
            weights themselves were trained.

    Example:
        >>> detach(nn.Sequential(InjectedWrapper(nn.Linear(2, 2))))
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    if isinstance(model, InjectedWrapper):
        raise ValueError(
            f"the model is itself an injected wrapper ({type(model).__name__}), which cannot replace itself; "
            "use its `original()` instead"
        )
    _refuse_what_stays(model)
    for keeper in [m for m in model.modules() if isinstance(m, RemovesInjected)]:
        keeper.remove_injected()
    while True:  # a wrapper may sit on another one: take the outer off first
        names = [name for name, m in model.named_modules() if isinstance(m, InjectedWrapper)]
        outer = [n for n in names if not any(n.startswith(f"{o}.") for o in names)]
        if not outer:
            return model
        for name in outer:
            module = model.get_submodule(name)
            assert isinstance(module, InjectedWrapper)
            replace_module(model, name, module.original())


def unload(model: M) -> M:
    """Remove every injected module without merging it: peft's word for :func:`detach`.

    Args:
        model: A network with injected modules inside it; changed in place.

    Returns:
        The same model.

    Raises:
        ValueError: As in :func:`detach`.

    Example:
        >>> unload(nn.Sequential(InjectedWrapper(nn.GELU())))
        Sequential(
          (0): GELU(approximate='none')
        )
    """
    return detach(model)


def _refuse_what_stays(model: nn.Module) -> None:
    """Raise if an injected module is neither a wrapper nor in the care of a module that can remove it."""
    removed = tuple(
        f"{name}." if name else ""
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, InjectedWrapper | RemovesInjected)
    )
    for name, module, injected in injected_modules(model):
        if injected and not isinstance(module, InjectedWrapper) and not name.startswith(removed):
            raise ValueError(
                f"{name or 'the model'} ({type(module).__name__}) stands beside the network and not around "
                "one of its modules, so that it cannot be taken off from outside; build the network "
                "without it"
            )
