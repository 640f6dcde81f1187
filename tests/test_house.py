"""Rules of the house that no single module can keep for itself."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mfnet_lite"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

# What each room may import of the others, from the ground up; the command line knows all.
ALLOWED: dict[str, set[str]] = {
    "utils": set(),
    "losses": set(),
    "plotting": {"utils"},
    "weights": set(),
    "metrics": set(),
    # dialogues are made of scenes and of public data sets, and their answers are scored
    "language": {"utils", "world", "rasters", "metrics"},
    "sam": {"utils"},
    "world": {"utils"},
    "rasters": {"utils", "losses"},  # object maps are renumbered as the object loss wants them
    "tuning": {"utils"},
    # a network may bring its own loss along, and its own words
    "nets": {"utils", "language", "sam", "tuning", "losses"},
    "scenes": {"utils", "sam", "rasters", "metrics"},
    # what a run folder keeps is what a delta holds
    "training": {"utils", "tuning", "losses", "metrics", "scenes"},
    "runs": {
        "utils",
        "language",
        "sam",
        "tuning",
        "nets",
        "losses",
        "metrics",
        "rasters",
        "scenes",
        "training",
    },
}


def committed() -> list[Path]:
    """The files of the repository; of the folder where there is no git (an unpacked archive)."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode == 0 and listing.stdout:
        return [
            ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()
        ]
    skip = {"_build", ".venv", "build", "dist", "__pycache__"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not skip & set(p.relative_to(ROOT).parts)]


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    texts = [
        line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")
    ]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


def test_requirements_are_pins_without_addresses_or_platform_builds() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text, flags=re.M)
    for name, pin in pins().items():
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert pin.url is None
        assert "+" not in specifier.version
        assert not name.startswith(("nvidia-", "cuda-", "triton"))


def declared() -> Iterator[Requirement]:
    for line in [
        *PROJECT["dependencies"],
        *(x for extra in PROJECT["optional-dependencies"].values() for x in extra),
    ]:
        if not line.startswith(PROJECT["name"]):
            yield Requirement(line)


@pytest.mark.parametrize("requirement", list(declared()), ids=lambda r: r.name)
def test_every_declared_dependency_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    (specifier,) = pins()[canonicalize_name(requirement.name)].specifier
    assert requirement.specifier.contains(specifier.version)


