"""Code that runs with affine 2.4 and 3 alike: its operators ``@`` and ``*`` differ between the two."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("mfnet_lite", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")
)


def products(tree: ast.AST) -> list[str]:
    """Products and inverses with something named as a transform in them."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Mult):
            sides = [ast.unparse(node.left), ast.unparse(node.right)]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            sides = [ast.unparse(node.operand)]
        else:
            continue
        if any(side.endswith("transform") or "Affine" in side.split("(")[0] for side in sides):
            found.append(ast.unparse(node))
    return found


def test_the_search_finds_what_it_looks_for():
    code = (
        "x = ~first.transform @ (other.transform @ (1, 2)); y = Affine.scale(2) * z; a @ b; 2 * c.a"
    )
    assert len(products(ast.parse(code))) == 4


def test_no_operator_of_affine_is_used():
    used = {path: products(ast.parse(path.read_text(encoding="utf-8"))) for path in FILES}
    assert {path: found for path, found in used.items() if found} == {}
