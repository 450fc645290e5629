"""From a search-space file to a `Space`: everything is checked here, and said at once.

Room: space.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from freelb_tune.errors import unknown_name
from freelb_tune.space.adversary import ADVERSARIES
from freelb_tune.space.checks import check_value, say, wrong_key
from freelb_tune.space.document import Document, read_document, to_yaml
from freelb_tune.space.domains import Domain, Grid, is_domain, parse_domain
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.sections import SEARCHED, ResourcesConfig, SearchConfig, TableConfig
from freelb_tune.space.where import check_condition

__all__ = ["Reference", "Setting", "Space", "load_space"]

TOP = ("name", "task", *SEARCHED, "tie", "branches", "where", "clean_arm", "seeds", "search",
       "resources", "table")  # fmt: skip
REFERENCE = re.compile(r"^\$\{([\w.]+)\}$")
PATHS = ("data.path", "data.train", "data.dev", "data.test", "data.advglue", "model.name")
Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True)
class Reference:
    """A setting that takes another's value, cell by cell."""

    target: str


Setting = Any
"""What a file says of one setting: a value, a `Domain` or a `Reference`."""


@dataclass(frozen=True)
class Space:
    """A search space, checked.

    Attributes:
        path: the file.
        name: of the search; its results go to a folder of this name.
        task: the task's name.
        settings: what the file says of each searched section's settings, by dotted name.
        ties: groups of settings whose lists advance together, `{name: values}`.
        branches: settings laid over the rest, one branch after the other; `({},)` without any.
        where: conditions that a configuration must meet.
        clean_arm: whether each setting is also run without perturbation.
        seeds: replicates of every configuration.
        search: algorithm, metric, samples.
        resources: what each trial gets.
        table: how the table is laid out.
        content: the file as resolved, in plain values.
    """

    path: Path
    name: str
    task: str
    settings: dict[str, Setting]
    ties: tuple[dict[str, tuple[Any, ...]], ...]
    branches: tuple[dict[str, Setting], ...]
    where: tuple[str, ...]
    clean_arm: bool
    seeds: tuple[int, ...]
    search: SearchConfig
    resources: ResourcesConfig
    table: TableConfig
    content: dict[str, Any]

    def to_yaml(self) -> str:
        """The file as resolved; it loads again to the same plan."""
        return to_yaml(self.content)


def load_space(
    path: Path,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    *,
    tasks: Mapping[str, Collection[str]] | None = None,
) -> Space:
    """Read a search-space file.

    Args:
        path: the YAML file.
        overrides: `key=value` settings that replace the file's.
        data_dir: a GLUE folder that replaces the file's `data` source.
        tasks: the known tasks with the names of their metrics; None leaves both unchecked.

    Raises:
        FreeLBTuneError: the file is not there or not right; the message lists every problem with
            its line, what was found and what to write instead.
    """
    document = read_document(path, overrides)
    content = _spelt_out(document.content, path, data_dir)
    problems = Problems(path, document.places)
    for key in content:
        if key not in TOP:
            problems.add(key, unknown_name(key, TOP))
    for key in ("task", "model"):
        if key not in document.content:
            problems.add(key, f"is missing; a search space names its {key}")
    content = _resolved({k: v for k, v in content.items() if k in TOP}, problems)
    reader = _Reader(content, problems, tasks)
    space = reader.read(document)
    problems.raise_if_any()
    return space


def _spelt_out(given: Mapping[str, Any], path: Path, data_dir: Path | None) -> dict[str, Any]:
    """The shorthands in their long form, and the sections that are not there as empty ones."""
    content = {"name": path.stem, **given}
    model = content.get("model")
    if isinstance(model, str) or is_domain(model):
        content["model"] = {"name": model}
    seeds = content.get("seeds", [1])
    if isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 1:
        content["seeds"] = list(range(1, seeds + 1))
    if data_dir is not None:
        old = content.get("data")
        kept = old if isinstance(old, dict) else {}
        content["data"] = {**kept, "source": "glue", "path": str(data_dir)}
    return content


