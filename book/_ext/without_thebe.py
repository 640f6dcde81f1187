"""Sphinx extension: leave out the scripts of sphinx-thebe, which the book does not use.

Jupyter Book always loads sphinx-thebe. Its settings end up on every page twice, as
constants, and the second time is an error in every reader's console (sphinx-thebe 0.3.1
in jupyter-book 1.0.4).
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def is_thebe(script: Any) -> bool:
    """Whether a script is one of sphinx-thebe's.

    Args:
        script: As Sphinx lists it in a page's context.
    """
    body = getattr(script, "attributes", {}).get("body") or ""
    file = str(getattr(script, "filename", script) or "")
    return "THEBE_JS_URL" in body or file.endswith("sphinx-thebe.js")


def leave_out(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take them off a page's list."""
    context["script_files"] = [
        script for script in context["script_files"] if not is_thebe(script)
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register, after everything that adds scripts."""
    app.connect("html-page-context", leave_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
