"""Runs written as search spaces: what is common, what is spanned, and what a reader should know.

Room: space, importing. Runs in, YAML out; every text is loaded and planned before it is given out.
"""

import json
import re
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.importing.runs import Known, Run
from freelb_tune.importing.spanning import Settings, as_text, spanned_sections
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.planning import plan_cells
from freelb_tune.space.reading.space import load_space

__all__ = ["Imported", "save_spaces", "write_spaces"]

_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][\w./-]*", re.IGNORECASE)


@dataclass(frozen=True)
class Imported:
    """A search space that plans to runs of a foreign file.

    Attributes:
        name: of the search.
        text: the YAML file, notes and all.
        runs: how many runs it plans to.
    """

    name: str
    text: str
    runs: int


@dataclass(frozen=True)
class _Group:
    """Runs that one space can hold: a task, a metric, and configurations over the same seeds."""

    task: str
    metric: str | None
    configurations: tuple[Settings, ...]
    seeds: tuple[int, ...]


def write_spaces(
    path: Path, runs: Sequence[Run], resources: Mapping[str, Any], notes: Sequence[str],
    known: Known,
) -> list[Imported]:  # fmt: skip
    """Write runs down, in one space for each task and set of seeds.

    Args:
        path: the foreign file; spaces are named after it.
        runs: what it runs.
        resources: of each trial.
        notes: for the head of every space.
        known: the tasks, which the spaces are checked against.

    Raises:
        FreeLBTuneError: two runs differ only in what has no counterpart here, or a setting may not
            stand in a space.
    """
    groups = _groups(path, runs)
    stem = re.sub(r"[^\w.+-]", "_", path.stem).lstrip(".+-") or "imported"
    names = _names(stem, groups)
    return [
        _write(name, path, group, resources, notes, known)
        for name, group in zip(names, groups, strict=True)
    ]


