"""Every command line and every search space that README and docs/ show is one that works."""

import re
import shlex
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from test_readme import HOME, PAGES
from typer.main import get_command
from typer.testing import CliRunner

import freelb_tune as ft
from freelb_tune.api.shipped import shipped_spaces
from freelb_tune.api.spaces import load_adversaries, load_space
from freelb_tune.cli.root import app
from freelb_tune.space import plan_cells
from freelb_tune.space.reading.space import TOP

BASE = {"task": "task: rte", "model": "model: some/encoder"}
MORE = {  # what a part of a space that a page shows takes for granted
    "algorithm:": "adversary: {adv_lr: {loguniform: [0.01, 0.2]}}",
    "macro_f1}": "task: classification\ndata: {file: own.csv, dev_share: 0.2}",
    "model.adapter.": "model: {name: some/encoder, adapter: {type: lora}}",
}
SHOWN = [page for page in PAGES if page.name != "commands.md"]  # which Typer writes
GROUP = get_command(app)


def blocks(page):
    """Fenced blocks with their language, and indented ones, which have none."""
    text = page.read_text("utf-8")
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    found = [(match[1], match[2]) for match in fence.finditer(text)]
    rest = fence.sub("", text)
    return found + [("", re.sub(r"^ {4}", "", each, flags=re.MULTILINE))
                    for each in re.findall(r"(?:^ {4}\S.*\n)+", rest, re.MULTILINE)]  # fmt: skip


def spans(page):
    """What stands in a line of text as code, also over the end of a line."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(each.split()) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def spaces():
    """YAML of every page: blocks, of alternatives each one, and settings in a line of text."""
    for page in SHOWN:
        for language, text in blocks(page):
            if language not in ("yaml", "yml"):
                continue
            keys = Counter(re.findall(r"^(\w+):", text, re.MULTILINE))
            several = [key for key, count in keys.items() if count > 1]
            yield from ((page.name, each) for each in (text.splitlines() if several else [text]))
        for each in spans(page):
            is_example = "..." not in each and not re.search(r"\b[A-Z]{4,}\b", each)
            if is_example and re.fullmatch(rf"({'|'.join(TOP)}): [\w{{\[].*", each):
                yield page.name, each


def commands():
    """Command lines of every page: in blocks and in lines of text, without what is said beside."""
    for page in SHOWN:
        lines = [each for each in spans(page) if each.startswith("freelb-tune ")]
        for _, text in blocks(page):
            joined = re.sub(r"\s*\\\n\s*", " ", text)
            lines += [re.sub(r"^(\$|\.venv/bin/|> )\s*", "", line) for line in joined.splitlines()]
        for line in lines:
            line = re.sub(r"^\.venv/bin/", "", line.strip())
            if line.startswith(("freelb-tune ", "make ")):
                yield page.name, re.split(r"\s{2,}|\s>\s|\s#\s|\s&&\s|\s\|\s", line)[0]


def overridden(words):
    """The shipped space that a command names, and what it lays over it; None for another file."""
    group = GROUP.make_context("freelb-tune", list(words))
    if len(words) == 1 and words[0] in GROUP.commands:
        return None  # only its name is said
    name, command, rest = GROUP.resolve_command(group, [*group._protected_args, *group.args])
    given = command.make_context(name, list(rest), parent=group).params  # raises where it is wrong
    space = str(given.get("space", "")).removesuffix(".yaml")
    return (space, given.get("overrides") or []) if space in shipped_spaces() else None


@pytest.mark.parametrize(("page", "text"), sorted(set(spaces())))
def test_a_search_space_plans(page, text, tmp_path):
    keys = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    base = BASE | {line.partition(":")[0]: line for part, line in MORE.items() if part in text}
    lines = [line for key, line in base.items() if key not in keys]
    text = text.replace("model: {adapter", "model: {name: some/encoder, adapter")
    (tmp_path / "space.yaml").write_text("\n".join([*lines, text]), "utf-8")
    space = load_space(tmp_path / "space.yaml")
    plan = plan_cells(space, data_fingerprint=lambda _: "data", model_fingerprint=lambda _: "model")
    assert plan.cells or "points" in text


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_a_command_is_one_that_there_is(page, line, monkeypatch, forgetful):
    first, *words = shlex.split(line)
    if first == "make":
        targets = re.findall(r"^([\w-]+):", (HOME / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(words[:1]) <= set(targets)
        return
    asked = overridden(words)
    if asked is not None:
        space, overrides = asked
        plugins = [HOME / word for word in words if Path(word).suffix == ".py"]
        monkeypatch.chdir(HOME)
        load_adversaries([str(each) for each in plugins])
        assert load_space(space, overrides).size > 0


@pytest.mark.parametrize(
    "words",
    ["--help", "--version", "spaces", "spaces rte_grid", "schema", "plan --space quickstart",
     "plan --space quickstart --json", "status --help"],
)  # fmt: skip
def test_what_costs_nothing_runs(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(words))
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()
    assert not any(tmp_path.iterdir())


def test_enough_is_looked_at():
    found = [line for _, line in set(commands())], [text for _, text in set(spaces())]
    assert len(found[0]) > 30
    assert len(found[1]) > 15


def test_the_reference_has_every_public_name_where_it_is():
    text = (HOME / "docs" / "reference.md").read_text("utf-8")
    paths = re.findall(r"^::: (\S+)", text, re.MULTILINE)
    for path in paths:
        module, _, name = path.rpartition(".")
        found = getattr(import_module(module), name)
        assert found.__module__ == module, f"{path} is only handed on from there"
    pages = {path.rpartition(".")[2] for path in paths}
    own_page = {name for name in ft.__all__ if name.endswith("Settings")}  # settings.md
    names = {name for name in ft.__all__ if name[0] != "_" and not name.isupper()}
    assert pages == names - own_page