def test_package_never_pins_torch_nor_python_from_above() -> None:
    (torch,) = [r for r in declared() if r.name == "torch"]
    assert {specifier.operator for specifier in torch.specifier} == {">="}
    assert PROJECT["requires-python"] == ">=3.11"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """Dotted name of a file of the package; of a folder for its ``__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """Modules of the package that the one at ``path`` imports: anywhere in it, for types alone, too."""
    known = {module_name(p) for p in modules()}
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names |= {
                inner if (inner := f"{node.module}.{alias.name}") in known else str(node.module)
                for alias in node.names
            }
    return names & known


def room(module: str) -> str:
    """Of ``mfnet_lite.sam.build`` it is ``sam``; of the package itself nothing."""
    return module.split(".")[1] if "." in module else ""


ROOMS = sorted({room(module_name(path)) for path in modules()} - {"", "cli"})


def test_every_room_states_what_it_may_import() -> None:
    assert sorted(ALLOWED) == ROOMS
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"], (
        "a module without a room"
    )


@pytest.mark.parametrize("name", ROOMS)
def test_imports_go_one_way(name: str) -> None:
    for path in (PACKAGE / name).rglob("*.py"):
        wrong = {room(module) for module in imported(path)} - ALLOWED[name] - {name, ""}
        assert not wrong, f"{path.relative_to(ROOT)} must not import {sorted(wrong)}"


def test_rooms_have_an_order() -> None:
    TopologicalSorter(ALLOWED).prepare()  # raises CycleError with the rooms


def test_no_modules_import_each_other_in_a_circle() -> None:
    # for types alone, too; the package itself is left out: it names its version and imports lazily
    graph = {module_name(path): imported(path) - {"mfnet_lite"} for path in modules()}
    TopologicalSorter(graph).prepare()


SHARED_STEMS = {"__init__", "__main__", "config", "lora", "adapter"}
"""In several folders on purpose: a config of the world and one of the training; LoRA and adapters for one
sensor and for several."""


def test_a_file_name_says_where_it_is() -> None:
    # a command's file is named after what it runs, a system's file of runs/ after its network
    counted = [p.stem for p in modules() if room(module_name(p)) not in ("cli", "runs")]
    twice = {stem for stem, times in Counter(counted).items() if times > 1}
    assert twice <= SHARED_STEMS


def test_one_idea_per_file() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in modules()
        if (n := len(p.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_module_has_tests() -> None:
    tests = {
        path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")
    }
    parts = {path.relative_to(PACKAGE).parts[0] for path in modules() if path.parent != PACKAGE}
    assert parts - {"weights"} <= tests


def test_every_page_of_the_contents_exists() -> None:
    pages = [
        TOC["root"],
        *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]),
    ]
    missing = [
        p for p in pages if not any((ROOT / f"{p}.{kind}").is_file() for kind in ("md", "ipynb"))
    ]
    assert missing == []
    listed = {ROOT / f"{page}.ipynb" for page in pages}
    assert set((ROOT / "book").glob("*.ipynb")) <= listed, "a notebook that _toc.yml does not list"


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "book/intro.md", "book/paper_versus_code.md"]
)
def test_local_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:\s]+)\)", text) + re.findall(r"\{figure\} (\S+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_what_is_where_exists() -> None:
    table = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .partition("## What is where")[2]
        .partition("\n## ")[0]
    )
    paths = [
        match
        for line in table.splitlines()
        for match in re.findall(r"`([^`]+)`", line.split("|")[1] if "|" in line else "")
    ]
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_implemented_means_implemented() -> None:
    page = (ROOT / "book" / "paper_versus_code.md").read_text(encoding="utf-8")
    named = set(re.findall(r"implemented: `([\w.]+)`", page))
    assert named
    assert [name for name in named if importlib.util.find_spec(f"mfnet_lite.{name}") is None] == []


def offered(path: Path) -> set[str]:
    """The names in a module's ``__all__``; none where it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_interface_page_lists_everything_public() -> None:
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    shown: set[str] = set()
    for module, members in re.findall(r"automodule:: (\S+)\n\s+:members:(.*)", page):
        path = ROOT / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        chosen = {name.strip() for name in members.split(",") if name.strip()}
        assert chosen <= offered(file) or not offered(file), f"{module} does not offer {chosen}"
        shown |= chosen or offered(file)
    # weights hold no code, and the command line explains itself with --help
    for path in sorted(PACKAGE.rglob("__init__.py")):
        if room(module_name(path)) not in ("cli", "weights"):
            assert offered(path) <= shown, f"{module_name(path)}: {sorted(offered(path) - shown)}"


def test_one_address_everywhere() -> None:
    address = CONFIG["repository"]["url"]
    for name in ("README.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml"):
        found = set(
            re.findall(
                r"https://github\.com/[\w.-]+/mfnet[\w-]*",
                (ROOT / name).read_text(encoding="utf-8"),
            )
        )
        assert found <= {address}, f"{name} names another repository"


def test_citation_and_versions_agree() -> None:
    import mfnet_lite

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "title", "authors", "license", "message"} <= set(citation)
    assert citation["version"] == PROJECT["version"] == mfnet_lite.__version__
    assert citation["license"] == PROJECT["license"]


def test_no_committed_file_knows_this_machine_or_a_registry() -> None:
    words = [
        "/" + "work/",
        "/" + "root/",
        "py" + "pi.org",
        "files.python" + "hosted",
        "/home/" + "runner",
    ]
    pattern = re.compile("|".join(map(re.escape, words)))
    wrong = []
    for path in committed():
        if path.suffix in {
            ".py",
            ".md",
            ".ipynb",
            ".toml",
            ".txt",
            ".yml",
            ".json",
            ".cfg",
            ".ini",
            ".bib",
            ".cff",
            "",
        }:
            text = path.read_text(encoding="utf-8", errors="ignore")
            wrong += (
                [f"{path.relative_to(ROOT)}: {found[0]}"] if (found := pattern.search(text)) else []
            )
    assert wrong == []


def test_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("book", "test", "lint", "help", "clean"):
        assert re.search(rf"^{target}:.*## \S", makefile, flags=re.M)
    assert "make book" in (ROOT / "README.md").read_text(encoding="utf-8")
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert run.read_text(encoding="utf-8").rstrip().endswith("make test")


def test_no_test_of_the_book_is_left_out() -> None:
    """The Makefile names their files, since collecting all others takes as long as some of these tests."""
    mark = re.compile(r"^pytestmark = pytest\.mark\.book$|^@pytest\.mark\.book$", re.M)
    texts = {p: p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py")}
    marked = {
        path.relative_to(ROOT).as_posix() for path, text in texts.items() if mark.search(text)
    }
    (line,) = re.findall(r"pytest (.*) -m book ", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert marked == set(line.split())