def save_spaces(spaces: Sequence[Imported], out: Path | None) -> list[Path]:
    """Write spaces to a file, or several into a folder under their names; overwrites nothing.

    Raises:
        FreeLBTuneError: there are several and no folder is named, or a file is there already.
    """
    if out is None:
        raise FreeLBTuneError(
            f"these runs need {len(spaces)} spaces, as a space has one task and one set of seeds: "
            f"{', '.join(space.name for space in spaces)}; write --out FOLDER"
        )
    single = len(spaces) == 1 and not out.is_dir()
    if not single and out.suffix in (".yaml", ".yml"):
        raise FreeLBTuneError(f"--out {out}: {len(spaces)} spaces need a folder, not a file")
    paths = [out] if single else [out / f"{space.name}.yaml" for space in spaces]
    for path in paths:
        if path.exists():
            raise FreeLBTuneError(f"{path}: is there already; name another, or take it away")
    for path, space in zip(paths, spaces, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(space.text, "utf-8")
        except OSError as err:
            raise FreeLBTuneError(f"{path}: cannot be written: {err}") from err
    return paths


def _groups(path: Path, runs: Sequence[Run]) -> list[_Group]:
    seen: dict[tuple[str, str, int], Run] = {}
    configurations: dict[tuple[str, str | None, str], tuple[Settings, list[int]]] = {}
    for run in runs:
        key = json.dumps(run.settings, sort_keys=True)
        twin = seen.setdefault((run.task, key, run.seed), run)
        if twin is not run:
            _refuse_twins(path, twin, run)
            continue
        found = configurations.setdefault((run.task, run.metric, key), (run.settings, []))
        found[1].append(run.seed)
    groups: dict[tuple[str, str | None, frozenset[int]], list[Settings]] = {}
    orders: dict[frozenset[int], tuple[int, ...]] = {}
    for (task, metric, _), (settings, seeds) in configurations.items():
        orders.setdefault(frozenset(seeds), tuple(seeds))
        groups.setdefault((task, metric, frozenset(seeds)), []).append(settings)
    return [
        _Group(task, metric, tuple(found), orders[seeds])
        for (task, metric, seeds), found in groups.items()
    ]


def _refuse_twins(path: Path, one: Run, other: Run) -> None:
    flags = sorted(
        name
        for name in one.unread.keys() | other.unread.keys()
        if one.unread.get(name) != other.unread.get(name)
    )
    if not flags:
        return  # the same run twice is one run
    values = [f"{run.unread.get(flags[0]) or 'nothing'}" for run in (one, other)]
    raise FreeLBTuneError(
        f"{path}: {one.place} and {other.place} differ only in {', '.join(flags)} "
        f"({' and '.join(values)}). Nothing here corresponds to it, so they would be one run; take "
        "the flag out, or write the space by hand"
    )


def _names(stem: str, groups: Sequence[_Group]) -> list[str]:
    if len(groups) == 1:
        return [stem]
    tasks = [group.task for group in groups]
    numbers = [tasks[:i].count(task) + 1 for i, task in enumerate(tasks)]
    several = len(set(tasks)) > 1
    return [
        "_".join([stem, *([task] if several else []), *([str(n)] if tasks.count(task) > 1 else [])])
        for task, n in zip(tasks, numbers, strict=True)
    ]


def _write(
    name: str, path: Path, group: _Group, resources: Mapping[str, Any], notes: Sequence[str],
    known: Known,
) -> Imported:  # fmt: skip
    content: dict[str, Any] = {
        "name": name,
        "task": group.task,
        **spanned_sections(group.configurations),
    }
    content |= {"clean_arm": False, "seeds": list(group.seeds)}
    if group.metric:
        content["search"] = {"metric": group.metric}
    if resources:
        content["resources"] = dict(resources)
    body = _yaml(content)
    cells = _planned(path, body, known)
    wanted = len(group.configurations) * len(group.seeds)
    if len(cells) != wanted or not _same(cells, group):
        raise AssertionError(f"{path}: {wanted} runs were written as {len(cells)} others:\n{body}")
    return Imported(name, f"{_head(name, path, group, notes)}{body}", wanted)


def _yaml(content: Mapping[str, Any]) -> str:
    """Block style for sections, one line for each setting, as the shipped spaces are written."""
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {_flow(item)}" for name, item in value.items())]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_flow(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value)


def _planned(path: Path, body: str, known: Known) -> tuple[Cell, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "space.yaml"
        written.write_text(body, "utf-8")
        try:
            space = load_space(written, tasks=known.metrics)
            plan = plan_cells(
                space,
                data_fingerprint=lambda _: "data",
                model_fingerprint=lambda inputs: inputs.model.name,
                limit=None,
            )
        except FreeLBTuneError as err:
            told = str(err).replace(str(written), "the space that this makes")
            raise FreeLBTuneError(f"{path}: {told}\n{body}") from err
    return plan.cells


def _same(cells: Sequence[Cell], group: _Group) -> bool:
    """Whether the cells are the runs: every setting of a run stands in a cell of its seed."""
    shapes = {tuple(sorted(settings)) for settings in group.configurations}
    planned = {
        (cell.seed, shape, *(_there(name, cell.settings.get(name)) for name in shape))
        for cell in cells
        for shape in shapes
    }
    runs = {
        (
            seed,
            tuple(sorted(settings)),
            *(_there(name, settings[name]) for name in sorted(settings)),
        )
        for settings in group.configurations
        for seed in group.seeds
    }
    return runs <= planned


def _there(name: str, value: Any) -> str:
    """A value as text; a model's folder as the space reads it, from the root."""
    if name == "model.name" and Path(str(value)).expanduser().is_dir():
        value = str(Path(str(value)).expanduser().absolute())
    return as_text(value)


def _head(name: str, path: Path, group: _Group, notes: Sequence[str]) -> str:
    configurations, seeds = len(group.configurations), len(group.seeds)
    cost = _cost(group)
    lines = [
        f"{path.name} as a search space, written by freelb-tune import.",
        "",
        f"Asks    which of its configurations does best on {group.task}; its runs and no others",
        f"Run     freelb-tune --space {name}.yaml",
        f"Cells   {counted(configurations, 'configuration')} x {counted(seeds, 'seed')} = "
        f"{configurations * seeds}; "
        "clean_arm: true adds the clean arm",
        *([f"Cost    {cost}"] if cost else []),
        "Needs   the Hub, or local copies: model=FOLDER --data GLUE_FOLDER",
        f"Source  {path.name}",
        "",
        "What means something else here, or was left out:",
        *(f"- {note}" for note in notes or ["nothing"]),
    ]
    wrapped = []
    for line in lines:
        indent = "        " if re.match(r"[A-Z]\w+ {2,}", line) else "  "
        wrapped += textwrap.wrap(
            line, 98, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "".join(f"# {line}".rstrip() + "\n" for line in wrapped)


def _cost(group: _Group) -> str | None:
    total = 0
    for settings in group.configurations:
        steps = settings.get("trainer.max_steps")
        if not isinstance(steps, int):
            return None
        passes = settings.get("adversary.adv_steps", 1)
        total += steps * (passes if isinstance(passes, int) else 1) * len(group.seeds)
    return f"{total:,} forward and backward passes of one batch (weight updates x passes x cells)"
