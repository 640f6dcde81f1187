"""Sphinx extension: judge references to our own code by importing what they name.

The interface page lists public names only, each where a user imports it. A docstring
may speak of the defining module (``mfnet_lite.sam.build.load_sam``) or of something not
public. Such a reference leads to the public entry if there is one; if the object exists
without an entry, it is printed as code. Only a name that cannot be imported stays
unresolved, and the strict build then fails, as it should.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "mfnet_lite"


def find(name: str) -> Any:
    """The object that the dotted ``name`` stands for, or LookupError."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            fields = getattr(found, "__dataclass_fields__", {})
            annotated = getattr(found, "__annotations__", {})
            if (
                not hasattr(found, part)
                and part not in fields
                and part not in annotated
            ):
                raise LookupError(name)
            found = getattr(found, part, None)
        return found
    raise LookupError(name)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Handler of Sphinx's event ``missing-reference``."""
    target = node.get("reftarget", "").lstrip("~.")
    if node.get("refdomain") != "py":
        return None
    module, owner = node.get("py:module"), node.get("py:class")
    candidates = [
        target,
        *(f"{prefix}.{target}" for prefix in (module, owner) if prefix),
    ]
    if module and owner:
        candidates.append(f"{module}.{owner}.{target}")
    for name in candidates:
        if not name.startswith(PACKAGE):
            continue
        try:
            found = find(name)
        except LookupError:
            continue
        for public, place in env.domaindata["py"]["objects"].items():
            if public.rpartition(".")[2] != name.rpartition(".")[2]:
                continue
            try:
                same = found is not None and find(public) is found
            except LookupError:
                continue
            if same:
                uri = app.builder.get_relative_uri(node["refdoc"], place.docname)
                return nodes.reference(
                    "", "", text, internal=True, refuri=f"{uri}#{place.node_id}"
                )
        return text
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the handler."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
