"""Imports run one way, and heavy libraries stay in their rooms."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "freelb_tune"
ROOMS = ["errors", "space", "tasks", "store", "adversary", "training", "results", "search", "cli"]
ORDER = {name: place for place, name in enumerate(ROOMS)}
HEAVY = {"torch": {"adversary", "training", "cli/doctor"}, "ray": {"search"}}
LIGHT = {"freelb_tune", "freelb_tune.errors", "typer", "typer.core"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path, nodes=ast.walk):
    """Names that a file imports: wherever they stand, or only `nodes` of its tree."""
    for node in nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_comes_before_it(path):
    room = room_of(path)
    if room == "__init__":
        assert list(imports(path)) == []
        return
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "freelb_tune" and rest:
            other = rest.partition(".")[0]
            assert ORDER[other] <= ORDER[room], f"{room} may not import {other}"
        if top in HEAVY:
            places = {room, f"{room}/{path.stem}"}
            assert places & HEAVY[top], f"only {sorted(HEAVY[top])} may import {top}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_a_command_loads_a_room_only_when_it_is_called(path):
    for name in imports(path, ast.iter_child_nodes):
        top = name.partition(".")[0]
        light = (
            name in LIGHT or name.startswith("freelb_tune.cli.") or top in sys.stdlib_module_names
        )
        assert light, f"import {name} inside the command, so that --help stays quick"


def test_results_and_store_work_without_ray_and_torch_installed():
    # every import of both rooms, wherever it stands, is of neither
    for path in FILES:
        if room_of(path) in ("results", "store", "space", "tasks"):
            found = {name.partition(".")[0] for name in imports(path)}
            assert not {"ray", "torch", "transformers"} & found, path
