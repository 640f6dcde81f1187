"""Options of networks, made from their configs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from inspect import Parameter
from typing import Any, get_type_hints

from mfnet_lite.cli.option_groups import option, plain


def network_options() -> list[Parameter]:
    """Make an option of each field of each network's config, in a panel that names the networks.

    An option that several networks have stands once; its help says what it is to each.

    Raises:
        ValueError: If two networks give one name to options of different types.
    """
    from mfnet_lite.nets.registry import DIALOGUE_NETWORKS, NETWORKS, config_class

    owners: dict[str, list[str]] = {}
    for model in (*NETWORKS, *DIALOGUE_NETWORKS):
        for name in visible(model):
            owners.setdefault(name, []).append(model)
    made = []
    for name, models in owners.items():
        # an option can be left out, whether its network then has a value for it or finds one
        kinds = {m: plain(get_type_hints(config_class(m))[name]) | None for m in models}
        if len(set(kinds.values())) > 1:
            raise ValueError(
                f"the option {name} has another type in each of {', '.join(models)}; rename one"
            )
        texts = {model: _help(model, name) for model in models}
        defaults = {model: visible(model)[name].default for model in models}
        same = len(set(texts.values())) == 1 and len(set(defaults.values())) == 1
        default = defaults[models[0]]
        made.append(
            option(
                name,
                kinds[models[0]],
                None,
                texts[models[0]] if same else _each(texts, defaults),
                str(default) if same and _tells(default) else True,
                default is False,
                f"Options of {', '.join(models)}",
            )
        )
    return made


def visible(model: str) -> dict[str, Field[Any]]:
    """Return the fields of a network's config that are options of the command line."""
    from mfnet_lite.nets.registry import config_class

    return {f.name: f for f in fields(config_class(model)) if not f.metadata.get("hidden")}


def check_owner(model: str, given: Iterable[str]) -> None:
    """Refuse options that belong to other networks.

    Args:
        model: Name of the network.
        given: Names of the options that the user wrote.

    Raises:
        ValueError: If the network is unknown, or an option belongs to another one.
    """
    from mfnet_lite.nets.registry import all_models, config_class

    config_class(model)  # an unknown network is the first thing to say
    for name in given:
        owners = [each for each in all_models() if name in visible(each)]
        if model not in owners:
            raise ValueError(
                f"--{name.replace('_', '-')} is no option of {model}, it belongs to "
                f"{', '.join(owners) or 'none'}; leave it out or choose another --model"
            )


def usual(attribute: str) -> str:
    """Say what networks start from if nobody says, such as ``"96; mfnet 128"``.

    Args:
        attribute: Of :class:`~mfnet_lite.nets.config.NetworkConfig`, such as ``crop``.
    """
    from mfnet_lite.nets.config import NetworkConfig
    from mfnet_lite.nets.registry import DIALOGUE_NETWORKS, NETWORKS, config_class

    most = getattr(NetworkConfig, attribute)
    every = (*NETWORKS, *DIALOGUE_NETWORKS)
    others = {model: getattr(config_class(model), attribute) for model in every}
    words = [f"{model} {value:g}" for model, value in others.items() if value != most]
    return "; ".join((f"{most:g}", ", ".join(words))) if words else f"{most:g}"


def _help(model: str, name: str) -> str:
    """What an option is to a network, with the values that it takes."""
    from mfnet_lite.nets.registry import config_class

    text = str(visible(model)[name].metadata.get("help", ""))
    allowed = config_class(model).choices().get(name)
    return text if allowed is None else f"{text.rstrip('.')}: {', '.join(map(str, allowed))}."


def _each(texts: Mapping[str, str], defaults: Mapping[str, Any]) -> str:
    """What an option is to each of several networks, with its default there."""
    models_of: dict[str, list[str]] = {}
    for model, text in texts.items():
        default = f" ({defaults[model]})" if _tells(defaults[model]) else ""
        models_of.setdefault(text.rstrip(".") + default, []).append(model)
    return "; ".join(f"{', '.join(models)}: {text}" for text, models in models_of.items()) + "."


def _tells(default: Any) -> bool:
    """Whether a default is worth a word in the help; a flag that is off is not, nor is a word left out."""
    return default is not None and default is not False and default != ""