def _resolved(content: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """References inside text and to plain keys, by OmegaConf; those to settings stay."""

    def hide(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: hide(v) for k, v in value.items()}
        if isinstance(value, list):
            return [hide(v) for v in value]
        if isinstance(value, str):
            found = REFERENCE.match(value)
            if found and found[1].partition(".")[0] in SEARCHED:
                return "@@" + value[2:-1]  # followed cell by cell, not copied
        return value

    def show(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: show(v) for k, v in value.items()}
        if isinstance(value, list):
            return [show(v) for v in value]
        if isinstance(value, str) and value.startswith("@@"):
            return f"${{{value[2:]}}}"
        return value

    try:
        resolved = OmegaConf.to_container(OmegaConf.create(hide(content)), resolve=True)
    except OmegaConfBaseException as err:
        key = str(getattr(err, "full_key", "") or "the file")
        problems.add(key, f"{str(err).splitlines()[0]}; a reference names another key: ${{name}}")
        problems.raise_if_any()
        raise
    assert isinstance(resolved, dict)  # a mapping went in
    shown_again: dict[str, Any] = show(resolved)
    return shown_again


class _Reader:
    """Reads the resolved content section by section into a `Space`."""

    def __init__(
        self,
        content: dict[str, Any],
        problems: Problems,
        tasks: Mapping[str, Collection[str]] | None,
    ) -> None:
        self.content, self.problems, self.tasks = content, problems, tasks

    def read(self, document: Document) -> Space:
        self.ties = self._ties()
        branches = self._branches()
        raw = self._flat(self.content)
        self.methods = self._methods([raw, *branches])
        settings = self._settings(raw)
        over = tuple(self._settings(branch) for branch in branches) or ({},)
        self._tied_values(settings)
        self._references([settings, *over])
        search = self._section("search", SearchConfig)
        self._search(search, [settings, *over])
        names = {*settings, *(k for b in over for k in b), *(k for t in self.ties for k in t)}
        return Space(
            path=document.path,
            name=self._name(),
            task=self._task(search),
            settings=settings,
            ties=self.ties,
            branches=over,
            where=self._where(names),
            clean_arm=self._flag("clean_arm"),
            seeds=self._seeds(),
            search=search,
            resources=self._section("resources", ResourcesConfig),
            table=self._table(),
            content=self.content,
        )

    def _name(self) -> str:
        name = self.content["name"]
        if not isinstance(name, str) or not re.fullmatch(r"[\w][\w.+-]*", name):
            self.problems.add(
                "name", f"names a folder: letters, digits, . _ + - only, got {shown(name)}"
            )
            return "unnamed"
        return name

    def _task(self, search: SearchConfig) -> str:
        task = self.content.get("task")
        if task is None:
            return ""
        if not isinstance(task, str):
            self.problems.add("task", f"expected a task's name, got {shown(task)}")
            return ""
        if self.tasks is not None and task not in self.tasks:
            self.problems.add("task", unknown_name(task, self.tasks))
        elif self.tasks is not None and search.metric and search.metric not in self.tasks[task]:
            hint = unknown_name(search.metric, self.tasks[task])
            self.problems.add("search.metric", f"task {task!r} has no such metric: {hint}")
        return task

    def _flag(self, key: str) -> bool:
        value = self.content.get(key, True)
        if not isinstance(value, bool):
            self.problems.add(key, f"expected true or false, got {shown(value)}")
            return True
        return value

    def _seeds(self) -> tuple[int, ...]:
        seeds = self.content.get("seeds", [1])
        good = isinstance(seeds, list) and seeds and all(type(s) is int and s >= 0 for s in seeds)
        if not good:
            self.problems.add(
                "seeds",
                "expected whole numbers of 0 or more, such as [1, 2, 3], or how many, such as 3, "
                f"got {shown(seeds)}",
            )
            return (1,)
        twice = sorted({s for s in seeds if seeds.count(s) > 1})
        if twice:
            self.problems.add("seeds", f"{twice[0]} stands twice; a seed is one replicate")
        return tuple(seeds)

    def _section(self, name: str, kind: type[Section]) -> Section:
        content = self.content.get(name) or {}
        if not isinstance(content, dict):
            self.problems.add(name, f"expected a mapping, got {shown(content)}")
            return kind()
        try:
            return kind.model_validate(content)
        except ValidationError as err:
            for key in {str(e["loc"][0]): None for e in err.errors()}:
                if key not in kind.model_fields:
                    self.problems.add(f"{name}.{key}", unknown_name(key, kind.model_fields))
                    continue
                found = [e for e in err.errors() if str(e["loc"][0]) == key]
                self.problems.add(f"{name}.{key}", say(found, content[key]))
            return kind()

    def _flat(self, content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        """The searched sections' settings by dotted name; dotted keys may stand on top."""
        flat: dict[str, Any] = {}
        for key, value in content.items():
            section, dot, name = key.partition(".")
            if section not in SEARCHED:
                if prefix:
                    self.problems.add(f"{prefix}{key}", unknown_name(section, SEARCHED))
                continue
            if dot:
                flat[f"{section}.{name}"] = value
            elif isinstance(value, dict):
                flat |= {f"{section}.{name}": item for name, item in value.items()}
            elif value is not None:
                self.problems.add(f"{prefix}{key}", f"expected a mapping, got {shown(value)}")
        return flat

    def _methods(self, layers: Sequence[Mapping[str, Any]]) -> set[str]:
        """Every method that some cell may have."""
        found: set[str] = set()
        for layer in layers:
            value = layer.get("adversary.method")
            if isinstance(value, dict) and is_domain(value):
                values = next(iter(value.values()))  # a domain has one name
                found |= {v for v in values or () if isinstance(v, str)}
            elif isinstance(value, str):
                found.add(value)
        for tie in self.ties:
            found |= {v for v in tie.get("adversary.method", ()) if isinstance(v, str)}
        first = layers[0].get("adversary.method")
        return found if first is not None or found else {"freelb"}

    def _settings(self, raw: Mapping[str, Any]) -> dict[str, Setting]:
        settings: dict[str, Setting] = {}
        for key, value in raw.items():
            section, _, name = key.partition(".")
            wrong = wrong_key(section, name, self.methods)
            if wrong:
                self.problems.add(key, wrong)
                continue
            read = self._value(key, value)
            settings[key] = read
            for example in _examples(read):
                self._check(key, example)
        return settings

    def _check(self, key: str, value: Any) -> None:
        section, _, name = key.partition(".")
        wrong = check_value(section, name, value, self.methods)
        if wrong:
            self.problems.add(key, wrong)

    def _value(self, key: str, value: Any) -> Setting:
        if isinstance(value, str) and (found := REFERENCE.match(value)):
            return Reference(found[1])
        if is_domain(value):
            domain = parse_domain(value)
            if isinstance(domain, str):
                self.problems.add(key, domain)
                return Reference("adversary.method")  # nothing further to check here
            return domain
        if key in PATHS and isinstance(value, str):
            return _absolute(key, value)
        return value

    def _ties(self) -> tuple[dict[str, tuple[Any, ...]], ...]:
        groups = self.content.get("tie") or []
        if isinstance(groups, dict):
            groups = [groups]
        ties = []
        for index, group in enumerate(groups if isinstance(groups, list) else [groups]):
            where = f"tie.{index}"
            good = isinstance(group, dict) and all(
                isinstance(v, list) and v for v in group.values()
            )
            if not good or not group:
                self.problems.add(
                    where,
                    "expected lists that advance together, such as {adversary.init_mag: [0.1, "
                    f"0.2], adversary.max_norm: [0.1, 0.2]}}, got {shown(group)}",
                )
                continue
            sizes = {key: len(values) for key, values in group.items()}
            if len(set(sizes.values())) > 1:
                told = ", ".join(f"{key} has {size}" for key, size in sizes.items())
                self.problems.add(where, f"tied lists are equally long; {told}")
                continue
            ties.append({key: tuple(values) for key, values in group.items()})
        return tuple(ties)

    def _tied_values(self, settings: Mapping[str, Setting]) -> None:
        seen: set[str] = set()
        for index, tie in enumerate(self.ties):
            for key, values in tie.items():
                section, dot, name = key.partition(".")
                wrong = (
                    wrong_key(section, name, self.methods)
                    if dot and section in SEARCHED
                    else f"write the section too, such as adversary.{key}"
                )
                if wrong:
                    self.problems.add(f"tie.{index}.{key}", wrong)
                    continue
                if key in settings or key in seen:
                    self.problems.add(key, "is set twice: here and under tie; take one out")
                seen.add(key)
                for value in values:
                    self._check(key, value)

    def _branches(self) -> list[dict[str, Any]]:
        branches = self.content.get("branches") or []
        if not isinstance(branches, list) or not all(isinstance(b, dict) and b for b in branches):
            self.problems.add(
                "branches", f"expected a list of settings to lay over, got {shown(branches)}"
            )
            return []
        return [self._flat(b, prefix=f"branches.{i}.") for i, b in enumerate(branches)]

    def _references(self, layers: Sequence[Mapping[str, Setting]]) -> None:
        known = {*(k for layer in layers for k in layer), *(k for t in self.ties for k in t)}
        known |= {"adversary.method"}
        whole = {k: v for layer in layers for k, v in layer.items()}
        for key, value in whole.items():
            trail = [key]
            while isinstance(value, Reference):
                if value.target not in known:
                    self.problems.add(key, f"refers to {unknown_name(value.target, known)}")
                    break
                if value.target in trail:
                    self.problems.add(key, f"refers to itself: {' to '.join(trail)}")
                    break
                trail.append(value.target)
                value = whole.get(value.target)

    def _search(self, search: SearchConfig, layers: Sequence[Mapping[str, Setting]]) -> None:
        if search.algorithm != "grid":
            return
        for layer in layers:
            for key, value in layer.items():
                if not isinstance(value, Grid | Reference) and isinstance(value, Domain):
                    self.problems.add(
                        key,
                        "search.algorithm is grid, and a grid cannot draw; write {grid: [...]} "
                        "here, or search: {algorithm: random}",
                    )

    def _where(self, names: Collection[str]) -> tuple[str, ...]:
        texts = self.content.get("where") or []
        texts = [texts] if isinstance(texts, str) else texts
        known = {*names, *(f"adversary.{n}" for k in ADVERSARIES.values() for n in k.model_fields)}
        good = []
        for index, text in enumerate(texts if isinstance(texts, list) else [texts]):
            wrong = check_condition(text, sorted(known))
            if wrong:
                self.problems.add(f"where.{index}", wrong)
            else:
                good.append(text)
        return tuple(good)

    def _table(self) -> TableConfig:
        table = self._section("table", TableConfig)
        known = {f"{s}.{n}" for s in SEARCHED if s != "trainer" for n in _names(s)}
        known |= {f"trainer.{n}" for n in _names("trainer")}
        for key, names in (("rows", table.rows or []), ("columns", [table.columns])):
            for name in names:
                full = [k for k in known if name in (k, k.partition(".")[2])]
                if name is not None and not full:
                    leaves = {k.partition(".")[2] for k in known}
                    hint = unknown_name(name, leaves).split("known:")[0].rstrip("; ")
                    self.problems.add(f"table.{key}", f"{hint}; name a setting, such as adv_lr")
        return table


def _names(section: str) -> set[str]:
    from freelb_tune.space.checks import known_settings

    return known_settings(section)


def _examples(value: Setting) -> tuple[Any, ...]:
    if isinstance(value, Reference):
        return ()
    return value.examples if isinstance(value, Domain) else (value,)


def _absolute(key: str, value: str) -> str:
    """Local paths made absolute, so that a stored cell can be run again from anywhere."""
    if "://" in value or value.startswith(("package:", "config:")):
        return value
    path = Path(value).expanduser()
    local = path.exists() and (key != "data.train" or path.is_file())
    return str(path.absolute()) if local else value
