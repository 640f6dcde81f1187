"""Sphinx extension: show the book's diagrams from ``_static``, light and dark.

A chapter refers to its diagrams in the public repository, since Colab has the
notebook without the files beside it. The site has them, and must not load anything
from a server. The picture of the library's rooms, on a page that Colab does not open,
is shown so as well.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ADDRESS = re.compile(
    r"(?:https://raw\.githubusercontent\.com/[^/]+/[^/]+/[^/]+/book/)?"
    r"(_static/(?:diagrams/[\w-]+|architecture))\.svg"
)
BEFORE_IMAGES_ARE_COLLECTED = 100


def local(uri: str) -> tuple[str, str] | None:
    """Return the light and the dark file of a diagram; None for other images.

    Args:
        uri: What an image refers to.
    """
    found = ADDRESS.fullmatch(uri)
    return (f"/book/{found[1]}.svg", f"/book/{found[1]}_dark.svg") if found else None


def show_both(app: Sphinx, doctree: nodes.document) -> None:
    """Put both forms in the place of a diagram; a class says which is which."""
    for image in list(doctree.findall(nodes.image)):
        names = local(image["uri"])
        if names is None:
            continue
        dark = image.deepcopy()
        for node, uri, theme in ((image, names[0], "light"), (dark, names[1], "dark")):
            node["uri"] = uri
            # the theme brightens images that are not made for dark pages; these are
            node["classes"] += [f"diagram-{theme}", "dark-light"]
        image.parent.insert(image.parent.index(image) + 1, dark)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register."""
    app.connect("doctree-read", show_both, priority=BEFORE_IMAGES_ARE_COLLECTED)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
