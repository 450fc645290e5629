"""Imports run one way, in the house and inside its rooms; heavy libraries stay in theirs."""

import ast
import graphlib
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "freelb_tune"
ROOMS = [
    "errors",
    "progress",
    "space",
    "tasks",
    "store",
    "adversary",
    "training",
    "results",
    "watching",
    "search",
    "api",
    "importing",
    "cli",
]
INNER = {
    "space": ["values", "problems", "registered", "settings", "checking", "reading", "cells"],
    "tasks": ["definitions", "reading", "sources"],
    "store": ["disk", "cells", "journal", "folders", "remote", "known"],
    "training": [
        "inputs",
        "passes",
        "probing",
        "trainer_parts",
        "trainer",
        "preparing",
        "cells",
        "predicting",
        "promises",
    ],
    "results": [
        "statistics",
        "tables",
        "glue",
        "page",
        "analysis",
        "robustness",
        "earlier",
        "outputs",
    ],
    "search": ["driver", "algorithms", "ray_tune", "run"],
    "results/statistics": ["numbers", "comparing", "choosing", "answers"],
    "results/tables": ["contents", "columns", "formats", "robustness"],
    "search/algorithms": ["algorithm", "frame"],
    "search/driver": ["board", "listener", "work", "selected", "showing", "ledger", "guards"],
    "search/ray_tune": ["machines", "workers"],
}
"""Inside a room, in order; a file that stands beside them and is not named here comes after all."""
INSIDE = [f"{outer}/{room}" for outer, rooms in INNER.items() for room in rooms]
HEAVY = {"torch": {"adversary", "training", "api/environment"}, "ray": {"search/ray_tune"}}
LIGHT = {"freelb_tune", "freelb_tune.errors", "typer", "typer.core"}
FILES = sorted(PACKAGE.rglob("*.py"))


def place(parts):
    """Where a module stands: its room, its place inside the room, and so on inwards."""
    places = [ROOMS.index(parts[0])]
    for depth, name in enumerate([*parts[1:], ""], 1):
        inner = INNER.get("/".join(parts[:depth]))
        if inner is None:
            break
        places.append(inner.index(name) if name in inner else len(inner))
    return places


def parts_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


@cache
def tree(path):
    return ast.parse(path.read_text("utf-8"))


def imports(path, nodes=ast.walk):
    """Names that a file imports: wherever they stand, or only `nodes` of its tree."""
    for node in nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def taken(path):
    """What a file takes from elsewhere, with the place: a module, it may be."""
    froms = (each for each in ast.walk(tree(path)) if isinstance(each, ast.ImportFrom))
    return (f"{each.module}.{alias.name}" for each in froms for alias in each.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_comes_before_it(path):
    own = parts_of(path)
    if own == ("__init__",):
        return  # the door: what it loads, and when, is test_api's to hold
    for name in imports(path):
        top, *other = name.split(".")
        if top == "freelb_tune" and other:
            assert place(other) <= place(own), f"{'/'.join(own)} may not import {name}"
        if top in HEAVY:
            places = {own[0], "/".join(own[:2])}
            assert places & HEAVY[top], f"only {sorted(HEAVY[top])} may import {top}"


def test_no_files_import_each_other_in_a_circle():
    names = {".".join(["freelb_tune", *parts_of(path)]): path for path in FILES}
    files = {name: path for name, path in names.items() if path.name != "__init__.py"}
    graph = {name: files.keys() & {*imports(path), *taken(path)} for name, path in files.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(files)


@pytest.mark.parametrize("room", INSIDE)
def test_every_inner_room_is_there_and_loads_nothing_by_itself(room):
    if not (PACKAGE / f"{room}.py").exists():
        door = tree(PACKAGE / room / "__init__.py")
        assert len(door.body) == 1, "a docstring, so that a search loads what it names"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_a_command_loads_a_room_only_when_it_is_called(path):
    for name in imports(path, ast.iter_child_nodes):
        top = name.partition(".")[0]
        light = (
            name in LIGHT or name.startswith("freelb_tune.cli.") or top in sys.stdlib_module_names
        )
        assert light, f"import {name} inside the command, so that --help stays quick"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_a_command_is_a_skin_over_the_api(path):
    own = {"importing", "tasks"} if path.stem == "importing" else set()  # that room is its own
    allowed = {"api", "cli", "errors", "progress"} | own
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("freelb_tune.")}
    assert rooms <= allowed


def test_results_and_store_work_without_ray_and_torch_installed():
    # every import of these rooms, wherever it stands, is of neither
    for path in FILES:
        if parts_of(path)[0] in ("results", "store", "space", "tasks", "importing"):
            found = {name.partition(".")[0] for name in imports(path)}
            assert not {"ray", "torch", "transformers"} & found, path


def test_only_its_command_imports_the_importers():
    for path in FILES:
        if parts_of(path)[0] != "importing" and parts_of(path) != ("cli", "importing"):
            assert not [n for n in imports(path) if n.startswith("freelb_tune.importing")], path
